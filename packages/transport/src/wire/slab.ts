/**
 * Memory for frames: they are cut from blocks, and whoever holds a piece keeps its block alive. Every connection has blocks of its own:
 * what one peer leaves unacknowledged holds nothing that went to another. Large ones are written again once the peer has what was
 * in them and the socket has let go of them: fresh memory costs more than the copy into it, a page fault for every 4 KiB.
 */
import { Fifo } from '../core/fifo.ts';
import { ahead } from '../core/sequence.ts';

/** A buffer that need not be zeroed: every byte is written before anybody reads it. */
export type Allocate = (bytes: number) => Uint8Array;
export const zeroed: Allocate = (bytes) => new Uint8Array(bytes);

const smallBytes = 16_384;
/** What may wait in a socket, twice: pieces of about as much are cut from it, seldom ending where it ends. */
export const largeBytes = 270_336;
/** Large blocks kept until they can be written again; what comes after is left to the collector. */
const keptMax = 8;

interface Block {
  readonly bytes: Uint8Array;
  /** The last frame in it, and how much had been written to the stream with it. */
  lastSequence: number;
  writtenTo: number;
}

/** How far a connection is. */
export interface Progress {
  /** The last frame that was taken, and the first that is not acknowledged. */
  readonly taken: number;
  readonly unacknowledged: number;
  /** Bytes given to the stream, and those of them that have left it; null: not known. */
  readonly written: number;
  readonly left: number | null;
}

export class Slab {
  readonly #allocate: Allocate;
  #block: Block = none;
  #from = 0;
  #at = 0;
  #kept = new Fifo<Block>();

  constructor(allocate: Allocate) {
    this.#allocate = allocate;
  }

  /** What is written into, from `at` on. */
  get bytes(): Uint8Array {
    return this.#block.bytes;
  }
  get at(): number {
    return this.#at;
  }
  /** Where the next piece begins. */
  get from(): number {
    return this.#from;
  }

  /**
   * Sees that there is room for `least` bytes behind `at`.
   * @param wanted how much is going to be written. @param progress when everything cut so far has been given to the stream, but `rest`.
   * @param rest what is to stand before it in its piece: the end of the last one, copied where the block is another by now. With
   * `least` at most `largeBytes`.
   */
  reserve(least: number, wanted: number, progress: () => Progress, rest: Uint8Array | null = null): void {
    const { bytes } = this.#block;
    const before = rest?.length ?? 0;
    const left = bytes.length - this.#at;
    const isLarge = bytes.length === largeBytes;
    // It is the last that was cut, if it is of this block at all.
    const isBefore = before === 0 || rest?.buffer === bytes.buffer;
    if (isBefore && left >= least && (left >= wanted || isLarge)) {
      this.#from = this.#at - before;
      return;
    }
    if (isLarge) this.#keep(progress());
    const isWide = before + wanted > smallBytes;
    this.#block = isWide ? (this.#again(progress()) ?? this.#new(largeBytes)) : this.#new(smallBytes);
    if (rest !== null) this.#block.bytes.set(rest);
    this.#from = 0;
    this.#at = before;
  }

  /** What was written from `at` up to `end`. */
  take(end: number): Uint8Array {
    const piece = this.#block.bytes.subarray(this.#from, end);
    this.#from = end;
    this.#at = end;
    return piece;
  }

  /** Nothing is going to be written for a while. */
  release(): void {
    this.#block = none;
    this.#from = 0;
    this.#at = 0;
    this.#kept = new Fifo();
  }

  #keep({ taken, written, left }: Progress): void {
    if (left === null) return;
    this.#block.lastSequence = taken;
    this.#block.writtenTo = written;
    this.#kept.push(this.#block);
    if (this.#kept.size > keptMax) this.#kept.shift();
  }

  /** A block that nobody needs any more: frames are acknowledged in order, so the first to be filled is the first to be free. */
  #again({ unacknowledged, left }: Progress): Block | undefined {
    const first = this.#kept.peek();
    if (first === undefined || left === null) return undefined;
    const isFree = ahead(unacknowledged, first.lastSequence) > 0 && first.writtenTo <= left;
    return isFree ? this.#kept.shift() : undefined;
  }

  #new(bytes: number): Block {
    return { bytes: this.#allocate(bytes), lastSequence: 0, writtenTo: 0 };
  }
}

const none: Block = { bytes: new Uint8Array(0), lastSequence: 0, writtenTo: 0 };
