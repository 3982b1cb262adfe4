/**
 * The last n probes of a path: a ring of outcomes, and the answered ones also in order, so that any order statistic is a
 * look-up. Insertion moves at most n numbers, which for n = 100 costs less than a heap would.
 *
 * Percentiles are exact order statistics by nearest rank: the p99 of n samples is the ceil(0.99 n)-th smallest, always a value
 * that was measured. What that says of the path is another matter: with 100 samples it lies anywhere between the path's true
 * 94.5th and 99.8th percentile (95 % of the time).
 */
import { assert } from '@cluster/core';

/** A ring entry for a probe that was lost. */
const lost = -1;

export class SampleWindow {
  readonly #size: number;
  readonly #ring: number[] = [];
  readonly #sorted: number[] = [];
  #next = 0;

  /** @param size probes kept, answered or lost. */
  constructor(size: number) {
    this.#size = size;
  }

  /** Probes in the window. */
  get probes(): number {
    return this.#ring.length;
  }

  /** Probes in the window that were answered. */
  get answered(): number {
    return this.#sorted.length;
  }

  /** null before the first probe. */
  get lossRatio(): number | null {
    return this.probes === 0 ? null : (this.probes - this.answered) / this.probes;
  }

  get averageMs(): number | null {
    // Added up anew: a running sum would keep the rounding of every sample that ever left.
    return this.answered === 0 ? null : this.#sorted.reduce((sum, sample) => sum + sample, 0) / this.answered;
  }

  get minMs(): number | null {
    return this.#sorted[0] ?? null;
  }

  get maxMs(): number | null {
    return this.#sorted.at(-1) ?? null;
  }

  /** @param share e.g. 0.99; the smallest sample that at least this share of the samples does not exceed. */
  percentileMs(share: number): number | null {
    const rank = Math.min(this.answered, Math.max(1, Math.ceil(share * this.answered)));
    return this.#sorted[rank - 1] ?? null;
  }

  addAnswer(roundTripMs: number): void {
    assert(roundTripMs >= 0, 'a round trip takes no negative time');
    this.#push(roundTripMs);
    this.#sorted.splice(this.#indexOf(roundTripMs), 0, roundTripMs);
  }

  addLoss(): void {
    this.#push(lost);
  }

  /** Oldest first; a lost probe is null. */
  outcomes(): readonly (number | null)[] {
    const inOrder = [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)];
    return inOrder.map((outcome) => (outcome === lost ? null : outcome));
  }

  restore(outcomes: readonly (number | null)[]): void {
    this.#ring.length = 0;
    this.#sorted.length = 0;
    this.#next = 0;
    for (const outcome of outcomes) {
      if (outcome === null) this.addLoss();
      else this.addAnswer(outcome);
    }
  }

  #push(outcome: number): void {
    if (this.#ring.length < this.#size) {
      this.#ring.push(outcome);
      return;
    }
    const old = this.#ring[this.#next] as number;
    this.#ring[this.#next] = outcome;
    this.#next = (this.#next + 1) % this.#size;
    if (old !== lost) this.#sorted.splice(this.#indexOf(old), 1);
  }

  /** Of the first sorted sample that is not below the value. */
  #indexOf(value: number): number {
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#sorted[middle] as number) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
