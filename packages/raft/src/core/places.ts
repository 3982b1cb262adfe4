/**
 * Who waits for what becomes of a place in the log. A place is an index and a term: an index can be given again in a later term
 * before it is known what became of the entry that had it first.
 */

/** `node` is null for a proposal made here. */
export interface Waiter {
  readonly index: number;
  readonly term: number;
  readonly node: string | null;
  readonly boot: number;
  readonly ref: number;
}

export class Places {
  // By term, then by index.
  readonly #waiters = new Map<number, Map<number, Waiter>>();

  add(waiter: Waiter): void {
    let ofTerm = this.#waiters.get(waiter.term);
    if (ofTerm === undefined) this.#waiters.set(waiter.term, (ofTerm = new Map<number, Waiter>()));
    ofTerm.set(waiter.index, waiter);
  }

  has(index: number, term: number): boolean {
    return this.#waiters.get(term)?.has(index) === true;
  }

  /** Who waits for this entry, once. */
  take(index: number, term: number): Waiter | undefined {
    const ofTerm = this.#waiters.get(term);
    const waiter = ofTerm?.get(index);
    ofTerm?.delete(index);
    return waiter;
  }

  /**
   * Who waits in vain when an entry of `term` has been applied: an entry of an earlier term that was not applied before it never
   * will be, because terms do not decrease along a log.
   */
  takeBefore(term: number): readonly Waiter[] {
    const lost: Waiter[] = [];
    for (const [earlier, waiters] of this.#waiters) {
      if (earlier >= term) continue;
      this.#waiters.delete(earlier);
      lost.push(...waiters.values());
    }
    return lost;
  }

  /** Who waits for a place up to `index`, which will not be applied one by one. */
  takeUpTo(index: number): readonly Waiter[] {
    const passed: Waiter[] = [];
    for (const ofTerm of this.#waiters.values()) {
      for (const [at, waiter] of ofTerm) {
        if (at > index) continue;
        ofTerm.delete(at);
        passed.push(waiter);
      }
    }
    return passed;
  }

  checkpoint(): readonly Waiter[] {
    return [...this.#waiters.values()].flatMap((ofTerm) => [...ofTerm.values()]);
  }

  restore(waiters: readonly Waiter[]): void {
    this.#waiters.clear();
    for (const waiter of waiters) this.add(waiter);
  }
}
