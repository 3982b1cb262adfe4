/**
 * The log in memory: every entry since index 1. Nothing is dropped before snapshots exist, so it grows as the log on disk does.
 */
import { assert } from '@cluster/core';
import type { Entry } from './types.ts';

/** What checkers may look at. */
export interface LogView {
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** 0 for index 0; undefined outside the log. */
  termAt(index: number): number | undefined;
  entryAt(index: number): Entry | undefined;
}

/** What an entry costs beside its command, on the wire and in memory. */
const entryOverheadBytes = 32;

export const entryBytes = (entry: { readonly command: Uint8Array }): number =>
  entry.command.length + entryOverheadBytes;

export class RaftLog implements LogView {
  #entries: Entry[] = [];
  // Bytes of all entries up to and including the one at the same place.
  #bytes: number[] = [];

  readonly firstIndex = 1;

  get lastIndex(): number {
    return this.#entries.length;
  }

  get lastTerm(): number {
    return this.#entries.at(-1)?.term ?? 0;
  }

  termAt(index: number): number | undefined {
    return index === 0 ? 0 : this.#entries[index - 1]?.term;
  }

  entryAt(index: number): Entry | undefined {
    return this.#entries[index - 1];
  }

  /** True when the log has an entry of this index and term, and hence everything before it (log matching, thesis 3.5). */
  has(index: number, term: number): boolean {
    return this.termAt(index) === term;
  }

  /** Whether a log that ends so is at least as good as this one (thesis 3.6.1). */
  isUpToDate(lastIndex: number, lastTerm: number): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);
  }

  append(entries: readonly Entry[]): void {
    let total = this.#bytes.at(-1) ?? 0;
    for (const entry of entries) {
      assert(entry.index === this.#entries.length + 1, 'entries join the log without a gap');
      assert(entry.term >= this.lastTerm, 'terms never decrease along the log');
      this.#entries.push(entry);
      this.#bytes.push((total += entryBytes(entry)));
    }
  }

  truncateAfter(index: number): void {
    this.#entries.length = index;
    this.#bytes.length = index;
  }

  /** Bytes of the entries in (after, last]. */
  bytesAfter(after: number): number {
    return (this.#bytes.at(-1) ?? 0) - (after === 0 ? 0 : (this.#bytes[after - 1] ?? 0));
  }

  /** Entries from `from` to at most `to`, of at most `bytesMax` together but at least one. */
  slice(from: number, to: number, bytesMax: number): readonly Entry[] {
    const before = from === 1 ? 0 : (this.#bytes[from - 2] ?? 0);
    const limit = Math.min(to, this.lastIndex);
    let end = from;
    while (end < limit && (this.#bytes[end] ?? 0) - before <= bytesMax) end++;
    return this.#entries.slice(from - 1, Math.min(end, limit));
  }

  /**
   * The last index not above `index` whose term is not above `term`: as far as a log that has (index, term) can agree with this
   * one. It skips a whole term where the other side would step back entry by entry.
   */
  lastAtMost(index: number, term: number): number {
    let at = Math.min(index, this.lastIndex);
    while (at > 0 && (this.#entries[at - 1]?.term ?? 0) > term) at--;
    return at;
  }

  checkpoint(): readonly Entry[] {
    return [...this.#entries];
  }

  restore(entries: readonly Entry[]): void {
    this.#entries = [];
    this.#bytes = [];
    this.append(entries);
  }
}
