/**
 * Where the payloads of a peer's frames stand from the call that gives them until they are acknowledged: copied once, to where they will be
 * written from, with room for their headers before them. What the caller gave is his again at once, frames that follow each other are written
 * as they stand, and one that is sent again stands there still.
 *
 * Each priority fills blocks of its own, because it leaves in order by itself: what waits for long keeps no memory of what does not.
 */
import { type Allocate, type Block, largeBytes, type Outlet, Stock } from '../wire/blocks.ts';
import { chunkBytes, headerBytes, wholeBytesMax } from '../wire/frame.ts';
import { type Outgoing, priorities } from './outgoing.ts';

/** With so much in use, or a payload of so much, more of it is coming. */
const busyBytes = 8192;
const busyPayloadBytes = 4096;

export class Arena {
  readonly #stock: Stock;
  readonly #outlet: () => Outlet | null;
  /** By priority: the block that is being filled. */
  readonly #filling: (Block | null)[] = priorities.map(() => null);
  #heldBytes = 0;

  /** @param outlet what frames are written to now. */
  constructor(allocate: Allocate, outlet: () => Outlet | null) {
    this.#stock = new Stock(allocate);
    this.#outlet = outlet;
  }

  /** What frames take, those included that are over and stand beside one that is not. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Copies the payload of a frame to where it will be written from; one that will be cut, with room for a header before each part. */
  lay(item: Outgoing, payload: Uint8Array): void {
    const { length } = payload;
    const size = length + headerBytes * (item.framed ? 1 + cutsOf(length) : 1);
    const block = this.#blockFor(item.flags & 3, size, length);
    const from = block.used + headerBytes;
    item.block = block;
    item.bytes = block.bytes;
    item.from = from;
    item.length = length;
    block.used += size;
    block.live++;
    block.heldBytes += size;
    this.#heldBytes += size;
    const cuts = item.framed ? cutsOf(length) : 0;
    for (let cut = 0; cut < cuts; cut++) {
      const at = cut * chunkBytes;
      block.bytes.set(payload.subarray(at, at + chunkBytes), payloadAt(item, at));
    }
    const at = cuts * chunkBytes;
    block.bytes.set(at === 0 ? payload : payload.subarray(at), payloadAt(item, at));
  }

  /** Nothing wants its bytes any more. */
  release(item: Outgoing): void {
    const { block } = item;
    if (block === null) return;
    item.block = null;
    if (--block.live > 0) return;
    this.#heldBytes -= block.heldBytes;
    block.heldBytes = 0;
    if (!this.#filling.includes(block)) this.#stock.give(block);
    else if (block.isBack(this.#outlet())) block.empty();
  }

  /** Now and then: lets go of what has not been needed. @param isIdle nothing has been written since the last time. */
  rest(isIdle: boolean): void {
    if (!isIdle) {
      this.#stock.trim();
      return;
    }
    this.#stock.clear();
    for (const [lane, block] of this.#filling.entries()) if (block?.live === 0) this.#filling[lane] = null;
  }

  #blockFor(lane: number, size: number, length: number): Block {
    const filling = this.#filling[lane] ?? null;
    if (filling !== null && filling.room >= size) return filling;
    const isBusy = this.#heldBytes >= busyBytes || length >= busyPayloadBytes;
    const block = this.#stock.take(size, isBusy, this.#outlet());
    // What nothing would fit beside does not end another.
    if (size * 2 > largeBytes) return block;
    if (filling?.live === 0) this.#stock.give(filling);
    this.#filling[lane] = block;
    return block;
  }
}

/** In how many places a payload is cut. */
export const cutsOf = (length: number): number =>
  length <= wholeBytesMax ? 0 : Math.ceil((length - wholeBytesMax) / chunkBytes);

/** Where in its block a part of a payload stands. @param cut a multiple of `chunkBytes`. */
export const payloadAt = ({ from, framed }: Outgoing, cut: number): number =>
  from + cut + (framed ? (cut / chunkBytes) * headerBytes : 0);
