/**
 * Seeded pseudo-random numbers whose whole state is four 32-bit words, so that a core can checkpoint them.
 *
 * sfc32 (Chris Doty-Humphrey's Small Fast Counter): passes PractRand, no multiplications, no allocation per draw.
 * Not for secrets: keys and certificates use the platform's crypto.
 */
import { assert } from './errors.ts';

export type PrngState = readonly [number, number, number, number];

export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #counter: number;

  private constructor(state: PrngState) {
    [this.#a, this.#b, this.#c, this.#counter] = state;
  }

  /** @param seed any integer; text labels are mixed in so that `(1, 'n1')` and `(1, 'n2')` are independent. */
  static fromSeed(seed: number, label = ''): Prng {
    assert(Number.isInteger(seed), 'a seed is an integer');
    let hash = 0x811c9dc5; // FNV-1a over the label, then the seed's two halves
    for (let i = 0; i < label.length; i++) hash = Math.imul(hash ^ label.charCodeAt(i), 0x01000193);
    const prng = new Prng([seed | 0, hash | 0, Math.floor(seed / 0x1_0000_0000) | 0, 1]);
    for (let i = 0; i < 15; i++) prng.u32();
    return prng;
  }

  static fromState(state: PrngState): Prng {
    return new Prng(state);
  }

  get state(): PrngState {
    return [this.#a, this.#b, this.#c, this.#counter];
  }

  restore(state: PrngState): void {
    [this.#a, this.#b, this.#c, this.#counter] = state;
  }

  /** Uniform in [0, 2^32). */
  u32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    this.#c |= 0;
    return sum >>> 0;
  }

  /** Uniform in [0, 1). */
  float(): number {
    return this.u32() / 0x1_0000_0000;
  }

  /** A uniform integer in [0, bound). */
  below(bound: number): number {
    return Math.floor(this.float() * bound);
  }

  /** A uniform integer in [low, high]. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  chance(probability: number): boolean {
    return this.float() < probability;
  }

  /** Exponentially distributed with the given mean. */
  exponential(mean: number): number {
    return -Math.log(1 - this.float()) * mean;
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[this.below(items.length)];
  }

  /** Fisher–Yates, in place. */
  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const swapped = items[i] as T;
      items[i] = items[j] as T;
      items[j] = swapped;
    }
    return items;
  }

  /** An independent generator, drawn from this one. */
  fork(label: string): Prng {
    return Prng.fromSeed(this.u32() * 0x10_0000 + (this.u32() >>> 12), label);
  }
}
