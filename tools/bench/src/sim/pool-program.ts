/** A process that runs one pool in the simulator, and says what it took. */
import { serveParent } from '../process/remote.ts';
import { SwimPool } from './pool.ts';

export interface PoolRun {
  readonly seed: number;
  readonly size: number;
  readonly virtualSeconds: number;
}

export interface PoolCost {
  /** Events of the world. */
  readonly steps: number;
  readonly cpuSeconds: number;
  /** The most this process has ever held in memory. */
  readonly peakBytes: number;
  /** What is still held at the end, after a collection, beyond what was held before. */
  readonly heldBytes: number;
  /** Everybody listed everybody alive at the end. */
  readonly isWhole: boolean;
}

function heldBytes(): number {
  // Started with --expose-gc; what has finalizers goes with the second collection.
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function run({ seed, size, virtualSeconds }: PoolRun): PoolCost {
  const heldBefore = heldBytes();
  const before = process.cpuUsage();
  const pool = new SwimPool({ seed, size, startWithinMs: 1000 });
  pool.world.runFor(virtualSeconds * 1000);
  const { user, system } = process.cpuUsage(before);
  return {
    steps: pool.world.steps,
    cpuSeconds: (user + system) / 1e6,
    peakBytes: process.resourceUsage().maxRSS * 1024,
    heldBytes: heldBytes() - heldBefore,
    isWhole: pool.isWhole,
  };
}

serveParent({ run });
