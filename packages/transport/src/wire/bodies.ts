/**
 * Memory for what comes in pieces: large payloads are gathered in it, and what a handler was only lent is gathered in again. Of the rest
 * nobody knows how long it is kept, so it is left to the collector.
 */
import { type Allocate, zeroed } from './blocks.ts';

/** Less is not worth a look. */
export const bodyBytesMin = 4096;
const keptBytesMax = 8 * 1024 * 1024;

export class Bodies {
  readonly #allocate: Allocate;
  /** The last one to come back is the first to go out: it is the warmest. */
  readonly #free: Uint8Array[] = [];
  #freeBytes = 0;
  /** What is out and may come back, once. */
  readonly #out = new WeakSet<ArrayBufferLike>();
  #isUsed = false;

  constructor(allocate: Allocate = zeroed) {
    this.#allocate = allocate;
  }

  readonly take: Allocate = (length) => {
    if (length < bodyBytesMin) return this.#allocate(length);
    this.#isUsed = true;
    // At most an eighth of it is left over: who keeps it keeps that, too.
    const at = this.#free.findLastIndex((one) => one.length >= length && one.length - length <= length >>> 3);
    const [body = this.#allocate(roomFor(length))] = at === -1 ? [] : this.#free.splice(at, 1);
    if (at !== -1) this.#freeBytes -= body.length;
    this.#out.add(body.buffer);
    return body.subarray(0, length);
  };

  /** Nobody looks at it any more. What was not taken from here, or has come back before, is passed over. */
  give({ buffer }: Uint8Array): void {
    if (!this.#out.delete(buffer) || this.#freeBytes + buffer.byteLength > keptBytesMax) return;
    this.#free.push(new Uint8Array(buffer));
    this.#freeBytes += buffer.byteLength;
  }

  /** Lets go of everything, when nothing was taken since the last time. */
  rest(): void {
    if (!this.#isUsed) {
      this.#free.length = 0;
      this.#freeBytes = 0;
    }
    this.#isUsed = false;
  }
}

/** So that what is a little longer fits, too: in steps of an eighth of a power of two. */
function roomFor(length: number): number {
  const step = 1 << (28 - Math.clz32(length));
  return Math.ceil(length / step) * step;
}
