import type { Clock, TimerHandle, WallClock } from '@cluster/core';
import type { Host } from './host.ts';
import type { Kernel } from './kernel.ts';

// Of the virtual clock's step: less would be no time at all, and waited for without end.
const restMinMs = 0.001;

/** A process's clock: its timers die with it, wait while it is paused, are late where it is slow, and drift with its host. */
export function hostClock(kernel: Kernel, host: Host): Clock {
  const { incarnation, time } = host;
  return {
    nowMs: () => time.at(kernel.nowMs),
    setTimer: (delayMs, fire) => new HostTimer(kernel, host, incarnation, delayMs, fire),
  };
}

class HostTimer implements TimerHandle {
  readonly #kernel: Kernel;
  readonly #host: Host;
  readonly #incarnation: number;
  readonly #dueMs: number;
  readonly #fire: () => void;
  #event: TimerHandle;

  constructor(kernel: Kernel, host: Host, incarnation: number, delayMs: number, fire: () => void) {
    this.#kernel = kernel;
    this.#host = host;
    this.#incarnation = incarnation;
    this.#dueMs = host.time.at(kernel.nowMs) + delayMs;
    this.#fire = fire;
    this.#event = this.#arm(delayMs);
  }

  cancel(): void {
    this.#event.cancel();
  }

  #arm(localMs: number): TimerHandle {
    const wake = (): void => this.#wake();
    return this.#kernel.after(localMs / this.#host.time.rate, wake, this.#host, this.#incarnation, true);
  }

  #wake(): void {
    const restMs = this.#dueMs - this.#host.time.at(this.#kernel.nowMs);
    // Never early: where the clock has been slowed since, the rest is waited for.
    if (restMs > 0) this.#event = this.#arm(Math.max(restMs, restMinMs));
    else this.#fire();
  }
}

// Every world begins at the same moment: 2026-01-01T00:00:00Z.
const epochMs = 1_767_225_600_000;

export function worldWallClock(kernel: Kernel): WallClock {
  return { nowMs: () => epochMs + kernel.nowMs };
}
