/**
 * Memory for frames, cut from blocks of 64 KiB and never written again: one allocation for many writes. Whoever holds a piece
 * keeps its block alive.
 */
export const slabBytes = 65_536;

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

  /** The block to write into, with room for `bytes` behind `at`. */
  reserve(bytes: number): Uint8Array {
    if (this.#block.length - this.#at < bytes) {
      this.#block = this.#allocate(slabBytes);
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
}

const none = new Uint8Array(0);
