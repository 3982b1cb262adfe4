/** A process that runs one pool in the simulator, and says what it took. */
import { serveParent } from '../process/remote.ts';
import { Happenings } from './happenings.ts';
import { SwimPool } from './pool.ts';

export interface PoolRun {
  readonly seed: number;
  readonly size: number;
  readonly virtualSeconds: number;
  /** Everybody knows everybody at the start; otherwise all join the first within a second. */
  readonly formed: boolean;
  /** One dies, one says something to all, one comes. */
  readonly eventful: boolean;
}

export interface PoolCost {
  /** Events of the world. */
  readonly steps: number;
  readonly cpuSeconds: number;
  /** Of these, until the pool was made. */
  readonly formedCpuSeconds: number;
  /** The most this process has ever held in memory. */
  readonly peakBytes: number;
  /** What is still held at the end, after a collection, beyond what was held before. */
  readonly heldBytes: number;
  /** What should have held at the end, and did not. */
  readonly missing: readonly string[];
}

function heldBytes(): number {
  // Started with --expose-gc; what has finalizers goes with the second collection.
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function run({ seed, size, virtualSeconds, formed, eventful }: PoolRun): PoolCost {
  const heldBefore = heldBytes();
  const before = process.cpuUsage();
  const pool = new SwimPool({ seed, size, formed, startWithinMs: 1000 });
  const formedIn = process.cpuUsage(before);
  const happenings = eventful ? new Happenings(pool, virtualSeconds * 1000) : null;
  pool.world.runFor(virtualSeconds * 1000);
  const { user, system } = process.cpuUsage(before);
  const wholeness = pool.isWhole ? [] : ['everybody lists everybody alive'];
  return {
    steps: pool.world.steps,
    cpuSeconds: (user + system) / 1e6,
    formedCpuSeconds: (formedIn.user + formedIn.system) / 1e6,
    peakBytes: process.resourceUsage().maxRSS * 1024,
    heldBytes: heldBytes() - heldBefore,
    missing: happenings?.missing ?? wholeness,
  };
}

serveParent({ run });
