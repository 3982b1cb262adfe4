/**
 * The log in memory: every entry behind its base, which moves up as snapshots cover more of it. What is behind the base is as much
 * as the log on disk holds, so both are bounded by when snapshots are taken and by the tail that is kept behind them.
 */
import { assert } from '@cluster/core';
import type { Entry, LogBase } from './types.ts';

/** What checkers may look at. */
export interface LogView {
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** Of the entries it holds. */
  readonly bytes: number;
  /** 0 for index 0; undefined outside the log. */
  termAt(index: number): number | undefined;
  entryAt(index: number): Entry | undefined;
}

/** What an entry costs beside its command, on the wire and in memory. */
const entryOverheadBytes = 32;

export const entryBytes = (entry: { readonly command: Uint8Array }): number =>
  entry.command.length + entryOverheadBytes;

export interface LogCheckpoint {
  readonly base: LogBase;
  readonly entries: readonly Entry[];
}

const fromTheStart: LogBase = { index: 0, term: 0 };

export class RaftLog implements LogView {
  #base = fromTheStart;
  #entries: Entry[] = [];
  // Bytes of all entries up to and including the one at the same place.
  #bytes: number[] = [];

  /** What the log begins behind. */
  get base(): LogBase {
    return this.#base;
  }

  get firstIndex(): number {
    return this.#base.index + 1;
  }

  get lastIndex(): number {
    return this.#base.index + this.#entries.length;
  }

  get lastTerm(): number {
    return this.#entries.at(-1)?.term ?? this.#base.term;
  }

  get bytes(): number {
    return this.#bytes.at(-1) ?? 0;
  }

  termAt(index: number): number | undefined {
    return index === this.#base.index ? this.#base.term : this.#entries[this.#at(index)]?.term;
  }

  entryAt(index: number): Entry | undefined {
    return this.#entries[this.#at(index)];
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
      assert(entry.index === this.lastIndex + 1, 'entries join the log without a gap');
      assert(entry.term >= this.lastTerm, 'terms never decrease along the log');
      this.#entries.push(entry);
      this.#bytes.push((total += entryBytes(entry)));
    }
  }

  truncateAfter(index: number): void {
    assert(index >= this.#base.index, 'what a snapshot covers is never cut off');
    this.#entries.length = index - this.#base.index;
    this.#bytes.length = index - this.#base.index;
  }

  /** A snapshot covers everything up to here; what follows stays if the log goes through this place, and goes otherwise (thesis 5.1). */
  rebase(base: LogBase): void {
    const kept = this.has(base.index, base.term) ? this.#entries.slice(base.index - this.#base.index) : [];
    this.restore({ base, entries: kept });
  }

  /** Bytes of the entries in (after, last]. */
  bytesAfter(after: number): number {
    return (this.#bytes.at(-1) ?? 0) - this.#bytesUpTo(after);
  }

  /** Entries from `from` to at most `to`, of at most `bytesMax` together but at least one. */
  slice(from: number, to: number, bytesMax: number): readonly Entry[] {
    const before = this.#bytesUpTo(from - 1);
    const start = this.#at(from);
    const limit = this.#at(Math.min(to, this.lastIndex)) + 1;
    let end = start + 1;
    while (end < limit && (this.#bytes[end] ?? 0) - before <= bytesMax) end++;
    return this.#entries.slice(start, Math.min(end, limit));
  }

  /**
   * The last index not above `index` whose term is not above `term`: as far as a log that has (index, term) can agree with this
   * one. It skips a whole term where the other side would step back entry by entry. Null when that would lie before the base, where
   * nothing is known any more.
   */
  lastAtMost(index: number, term: number): number | null {
    for (let at = Math.min(index, this.lastIndex); at >= this.#base.index; at--) {
      if ((this.termAt(at) ?? 0) <= term) return at;
    }
    return null;
  }

  checkpoint(): LogCheckpoint {
    return { base: this.#base, entries: [...this.#entries] };
  }

  restore({ base, entries }: LogCheckpoint): void {
    this.#base = base;
    this.#entries = [];
    this.#bytes = [];
    this.append(entries);
  }

  #at(index: number): number {
    return index - this.#base.index - 1;
  }

  #bytesUpTo(index: number): number {
    return this.#bytes[this.#at(index)] ?? 0;
  }
}
