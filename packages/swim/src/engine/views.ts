/** The core's records as people see them; tags are read once for each Meta. */
import type { MemberRecord } from '../core/effects.ts';
import type { Member, MemberState } from '../member.ts';
import { decodeTags, metadataTag, metadataTagValue, type Tags } from '../wire.ts';

const states: Readonly<Record<MemberRecord['state'], MemberState>> = {
  alive: 'Alive',
  suspect: 'Suspect',
  dead: 'Dead',
  left: 'Left',
};

interface ReadMeta {
  /** Those that people have set. */
  readonly tags: Tags;
  readonly exchangesMetadata: boolean;
}

export class MemberViews {
  readonly #read = new WeakMap<Uint8Array, ReadMeta>();

  of(record: MemberRecord): Member {
    const { name, address, incarnation, lastSeenMs, stateChangedMs, meta } = record;
    const { tags } = this.#metaOf(meta);
    return { name, address, state: states[record.state], incarnation, tags, lastSeenMs, stateChangedMs };
  }

  exchangesMetadata({ meta }: MemberRecord): boolean {
    return this.#metaOf(meta).exchangesMetadata;
  }

  #metaOf(meta: Uint8Array): ReadMeta {
    let read = this.#read.get(meta);
    if (read === undefined) {
      const { [metadataTag]: version, ...tags } = decodeTags(meta);
      read = { tags: Object.freeze(tags), exchangesMetadata: version === metadataTagValue };
      this.#read.set(meta, read);
    }
    return read;
  }
}
