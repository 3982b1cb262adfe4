/**
 * The monotonic clock of a host, which may run fast or slow: local time grows by `rate` for each true millisecond. A change of the
 * rate bends the line, and never breaks it: local time neither jumps nor goes back.
 */
export class LocalTime {
  #rate = 1;
  /** Where the present rate began: true time, and the local time then. */
  #fromMs = 0;
  #localMs = 0;

  get rate(): number {
    return this.#rate;
  }

  at(trueMs: number): number {
    // The usual clock is right, to the last bit.
    if (this.#rate === 1 && this.#fromMs === this.#localMs) return trueMs;
    return this.#localMs + (trueMs - this.#fromMs) * this.#rate;
  }

  setRate(rate: number, trueMs: number): void {
    this.#localMs = this.at(trueMs);
    this.#fromMs = trueMs;
    this.#rate = rate;
  }
}
