/**
 * What waits to be written to a peer, by priority. The order is decided when there is room in the socket, not when the message
 * was given: Critical first; the others share by deficit round robin (Shreedhar and Varghese, 1995), 8 : 4 : 1 by bytes, so
 * that nothing starves. Within a priority, first come first served.
 */
import { Fifo } from './fifo.ts';
import type { Outgoing } from './outgoing.ts';
import { headerBytes } from '../wire/frame.ts';

const quanta = [0, 8 * 4096, 4 * 4096, 4096];

export class SendQueue {
  readonly #lanes = [new Fifo<Outgoing>(), new Fifo<Outgoing>(), new Fifo<Outgoing>(), new Fifo<Outgoing>()];
  readonly #deficits = [0, 0, 0, 0];
  #turn = 1;
  #size = 0;
  #bytes = 0;

  /** Messages waiting. */
  get size(): number {
    return this.#size;
  }

  /** Payload and header bytes waiting. */
  get bytes(): number {
    return this.#bytes;
  }

  push(item: Outgoing): void {
    (this.#lanes[item.flags & 3] as Fifo<Outgoing>).push(item);
    this.#size++;
    this.#bytes += headerBytes + item.bytes.length;
  }

  /** Takes back what has not been written yet. */
  cancel(item: Outgoing): void {
    if (item.cancelled) return;
    item.cancelled = true;
    this.#size--;
    this.#bytes -= headerBytes + item.bytes.length;
    // The object stays in its lane until its turn; what it holds need not.
    item.bytes = empty;
  }

  next(): Outgoing | undefined {
    if (this.#size === 0) {
      // Only cancelled ones are left, if any: let them go.
      for (const lane of this.#lanes) while (lane.shift() !== undefined);
      return undefined;
    }
    const critical = this.#take(0);
    if (critical !== undefined) return critical;
    for (;;) {
      const turn = this.#turn;
      if ((this.#deficits[turn] as number) > 0) {
        const item = this.#take(turn);
        if (item !== undefined) {
          this.#deficits[turn] = (this.#deficits[turn] as number) - headerBytes - item.bytes.length;
          return item;
        }
        this.#deficits[turn] = 0;
      }
      this.#turn = turn === 3 ? 1 : turn + 1;
      this.#deficits[this.#turn] = (this.#deficits[this.#turn] as number) + (quanta[this.#turn] as number);
    }
  }

  #take(index: number): Outgoing | undefined {
    const lane = this.#lanes[index] as Fifo<Outgoing>;
    for (let item = lane.shift(); item !== undefined; item = lane.shift()) {
      if (item.cancelled) continue;
      this.#size--;
      this.#bytes -= headerBytes + item.bytes.length;
      return item;
    }
    return undefined;
  }
}

const empty = new Uint8Array(0);
