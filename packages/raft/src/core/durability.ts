/**
 * What is on the disk, and what waits for it.
 *
 * Writes complete in order, by sequence. A write that was followed by a truncation no longer vouches for the entries that were cut
 * off, even if the same index is written again before the first completion arrives: that would acknowledge an entry which the next
 * write is about to replace (the ABA case of asynchronous log writes).
 */
import type { RaftMessage } from './messages.ts';

interface Outstanding {
  readonly sequence: number;
  readonly term: number;
  lastIndex: number;
}

/** A message that must not leave before the write of its sequence is done. */
export interface Deferred {
  readonly sequence: number;
  readonly to: string;
  readonly message: RaftMessage;
}

export interface DurabilityCheckpoint {
  readonly index: number;
  readonly term: number;
  readonly sequence: number;
  readonly completed: number;
  readonly outstanding: readonly Outstanding[];
  readonly deferred: readonly Deferred[];
}

export class Durability {
  /** Every entry up to here is on the disk. */
  index = 0;
  /** The term (and the vote in it) that is on the disk. */
  term = 0;
  /** Sequence of the latest write begun. */
  sequence = 0;
  /** Sequence of the latest write done. */
  completed = 0;
  #outstanding: Outstanding[] = [];
  #deferred: Deferred[] = [];

  /** A write begins that brings the log up to `lastIndex` and the term to `term`. */
  begin(truncateAfter: number | null, lastIndex: number, term: number): number {
    if (truncateAfter !== null) {
      this.index = Math.min(this.index, truncateAfter);
      for (const write of this.#outstanding) write.lastIndex = Math.min(write.lastIndex, truncateAfter);
    }
    this.#outstanding.push({ sequence: ++this.sequence, term, lastIndex });
    return this.sequence;
  }

  /** Everything up to `sequence` is done; returns the messages that waited for it. */
  complete(sequence: number): readonly Deferred[] {
    this.completed = Math.max(this.completed, sequence);
    const done = this.#outstanding.filter((write) => write.sequence <= sequence);
    this.#outstanding = this.#outstanding.slice(done.length);
    for (const write of done) {
      this.index = Math.max(this.index, write.lastIndex);
      this.term = write.term;
    }
    if (this.#deferred.length === 0) return [];
    const released = this.#deferred.filter((message) => message.sequence <= sequence);
    this.#deferred = this.#deferred.slice(released.length);
    return released;
  }

  /** Holds a message back until all writes begun so far are done. */
  defer(to: string, message: RaftMessage): void {
    this.#deferred.push({ sequence: this.sequence, to, message });
  }

  checkpoint(): DurabilityCheckpoint {
    const { index, term, sequence, completed } = this;
    const outstanding = this.#outstanding.map((write) => ({ ...write }));
    return { index, term, sequence, completed, outstanding, deferred: [...this.#deferred] };
  }

  restore(from: DurabilityCheckpoint): void {
    this.index = from.index;
    this.term = from.term;
    this.sequence = from.sequence;
    this.completed = from.completed;
    this.#outstanding = from.outstanding.map((write) => ({ ...write }));
    this.#deferred = [...from.deferred];
  }
}
