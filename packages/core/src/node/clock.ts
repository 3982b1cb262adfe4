// The global of this name is a getter, which every reading of the clock would pay for.
import { performance } from 'node:perf_hooks';
import type { Clock, WallClock } from '../ports.ts';

export interface SystemClockOptions {
  /** Whether pending timers let the process end. Default false: they keep it alive. */
  readonly unref?: boolean;
}

// setTimeout's range: a longer delay would fire at once.
const delayMsMax = 2 ** 31 - 1;

/**
 * The machine's monotonic clock. A timer never fires before its time by `nowMs`, which setTimeout alone does not promise: it
 * counts from the cached time of its loop turn, in whole milliseconds.
 */
export function makeSystemClock(options: SystemClockOptions = {}): Clock {
  return {
    nowMs: () => performance.now(),
    setTimer(delayMs, fire) {
      const dueMs = performance.now() + delayMs;
      let timeout: NodeJS.Timeout;
      const arm = (): void => {
        const left = Math.ceil(dueMs - performance.now());
        timeout = setTimeout(elapsed, Math.min(Math.max(left, 0), delayMsMax));
        if (options.unref) timeout.unref();
      };
      const elapsed = (): void => {
        if (performance.now() < dueMs) arm();
        else fire();
      };
      arm();
      return { cancel: () => clearTimeout(timeout) };
    },
  };
}

export const systemClock: Clock = makeSystemClock();

export const systemWallClock: WallClock = { nowMs: () => Date.now() };
