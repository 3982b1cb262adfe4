/**
 * Whether the monotonic clock can be trusted to count all the time that passes. On most systems it stands still while the machine
 * is suspended, and a virtual machine may be stopped without knowing: then the time of day goes on alone, or is set back, and the
 * two differ. A difference decides nothing but that a lease is not used.
 */
import type { Clock, WallClock } from '@cluster/core';

/** Of the shortest election timeout: smaller differences pass, and a lease leaves room for two of them. */
const tolerance = 0.05;

export class ClockWatch {
  readonly #clock: Clock;
  readonly #wallClock: WallClock;
  readonly #spanMs: number;
  #sinceMs: number;
  #wallSinceMs: number;

  /** @param spanMs the shortest election timeout. */
  constructor(clock: Clock, wallClock: WallClock, spanMs: number) {
    this.#clock = clock;
    this.#wallClock = wallClock;
    this.#spanMs = spanMs;
    this.#sinceMs = clock.nowMs();
    this.#wallSinceMs = wallClock.nowMs();
  }

  /** @returns whether the clocks have drawn apart since they were last compared; to be asked before each use of a lease. */
  differs(): boolean {
    const nowMs = this.#clock.nowMs();
    const wallMs = this.#wallClock.nowMs();
    const passedMs = nowMs - this.#sinceMs;
    const differs = Math.abs(wallMs - this.#wallSinceMs - passedMs) > this.#spanMs * tolerance;
    // Compared over a whole span, so that many small differences within it add up to one that is noticed.
    if (differs || passedMs > this.#spanMs) {
      this.#sinceMs = nowMs;
      this.#wallSinceMs = wallMs;
    }
    return differs;
  }
}
