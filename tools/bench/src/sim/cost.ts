/**
 * What the simulator costs: pools of members as shipped, on a quiet network, each in a process of its own. Processor time, not
 * time by the clock: a run is one thread, and what else the machine does is not its cost.
 */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { bundle } from '@cluster/programs';
import { Workplace } from '../process/workplace.ts';
import type { BenchResult, BenchRow } from '../result.ts';
import type { PoolCost, PoolRun } from './pool-program.ts';

export interface SimCostOptions {
  readonly seed: number;
  /** A pool that runs for long. */
  readonly long: { readonly size: number; readonly virtualSeconds: number };
  /** A pool that starts with nobody knowing anybody, all members within a second. */
  readonly large: { readonly size: number; readonly virtualSeconds: number };
  /** What a member on record takes is told from pools of this size, twice it and thrice it. */
  readonly recordSize: number;
  /** Bound of the heap of each process. */
  readonly heapBytesMax: number;
}

const gigabyte = 1024 ** 3;

export const simCostDefaults: SimCostOptions = {
  seed: 1,
  long: { size: 100, virtualSeconds: 3600 },
  large: { size: 2000, virtualSeconds: 60 },
  recordSize: 150,
  heapBytesMax: 16 * gigabyte,
};

export const simCostQuick: SimCostOptions = {
  ...simCostDefaults,
  long: { size: 20, virtualSeconds: 60 },
  large: { size: 60, virtualSeconds: 20 },
  recordSize: 40,
};

// Time for everybody to hear of everybody, and for the last word of it to have been passed on: what waits to be sent is no record.
const settleSeconds = 60;

/**
 * Bytes of a member on record with another, from what pools of one, two and three times a size hold. Records grow as the square of
 * the size; what comes with each member, and what is there once, is gone from the second difference.
 */
export const recordBytes = (size: number, held: readonly [number, number, number]): number =>
  (held[0] - 2 * held[1] + held[2]) / (2 * size * size);

export async function benchSimCost(
  options: SimCostOptions,
  say: (line: string) => void,
): Promise<BenchResult> {
  const { seed, long, large, recordSize } = options;
  const costs = await Workplace.use(async (place) => {
    const { pool } = await bundle({
      programs: { pool: fileURLToPath(new URL('pool-program.ts', import.meta.url)) },
      outdir: place.folder,
    });
    const cost = async (wanted: Omit<PoolRun, 'seed'>): Promise<PoolCost> => {
      say(`${wanted.size} members for ${wanted.virtualSeconds} s`);
      const nodeFlags = ['--expose-gc', `--max-old-space-size=${options.heapBytesMax / 1024 ** 2}`];
      const process = place.start('pool', pool, [], { core: null, nodeFlags });
      try {
        return await process.call<PoolCost>('run', { seed, ...wanted } satisfies PoolRun);
      } finally {
        await process.kill();
      }
    };
    return {
      long: await cost(long),
      large: await cost(large),
      once: await cost({ size: recordSize, virtualSeconds: settleSeconds }),
      twice: await cost({ size: 2 * recordSize, virtualSeconds: settleSeconds }),
      thrice: await cost({ size: 3 * recordSize, virtualSeconds: settleSeconds }),
    };
  });
  const named = (pool: SimCostOptions['long']): string => `${pool.size} members, ${pool.virtualSeconds} s`;
  return {
    name: 'sim-cost',
    config: { ...options, node: process.version, cores: availableParallelism() },
    rows: [
      row(`${named(long)}: processor`, 's', costs.long.cpuSeconds),
      row(`${named(long)}: an event`, 'µs', (costs.long.cpuSeconds * 1e6) / costs.long.steps),
      row(`${named(large)}: processor`, 's', costs.large.cpuSeconds),
      row(`${named(large)}: peak memory`, 'GiB', costs.large.peakBytes / gigabyte),
      row(
        `a member on record, up to ${3 * recordSize} members`,
        'bytes',
        recordBytes(recordSize, [costs.once.heldBytes, costs.twice.heldBytes, costs.thrice.heldBytes]),
      ),
    ],
    expectations: Object.values(costs).map(({ isWhole }, i) => ({
      what: `at the end of run ${i + 1} everybody lists everybody alive`,
      held: isWhole,
    })),
  };
}

/** One run: the same seed takes the same steps. */
const row = (name: string, unit: string, ours: number): BenchRow => ({
  case: name,
  unit,
  higherIsBetter: false,
  ours,
  limit: null,
  peers: {},
  ratioToLimit: null,
  spread: 0,
});
