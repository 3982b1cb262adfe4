import type { Clock, WallClock } from '@cluster/core';
import type { Host } from './host.ts';
import type { Kernel } from './kernel.ts';

/** A process's clock: its timers die with it, wait while it is paused, and are late where it is slow. */
export function hostClock(kernel: Kernel, host: Host): Clock {
  const { incarnation } = host;
  return {
    nowMs: () => kernel.nowMs,
    setTimer: (delayMs, fire) => kernel.after(delayMs, fire, host, incarnation),
  };
}

// Every world begins at the same moment: 2026-01-01T00:00:00Z.
const epochMs = 1_767_225_600_000;

export function worldWallClock(kernel: Kernel): WallClock {
  return { nowMs: () => epochMs + kernel.nowMs };
}
