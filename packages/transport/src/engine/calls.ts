/** Opens calls and watches their deadlines: one timer for all of them, and none while there are none. */
import type { Clock, Done, TimerHandle } from '@cluster/core';
import { DeadlineWheel } from '../core/deadlines.ts';
import { Call } from './call.ts';
import type { Delivery } from './delivery.ts';

/** Deadlines are met at most this late. */
const tickMs = 10;

export class Calls {
  readonly #clock: Clock;
  readonly #wheel: DeadlineWheel;
  readonly #onTimeout: (call: Call) => void;
  #timer: TimerHandle | null = null;

  /** @param onTimeout before a call fails because its time is over. */
  constructor(clock: Clock, onTimeout: (call: Call) => void) {
    this.#clock = clock;
    this.#wheel = new DeadlineWheel(tickMs, clock.nowMs());
    this.#onTimeout = onTimeout;
  }

  open(
    delivery: Delivery,
    until: Call['until'],
    priority: number,
    timeoutMs: number,
    done: Done<Uint8Array>,
  ): Call {
    const nowMs = this.#clock.nowMs();
    // The wheel stands still while nobody waits.
    if (this.#wheel.size === 0) this.#wheel.advance(nowMs);
    const call = new Call(delivery, until, priority, timeoutMs, nowMs, this.#wheel, this.#onTimeout, done);
    this.#timer ??= this.#clock.setTimer(tickMs, this.#tick);
    return call;
  }

  stop(): void {
    this.#timer?.cancel();
  }

  readonly #tick = (): void => {
    this.#timer = null;
    this.#wheel.advance(this.#clock.nowMs());
    if (this.#wheel.size > 0) this.#timer ??= this.#clock.setTimer(tickMs, this.#tick);
  };
}
