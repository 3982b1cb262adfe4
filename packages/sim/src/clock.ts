import type { Clock, WallClock } from '@cluster/core';
import type { Host } from './host.ts';
import type { Kernel } from './kernel.ts';

// Of the virtual clock's step: less would be no time at all, and waited for without end.
const restMinMs = 0.001;

/** A process's clock: its timers die with it, wait while it is paused, are late where it is slow, and drift with its host. */
export function hostClock(kernel: Kernel, host: Host): Clock {
  const { incarnation, time } = host;
  const nowMs = (): number => time.at(kernel.nowMs);
  return {
    nowMs,
    setTimer: (delayMs, fire) => {
      const dueMs = nowMs() + delayMs;
      const wake = (): void => {
        const restMs = dueMs - nowMs();
        // Never early: where the clock has been slowed since, the rest is waited for.
        if (restMs > 0) handle = arm(Math.max(restMs, restMinMs));
        else fire();
      };
      const arm = (localMs: number) => kernel.after(localMs / time.rate, wake, host, incarnation);
      let handle = arm(delayMs);
      return { cancel: () => handle.cancel() };
    },
  };
}

// Every world begins at the same moment: 2026-01-01T00:00:00Z.
const epochMs = 1_767_225_600_000;

export function worldWallClock(kernel: Kernel): WallClock {
  return { nowMs: () => epochMs + kernel.nowMs };
}
