/**
 * What the simulator costs: pools of members as shipped, on a quiet network, each in a process of its own. Processor time, not
 * time by the clock: a run is one thread, and what else the machine does is not its cost.
 *
 * A large pool is measured twice. Formed, its members know one another from the start, as those of a pool do that has been whole for
 * long; from a standing start all of them join the first at once, everybody has to be told of everybody, and every member hears of
 * each arrival a dozen times and more, which grows as the square of the members and is most of the work of such a run.
 */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { bundle } from '@cluster/programs';
import { Workplace } from '../process/workplace.ts';
import type { BenchResult, BenchRow } from '../result.ts';
import type { PoolCost, PoolRun } from './pool-program.ts';

interface Extent {
  readonly size: number;
  readonly virtualSeconds: number;
}

export interface SimCostOptions {
  readonly seed: number;
  /** A pool that runs for long. */
  readonly long: Extent;
  /** A large pool in which everybody knows everybody from the start; then one dies, one comes, one says something to all. */
  readonly formed: Extent;
  /** A pool that starts with nobody knowing anybody, all members within a second. */
  readonly standing: Extent;
  /** What a member on record takes is told from pools of this size, twice it and thrice it. */
  readonly recordSize: number;
  /** Bound of the heap of each process. */
  readonly heapBytesMax: number;
}

const gigabyte = 1024 ** 3;

export const simCostDefaults: SimCostOptions = {
  seed: 1,
  long: { size: 100, virtualSeconds: 3600 },
  formed: { size: 2000, virtualSeconds: 60 },
  standing: { size: 500, virtualSeconds: 60 },
  recordSize: 150,
  heapBytesMax: 16 * gigabyte,
};

export const simCostQuick: SimCostOptions = {
  ...simCostDefaults,
  long: { size: 20, virtualSeconds: 60 },
  formed: { size: 60, virtualSeconds: 30 },
  standing: { size: 60, virtualSeconds: 20 },
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
  const { seed, long, formed, standing, recordSize } = options;
  const record = { formed: false, eventful: false, virtualSeconds: settleSeconds };
  const runs = {
    long: { ...long, formed: false, eventful: false },
    formed: { ...formed, formed: true, eventful: true },
    standing: { ...standing, formed: false, eventful: false },
    once: { ...record, size: recordSize },
    twice: { ...record, size: 2 * recordSize },
    thrice: { ...record, size: 3 * recordSize },
  };
  const costs = await Workplace.use(async (place) => {
    const { pool } = await bundle({
      programs: { pool: fileURLToPath(new URL('pool-program.ts', import.meta.url)) },
      outdir: place.folder,
    });
    const cost = async (run: Omit<PoolRun, 'seed'>): Promise<PoolCost> => {
      say(named(run));
      const nodeFlags = ['--expose-gc', `--max-old-space-size=${options.heapBytesMax / 1024 ** 2}`];
      const process = place.start('pool', pool, [], { core: null, nodeFlags });
      try {
        return await process.call<PoolCost>('run', { seed, ...run } satisfies PoolRun);
      } finally {
        await process.kill();
      }
    };
    return {
      long: await cost(runs.long),
      formed: await cost(runs.formed),
      standing: await cost(runs.standing),
      once: await cost(runs.once),
      twice: await cost(runs.twice),
      thrice: await cost(runs.thrice),
    };
  });
  const held = [costs.once.heldBytes, costs.twice.heldBytes, costs.thrice.heldBytes] as const;
  return {
    name: 'sim-cost',
    config: { ...options, node: process.version, cores: availableParallelism() },
    rows: [
      row(`${named(runs.long)}: processor`, 's', costs.long.cpuSeconds),
      row(`${named(runs.long)}: an event`, 'µs', (costs.long.cpuSeconds * 1e6) / costs.long.steps),
      row(`${named(runs.formed)}: processor`, 's', costs.formed.cpuSeconds),
      row(`${named(runs.formed)}: of which until all are introduced`, 's', costs.formed.formedCpuSeconds),
      row(`${named(runs.formed)}: peak memory`, 'GiB', costs.formed.peakBytes / gigabyte),
      row(`${named(runs.standing)}: processor`, 's', costs.standing.cpuSeconds),
      row(`${named(runs.standing)}: peak memory`, 'GiB', costs.standing.peakBytes / gigabyte),
      row(`a member on record, up to ${3 * recordSize} members`, 'bytes', recordBytes(recordSize, held)),
    ],
    expectations: (Object.keys(runs) as (keyof typeof runs)[]).map((key) => {
      const { missing } = costs[key];
      const about = missing.length > 0 ? ` (${missing.join('; ')})` : '';
      return {
        what: `${named(runs[key])}: at the end all know what they should${about}`,
        held: missing.length === 0,
      };
    }),
  };
}

const named = ({ size, virtualSeconds, formed }: Omit<PoolRun, 'seed'>): string =>
  `${size} members, ${virtualSeconds} s${formed ? ', formed' : ''}`;

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
