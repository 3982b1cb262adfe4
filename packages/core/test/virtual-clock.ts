import type { Clock, TimerHandle } from '@cluster/core';

/** Time that moves when told to; timers fire in the order of their due time. */
export class VirtualClock implements Clock {
  readonly #timers = new Set<{ readonly dueMs: number; readonly fire: () => void }>();
  #nowMs: number;

  constructor(nowMs = 0) {
    this.#nowMs = nowMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, fire: () => void): TimerHandle {
    const timer = { dueMs: this.#nowMs + delayMs, fire };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  get armed(): number {
    return this.#timers.size;
  }

  runUntil(ms: number): void {
    for (;;) {
      const [next] = [...this.#timers]
        .filter(({ dueMs }) => dueMs <= ms)
        .toSorted((a, b) => a.dueMs - b.dueMs);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.fire();
    }
    this.#nowMs = ms;
  }

  /** What a monotonic clock must never do. */
  setBack(ms: number): void {
    this.#nowMs = ms;
  }
}
