/** Writes a value to a store, one write at a time: of those that come while one is under way, only the latest is written. */
import type { Done, Outcome } from '@cluster/core';

export class LatestWriter<T> {
  readonly #store: (value: T, done: Done<void>) => void;
  #writing = false;
  #next: { readonly value: T; readonly waiting: Done<void>[] } | null = null;
  #whenIdle: (() => void)[] = [];

  constructor(store: (value: T, done: Done<void>) => void) {
    this.#store = store;
  }

  /** `done` when this value, or a later one, is durable. */
  write(value: T, done: Done<void>): void {
    this.#next = { value, waiting: [...(this.#next?.waiting ?? []), done] };
    if (!this.#writing) this.#writeNext();
  }

  /** Calls back when nothing is being written; at once if so. */
  idle(done: () => void): void {
    if (this.#writing) this.#whenIdle.push(done);
    else done();
  }

  #writeNext(): void {
    const next = this.#next;
    if (next === null) {
      for (const done of this.#whenIdle.splice(0)) done();
      return;
    }
    this.#next = null;
    this.#writing = true;
    this.#store(next.value, (outcome: Outcome<void>) => {
      this.#writing = false;
      for (const done of next.waiting) done(outcome);
      if (!this.#writing) this.#writeNext();
    });
  }
}
