/**
 * What streams have in the queue of their peer, by priority: each has its own, because what is urgent must not wait for room that is taken by
 * what is not. A piece has left when it has been written once; those of a priority leave in the order in which they came.
 */
import { Fifo } from '../core/fifo.ts';
import { type Outgoing, priorities } from '../core/outgoing.ts';

interface Piece {
  readonly item: Outgoing;
  readonly bytes: number;
}

export class QueuedPieces {
  readonly #pieces = priorities.map(() => new Fifo<Piece>());
  readonly #bytes = priorities.map(() => 0);
  /** Streams of the priority wait until there are fewer. */
  readonly #awaited = priorities.map(() => false);

  /** Those that have not left. */
  bytes(priority: number): number {
    const pieces = this.#pieces[priority] as Fifo<Piece>;
    for (let head = pieces.peek(); head !== undefined && head.item.attempts > 0; head = pieces.peek()) {
      pieces.shift();
      this.#bytes[priority] = (this.#bytes[priority] as number) - head.bytes;
    }
    return this.#bytes[priority] as number;
  }

  /** Lets go of those that have left. */
  settle(): void {
    for (let priority = 0; priority < priorities.length; priority++) this.bytes(priority);
  }

  add(priority: number, item: Outgoing, bytes: number): void {
    (this.#pieces[priority] as Fifo<Piece>).push({ item, bytes });
    this.#bytes[priority] = (this.#bytes[priority] as number) + bytes;
  }

  get isAwaited(): boolean {
    return this.#awaited.includes(true);
  }

  isAwaitedBy(priority: number): boolean {
    return this.#awaited[priority] === true;
  }

  wait(priority: number): void {
    this.#awaited[priority] = true;
  }

  awaitNone(): void {
    this.#awaited.fill(false);
  }

  /** Another session: nothing of the last one is in the queue any more. */
  clear(): void {
    for (const pieces of this.#pieces) while (pieces.shift() !== undefined);
    this.#bytes.fill(0);
  }
}
