import type { Clock } from '@cluster/core';

interface Entry {
  readonly dueMs: number;
  readonly order: number;
  readonly fire: () => void;
}

/** Virtual time for the tests of one core, without a world: timers fire when `advance` or `runUntil` passes them, in the order of their due times. */
export class VirtualClock implements Clock {
  readonly #heap: Entry[] = [];
  #nowMs = 0;
  #order = 0;

  nowMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, fire: () => void): { cancel(): void } {
    let live = true;
    this.#push({ dueMs: this.#nowMs + delayMs, order: ++this.#order, fire: () => live && fire() });
    return { cancel: () => void (live = false) };
  }

  advance(ms: number): void {
    this.runUntil(this.#nowMs + ms);
  }

  runUntil(ms: number): void {
    for (let next = this.#heap[0]; next !== undefined && next.dueMs <= ms; next = this.#heap[0]) {
      this.#pop();
      this.#nowMs = next.dueMs;
      next.fire();
    }
    this.#nowMs = ms;
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
