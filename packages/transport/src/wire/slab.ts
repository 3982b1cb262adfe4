/**
 * Memory for frames, cut from blocks and never written again: one allocation for many writes. Whoever holds a piece keeps its
 * block alive, so every connection has blocks of its own: what one peer leaves unacknowledged holds nothing that went to another.
 */
const blockBytesMin = 16_384;
const blockBytesMax = 131_072;

/** A buffer that need not be zeroed: every byte is written before anybody reads it. */
export type Allocate = (bytes: number) => Uint8Array;
export const zeroed: Allocate = (bytes) => new Uint8Array(bytes);

export class Slab {
  readonly #allocate: Allocate;
  #block: Uint8Array = none;
  #at = 0;

  constructor(allocate: Allocate) {
    this.#allocate = allocate;
  }

  /** The block to write into, with room for `least` bytes behind `at`, and for `wanted` if a block is that large. */
  reserve(least: number, wanted: number): Uint8Array {
    const left = this.#block.length - this.#at;
    if (left < least || (left < wanted && this.#block.length < blockBytesMax)) {
      this.#block = this.#allocate(Math.min(Math.max(least, wanted, blockBytesMin), blockBytesMax));
      this.#at = 0;
    }
    return this.#block;
  }

  get at(): number {
    return this.#at;
  }

  /** What was written from `at` up to `end`. */
  take(end: number): Uint8Array {
    const piece = this.#block.subarray(this.#at, end);
    this.#at = end;
    return piece;
  }

  /** Nothing is going to be written for a while. */
  release(): void {
    this.#block = none;
    this.#at = 0;
  }
}

const none = new Uint8Array(0);
