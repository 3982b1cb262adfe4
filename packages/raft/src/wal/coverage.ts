/**
 * Which segments of the log nobody needs any more: those whose entries, of every group, lie at or before what a snapshot covers.
 *
 * Segments go oldest first. Term, vote and base of every group are written once more before one goes, because the segment may hold
 * the only record of them.
 */
import type { LogWrite } from '../ports.ts';
import type { GroupState } from './groups.ts';

/** The highest index of each group that a segment has held; cut off since or not. */
export type Highest = Map<number, number>;

export interface GroupWrite {
  readonly groupId: number;
  readonly write: LogWrite;
}

const newGroup: GroupState = { hardState: { term: 0, vote: null }, base: { index: 0, term: 0 } };

export class Coverage {
  readonly #groups: Map<number, GroupState>;
  // A base has moved since it was last asked.
  #moved = true;

  constructor(groups: Map<number, GroupState>) {
    this.#groups = groups;
  }

  /** A write has become durable in a segment. */
  note({ groupId, write }: GroupWrite, highest: Highest): void {
    const { hardState, base, entries } = write;
    const last = entries.at(-1);
    if (last !== undefined) highest.set(groupId, Math.max(last.index, highest.get(groupId) ?? 0));
    if (hardState === null && base === null) return;
    const before = this.#groups.get(groupId) ?? newGroup;
    this.#groups.set(groupId, { hardState: hardState ?? before.hardState, base: base ?? before.base });
    this.#moved ||= base !== null;
  }

  /** How many of these, from the oldest on, are not needed; asked again only after a base has moved. */
  dispensable(segments: readonly { readonly highest: Highest }[]): number {
    if (!this.#moved) return 0;
    this.#moved = false;
    const needed = segments.findIndex(({ highest }) =>
      [...highest].some(([groupId, index]) => index > (this.#groups.get(groupId)?.base.index ?? 0)),
    );
    return needed === -1 ? segments.length : needed;
  }

  /** What every group's log is without its entries. */
  restated(): readonly GroupWrite[] {
    return [...this.#groups].map(([groupId, { hardState, base }]) => ({
      groupId,
      write: { hardState, base, truncateAfter: null, entries: [] },
    }));
  }
}
