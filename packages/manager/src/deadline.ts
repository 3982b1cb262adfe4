/** A deadline on the clock port, and the caller's signal, as one. */
import type { Clock } from '@cluster/core';
import { aborted, managerError, type ManagerErrorCode } from './errors.ts';

export class Deadline {
  readonly #clock: Clock;
  readonly #dueMs: number;
  readonly signal: AbortSignal | undefined;

  constructor(clock: Clock, timeoutMs: number, signal: AbortSignal | undefined) {
    this.#clock = clock;
    this.#dueMs = clock.nowMs() + timeoutMs;
    this.signal = signal;
  }

  get leftMs(): number {
    return Math.max(0, this.#dueMs - this.#clock.nowMs());
  }

  /** @throws ClusterError `MANAGER_ABORTED`, or `code` when the time is up. */
  check(code: ManagerErrorCode, cause?: unknown): void {
    if (this.signal?.aborted === true) throw aborted(this.signal);
    if (this.leftMs > 0) return;
    const reason = cause instanceof Error ? ` The last attempt said: ${cause.message}` : '';
    throw managerError(code, `The time for the call is up.${reason}`, cause === undefined ? {} : { cause });
  }

  /** Resolves after the pause, at the deadline, on abort, or when `subscribe`'s listener is called, whichever is first. */
  sleep(delayMs: number, subscribe?: (wake: () => void) => () => void): Promise<void> {
    return new Promise((resolve) => {
      let unsubscribe: (() => void) | undefined;
      const end = (): void => {
        timer.cancel();
        unsubscribe?.();
        this.signal?.removeEventListener('abort', end);
        resolve();
      };
      const timer = this.#clock.setTimer(Math.min(delayMs, this.leftMs), end);
      if (this.signal?.aborted === true) return end();
      this.signal?.addEventListener('abort', end, { once: true });
      unsubscribe = subscribe?.(end);
    });
  }

  /** `work`, unless the deadline or the signal comes first; then the work goes on unheard. */
  async limit<T>(work: Promise<T>, code: ManagerErrorCode): Promise<T> {
    let settled = false;
    await this.sleep(this.leftMs, (wake) => {
      const end = (): void => {
        settled = true;
        wake();
      };
      work.then(end, end);
      return () => undefined;
    });
    if (!settled) this.check(code);
    return work;
  }
}
