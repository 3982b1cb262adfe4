/** The core's records as people see them; tags are read once for each Meta. */
import type { MemberRecord } from '../core/effects.ts';
import type { Member, MemberState } from '../member.ts';
import { decodeTags, type Tags } from '../wire.ts';

const states: Readonly<Record<MemberRecord['state'], MemberState>> = {
  alive: 'Alive',
  suspect: 'Suspect',
  dead: 'Dead',
  left: 'Left',
};

export class MemberViews {
  readonly #tags = new WeakMap<Uint8Array, Tags>();

  of(record: MemberRecord): Member {
    const { name, address, incarnation, lastSeenMs, stateChangedMs, meta } = record;
    let tags = this.#tags.get(meta);
    if (tags === undefined) {
      tags = Object.freeze(decodeTags(meta));
      this.#tags.set(meta, tags);
    }
    return { name, address, state: states[record.state], incarnation, tags, lastSeenMs, stateChangedMs };
  }
}
