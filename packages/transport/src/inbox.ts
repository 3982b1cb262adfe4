/**
 * What a stream's reader has not taken yet. Bytes that come in small pieces are gathered: each piece by itself would cost far more
 * memory than the window that bounds it says.
 */
import { Fifo } from './core/fifo.ts';

/** Pieces smaller than half of the largest block are gathered in blocks that grow while nobody reads. */
const blockBytesMin = 64;
const blockBytesMax = 16_384;

export class Inbox {
  readonly #pieces = new Fifo<Uint8Array>();
  /** Behind all pieces, and filled to here. */
  #block: Uint8Array | null = null;
  #used = 0;
  #blockBytes = blockBytesMin;

  /** Copies them. */
  push(bytes: Uint8Array): void {
    if (this.#block !== null && this.#used + bytes.length <= this.#block.length) {
      this.#block.set(bytes, this.#used);
      this.#used += bytes.length;
      return;
    }
    this.#seal();
    if (bytes.length * 2 > blockBytesMax) {
      this.#pieces.push(bytes.slice());
      return;
    }
    this.#block = new Uint8Array(Math.max(this.#blockBytes, bytes.length));
    this.#block.set(bytes);
    this.#used = bytes.length;
    this.#blockBytes = Math.min(blockBytesMax, this.#blockBytes * 2);
  }

  shift(): Uint8Array | undefined {
    if (this.#pieces.size === 0) {
      this.#seal();
      this.#blockBytes = blockBytesMin;
    }
    return this.#pieces.shift();
  }

  clear(): void {
    while (this.shift() !== undefined);
  }

  #seal(): void {
    if (this.#block === null) return;
    this.#pieces.push(this.#block.subarray(0, this.#used));
    this.#block = null;
  }
}
