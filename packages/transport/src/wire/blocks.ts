/**
 * Memory for frames: they are laid into blocks, and a block is written again once nobody needs what is in it. Fresh memory costs more than
 * the copy into it: a page fault for every 4 KiB, and a collection of garbage for every few megabytes of buffers.
 */

/** A buffer that need not be zeroed: every byte is written before anybody reads it. */
export type Allocate = (bytes: number) => Uint8Array;
export const zeroed: Allocate = (bytes) => new Uint8Array(bytes);

/** A block where little is written, and where much is: four frames of 64 KiB. */
export const smallBytes = 16_384;
export const largeBytes = 270_336;
/** What is larger has a block of its own, in steps of this. */
const stepBytes = 65_536;
/** Blocks kept for later: about as much as may wait for a peer by default. */
const keptMax = 64;
const keptBytesMax = 12 * 1024 * 1024;

/** A stream that is given parts of blocks, and how many of the bytes that it was given have left it; null: not known. */
export interface Outlet {
  readonly id: number;
  readonly leftBytes: number | null;
}

export class Block {
  readonly bytes: Uint8Array;
  /** How far it is filled. */
  used = 0;
  /** Frames in it whose bytes may yet be wanted, and how much they and those beside them took. */
  live = 0;
  heldBytes = 0;
  /** The stream that has parts of it, and how much that had been given with the last of them. */
  #outlet: number | null = null;
  #given = 0;
  /** A former stream had parts of it, and nobody knows what became of them. */
  #isLost = false;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get room(): number {
    return this.bytes.length - this.used;
  }

  /** A part of it is the stream's until `given` bytes have left that. */
  lend(outlet: number, given: number): void {
    if (this.#outlet !== outlet && this.#outlet !== null) this.#isLost = true;
    this.#outlet = outlet;
    this.#given = given;
  }

  /** No stream has a part of it any more. */
  isBack(outlet: Outlet | null): boolean {
    if (this.#isLost) return false;
    if (this.#outlet === null) return true;
    return outlet?.id === this.#outlet && outlet.leftBytes !== null && this.#given <= outlet.leftBytes;
  }

  /** It is written from its beginning again. */
  empty(): void {
    this.used = 0;
    this.#outlet = null;
  }
}

/** Blocks that are not in use, the oldest first. */
export class Stock {
  readonly #allocate: Allocate;
  #free: Block[] = [];
  #bytes = 0;
  /** The fewest since the last look: so many nobody has needed. */
  #leastBytes = 0;

  constructor(allocate: Allocate) {
    this.#allocate = allocate;
  }

  /** An empty block with room for `least` bytes. @param isBusy much is being written. */
  take(least: number, isBusy: boolean, outlet: Outlet | null): Block {
    const size = sizeOf(least, isBusy);
    const at = this.#free.findIndex(
      ({ bytes }, i) => bytes.length >= size && bytes.length < 2 * size && this.#free[i]?.isBack(outlet),
    );
    const [block] = at === -1 ? [] : this.#free.splice(at, 1);
    if (block === undefined) return new Block(this.#allocate(size));
    this.#bytes -= block.bytes.length;
    this.#leastBytes = Math.min(this.#leastBytes, this.#bytes);
    block.empty();
    return block;
  }

  /** Nobody needs what is in it, except perhaps the stream. */
  give(block: Block): void {
    this.#free.push(block);
    this.#bytes += block.bytes.length;
    while (this.#free.length > keptMax || this.#bytes > keptBytesMax) this.#drop();
  }

  /** Now and then: lets go of what has not been needed since the last time. */
  trim(): void {
    for (let left = this.#leastBytes; left > 0 && this.#free.length > 0;) left -= this.#drop();
    this.#leastBytes = this.#bytes;
  }

  clear(): void {
    this.#free = [];
    this.#bytes = 0;
    this.#leastBytes = 0;
  }

  #drop(): number {
    const bytes = this.#free.shift()?.bytes.length ?? 0;
    this.#bytes -= bytes;
    this.#leastBytes = Math.min(this.#leastBytes, this.#bytes);
    return bytes;
  }
}

function sizeOf(least: number, isBusy: boolean): number {
  if (least <= smallBytes && !isBusy) return smallBytes;
  return least <= largeBytes ? largeBytes : Math.ceil(least / stepBytes) * stepBytes;
}
