/**
 * The groups' logs as the records of a write-ahead log build them up again.
 *
 * The oldest segments go when snapshots cover what is in them, so the records that are left may begin anywhere: with an entry in the
 * middle of a log, or by cutting off what is not there any more. Where a log begins is said by its latest base, which is written
 * anew before a segment goes; that the entries join it is asked at the end.
 */
import type { Entry, HardState, LogBase } from '../core/types.ts';
import { entriesBehind } from '../memory-storage.ts';
import type { RecoveredLog } from '../ports.ts';
import type { RecordVisitor } from './format.ts';

interface Group {
  hardState: HardState;
  base: LogBase;
  entries: Entry[];
}

const newGroup = (): Group => ({
  hardState: { term: 0, vote: null },
  base: { index: 0, term: 0 },
  entries: [],
});

export class Groups implements RecordVisitor {
  readonly #groups = new Map<number, Group>();
  /** What makes no sense, though every checksum is right: the first such record. */
  problem: string | null = null;

  hardState(groupId: number, hardState: HardState): void {
    const group = this.#group(groupId);
    if (hardState.term < group.hardState.term) this.#object(`the term of group ${groupId} goes back`);
    group.hardState = hardState;
  }

  base(groupId: number, base: LogBase): void {
    const group = this.#group(groupId);
    if (base.index < group.base.index) this.#object(`the base of group ${groupId} goes back`);
    const first = group.entries[0]?.index ?? base.index + 1;
    // At the first entry or before it there is nothing to drop: it was said before, or comes from a segment that went since.
    if (base.index >= first) {
      group.entries = entriesBehind(base, { index: first - 1, term: 0 }, group.entries);
    }
    group.base = base;
  }

  truncate(groupId: number, after: number): void {
    const { entries } = this.#group(groupId);
    const [first] = entries;
    // The beginning of the log may have gone with an earlier segment.
    if (first === undefined) return;
    const kept = Math.max(0, after - first.index + 1);
    if (kept > entries.length) this.#object(`group ${groupId} is cut off behind its end`);
    else entries.length = kept;
  }

  entry(groupId: number, entry: Entry): void {
    const { entries } = this.#group(groupId);
    const last = entries.at(-1);
    if (last !== undefined && entry.index !== last.index + 1) {
      this.#object(`entry ${entry.index} of group ${groupId} follows entry ${last.index}`);
    } else entries.push(entry);
  }

  /** Says at the end what is missing, if anything: the entries of each group must follow its base. */
  missing(): string | null {
    for (const [groupId, { base, entries }] of this.#groups) {
      const [first] = entries;
      if (first !== undefined && first.index !== base.index + 1) {
        return `entry ${first.index} of group ${groupId} is the first one there, and its log begins behind ${base.index}`;
      }
    }
    return null;
  }

  /** Every group there is, with what has to be written anew before a segment goes. */
  states(): Map<number, GroupState> {
    return new Map([...this.#groups].map(([groupId, { hardState, base }]) => [groupId, { hardState, base }]));
  }

  /** Hands a group's log over, and forgets it. */
  take(groupId: number): RecoveredLog {
    const group = this.#groups.get(groupId);
    this.#groups.delete(groupId);
    return group ?? newGroup();
  }

  #object(problem: string): void {
    this.problem ??= problem;
  }

  #group(groupId: number): Group {
    let group = this.#groups.get(groupId);
    if (group === undefined) this.#groups.set(groupId, (group = newGroup()));
    return group;
  }
}

/** What of a group is not in its entries. */
export interface GroupState {
  readonly hardState: HardState;
  readonly base: LogBase;
}
