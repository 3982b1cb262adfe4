import type { Clock } from '@cluster/core';

interface Entry {
  readonly dueMs: number;
  readonly order: number;
  /** Null once it has fired or was cancelled: nothing is held on to by then. */
  fire: (() => void) | null;
}

// Below it sweeping would cost more than it frees.
const sweepFrom = 64;

/** Virtual time for the tests of one core, without a world: timers fire when `advance` or `runUntil` passes them, in the order of their due times. */
export class VirtualClock implements Clock {
  readonly #heap: Entry[] = [];
  #nowMs = 0;
  #order = 0;
  #cancelled = 0;

  nowMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, fire: () => void): { cancel(): void } {
    const entry: Entry = { dueMs: this.#nowMs + delayMs, order: ++this.#order, fire };
    this.#push(entry);
    return { cancel: () => this.#cancel(entry) };
  }

  /** Timers that have yet to fire, and the cancelled ones not swept away yet: at most as many again. */
  get held(): number {
    return this.#heap.length;
  }

  advance(ms: number): void {
    this.runUntil(this.#nowMs + ms);
  }

  runUntil(ms: number): void {
    for (let next = this.#heap[0]; next !== undefined && next.dueMs <= ms; next = this.#heap[0]) {
      this.#pop();
      this.#nowMs = next.dueMs;
      const { fire } = next;
      next.fire = null;
      if (fire === null) this.#cancelled--;
      else fire();
    }
    this.#nowMs = ms;
  }

  #cancel(entry: Entry): void {
    if (entry.fire === null) return;
    entry.fire = null;
    this.#cancelled++;
    if (this.#cancelled <= sweepFrom || this.#cancelled * 2 <= this.#heap.length) return;
    const live = this.#heap.filter(({ fire }) => fire !== null);
    this.#heap.length = 0;
    for (const one of live) this.#push(one);
    this.#cancelled = 0;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    for (let up = (at - 1) >> 1; at > 0 && before(entry, heap[up] as Entry); up = (at - 1) >> 1) {
      heap[at] = heap[up] as Entry;
      at = up;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Entry;
    if (heap.length === 0) return;
    let at = 0;
    for (let down = 1; down < heap.length; down = 2 * at + 1) {
      if (down + 1 < heap.length && before(heap[down + 1] as Entry, heap[down] as Entry)) down++;
      if (!before(heap[down] as Entry, last)) break;
      heap[at] = heap[down] as Entry;
      at = down;
    }
    heap[at] = last;
  }
}

const before = (a: Entry, b: Entry): boolean => (a.dueMs === b.dueMs ? a.order < b.order : a.dueMs < b.dueMs);
