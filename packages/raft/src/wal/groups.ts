/** The groups' logs as the records of a write-ahead log build them up again. */
import type { Entry, HardState } from '../core/types.ts';
import type { RecoveredLog } from '../ports.ts';
import type { RecordVisitor } from './format.ts';

interface Group {
  hardState: HardState;
  readonly entries: Entry[];
}

export class Groups implements RecordVisitor {
  readonly #groups = new Map<number, Group>();
  /** What makes no sense, though every checksum is right: the first such record. */
  problem: string | null = null;

  hardState(groupId: number, hardState: HardState): void {
    const group = this.#group(groupId);
    if (hardState.term < group.hardState.term) this.#object(`the term of group ${groupId} goes back`);
    group.hardState = hardState;
  }

  truncate(groupId: number, after: number): void {
    const { entries } = this.#group(groupId);
    if (after > entries.length) this.#object(`group ${groupId} is cut off behind its end`);
    else entries.length = after;
  }

  entry(groupId: number, entry: Entry): void {
    const { entries } = this.#group(groupId);
    if (entry.index !== entries.length + 1) {
      this.#object(`entry ${entry.index} of group ${groupId} follows entry ${entries.length}`);
    } else entries.push(entry);
  }

  /** Hands a group's log over, and forgets it. */
  take(groupId: number): RecoveredLog {
    const group = this.#groups.get(groupId);
    this.#groups.delete(groupId);
    return group ?? { hardState: { term: 0, vote: null }, entries: [] };
  }

  #object(problem: string): void {
    this.problem ??= problem;
  }

  #group(groupId: number): Group {
    let group = this.#groups.get(groupId);
    if (group === undefined) {
      group = { hardState: { term: 0, vote: null }, entries: [] };
      this.#groups.set(groupId, group);
    }
    return group;
  }
}
