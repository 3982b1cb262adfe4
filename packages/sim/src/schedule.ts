/** What is due when: a binary heap ordered by time, and by order of scheduling among events of the same time. */
import type { TimerHandle } from '@cluster/core';
import type { Host } from './host.ts';

/** The incarnation of an event that concerns a host whichever process runs there, e.g. a packet on its way. */
export const anyIncarnation = -1;

export class Scheduled implements TimerHandle {
  readonly atMs: number;
  readonly seq: number;
  /** Null once cancelled. */
  run: (() => void) | null;
  /** Where it happens; null = in no node (a fault, a client of the world). */
  readonly host: Host | null;
  /** The process it belongs to: a timer dies with the process that set it. */
  readonly incarnation: number;
  /** The traced step that brought it about. */
  readonly cause: number | null;
  /** Of the process's clock: where several things are due at once, an event loop looks at these first. */
  readonly isTimer: boolean;
  /** It has already waited for a slow host. */
  readonly waited: boolean;

  constructor(
    atMs: number,
    seq: number,
    run: (() => void) | null,
    host: Host | null,
    incarnation: number,
    cause: number | null,
    isTimer = false,
    waited = false,
  ) {
    this.atMs = atMs;
    this.seq = seq;
    this.run = run;
    this.host = host;
    this.incarnation = incarnation;
    this.cause = cause;
    this.isTimer = isTimer;
    this.waited = waited;
  }

  cancel(): void {
    this.run = null;
  }
}

const before = (a: Scheduled, b: Scheduled): boolean =>
  a.atMs < b.atMs || (a.atMs === b.atMs && a.seq < b.seq);

export class Schedule {
  readonly #heap: Scheduled[] = [];
  #seq = 0;

  get size(): number {
    return this.#heap.length;
  }

  add(
    atMs: number,
    run: (() => void) | null,
    host: Host | null,
    incarnation: number,
    cause: number | null,
    isTimer = false,
    waited = false,
  ): Scheduled {
    const event = new Scheduled(atMs, this.#seq++, run, host, incarnation, cause, isTimer, waited);
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Scheduled;
      if (!before(event, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
    return event;
  }

  /** When the next event is due, cancelled ones included; Infinity when there is none. */
  get nextAtMs(): number {
    return this.#heap[0]?.atMs ?? Infinity;
  }

  pop(): Scheduled | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Scheduled, heap[child] as Scheduled)) child++;
      const below = heap[child] as Scheduled;
      if (!before(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}
