/**
 * What waits for an answer, by its number. Numbers are given out in turn, so their low bits are the place in a table; one whose
 * place is taken is passed over. A Map would do the same, but each time it makes room it leaves a table behind, and what has once been
 * in that one lives on until the next full collection of garbage.
 */
import { after, ahead } from './sequence.ts';

export class CallTable<T extends { readonly stream: number }> {
  #places: (T | undefined)[] = Array.from({ length: 64 });
  #size = 0;
  #next: number;
  /** Of all there have been: how many came to what they were for, and when the last was begun; counted by themselves. */
  succeeded = 0;
  lastStartedMs: number | null = null;
  #started = 0;
  /** How many wait for an answer, by priority: counted by who adds them. */
  readonly answersDue = new Uint32Array(4);

  /** @param next the first number. */
  constructor(next = 1) {
    this.#next = next;
  }

  get size(): number {
    return this.#size;
  }

  /** How many there have been. */
  get started(): number {
    return this.#started;
  }

  /** Another whenever a number has been given out. */
  get next(): number {
    return this.#next;
  }

  /** A number that nobody in the table has. Not 0, which is none. */
  nextStream(): number {
    if (this.#size * 2 >= this.#places.length) this.#grow();
    let stream = this.#next;
    while (stream === 0 || this.#places[this.#place(stream)] !== undefined) stream = after(stream);
    this.#next = after(stream);
    return stream;
  }

  /** @param call whose number is of `nextStream`, and no other has been asked for since. */
  add(call: T): void {
    this.#places[this.#place(call.stream)] = call;
    this.#size++;
    this.#started++;
  }

  get(stream: number): T | undefined {
    const call = this.#places[this.#place(stream)];
    return call?.stream === stream ? call : undefined;
  }

  delete(stream: number): void {
    if (this.get(stream) === undefined) return;
    this.#places[this.#place(stream)] = undefined;
    this.#size--;
  }

  /** Those there are now, oldest first. */
  all(): readonly T[] {
    const all = this.#places.filter((call) => call !== undefined);
    return all.sort((a, b) => ahead(a.stream, b.stream));
  }

  #place(stream: number): number {
    return stream & (this.#places.length - 1);
  }

  #grow(): void {
    const all = this.all();
    // What had a place each has one each in twice as many.
    this.#places = Array.from({ length: this.#places.length * 2 });
    for (const call of all) this.#places[this.#place(call.stream)] = call;
  }
}
