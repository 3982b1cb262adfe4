/**
 * Lifeguard's experiment: some members are slow, and we count what that does to the others (section V).
 *
 * A slow member is blocked for a time D, again and again, with an interval I in between: what it sends and what comes for it waits,
 * and its timers run. So it takes the others for dead. Counted is every death that a healthy member tells of a healthy member.
 *
 * The paper's blocks last up to 33 s where a suspicion of plain SWIM takes 10 s. Our suspicions take 1 s of plain SWIM and 5 s at
 * the most, so the blocks last up to 4 s here.
 */
import { SwimPool } from './pool.ts';

/** Without Lifeguard, and with each of its parts. Plain SWIM has Lifeguard's lower bound for every suspicion, as in the paper. */
const plain = { healthScoreMax: 1, suspicionConfirmations: 0, buddySystem: false };
export const variants = {
  SWIM: plain,
  'LHA-Probe': { suspicionConfirmations: 0, buddySystem: false },
  'LHA-Suspicion': { healthScoreMax: 1, buddySystem: false },
  'buddy system': { healthScoreMax: 1, suspicionConfirmations: 0 },
  Lifeguard: {},
};
export type Variant = keyof typeof variants;

export interface Experiment {
  readonly size: number;
  readonly slow: number;
  /** Times that the slow are blocked, and let go in between: each with each. */
  readonly blockMs: readonly number[];
  readonly intervalMs: readonly number[];
  /** With each pair of times the slow are slow for so long. */
  readonly durationMs: number;
  readonly seeds: readonly number[];
}

export interface FalsePositives {
  /** Deaths of healthy members, told by healthy ones. */
  readonly atHealthy: number;
  /** Told by anybody. */
  readonly atAny: number;
}

export const lifeguardExperiment: Experiment = {
  size: 8,
  slow: 1,
  blockMs: [128, 256, 512, 1024, 2048, 4096],
  intervalMs: [1, 4, 16, 64, 256, 1024, 4096],
  durationMs: 60_000,
  seeds: [1, 2, 3],
};

const settleMs = 10_000;

/** Sums over all pairs of times and all seeds. */
export function falsePositives(experiment: Experiment, variant: Variant): FalsePositives {
  const { seeds, blockMs, intervalMs } = experiment;
  const all = seeds.flatMap((seed) =>
    blockMs.flatMap((block) =>
      intervalMs.map((interval) => runAnomaly(experiment, variant, seed, block, interval)),
    ),
  );
  return {
    atHealthy: all.reduce((sum, one) => sum + one.atHealthy, 0),
    atAny: all.reduce((sum, one) => sum + one.atAny, 0),
  };
}

function runAnomaly(
  { size, slow, durationMs }: Experiment,
  variant: Variant,
  seed: number,
  blockMs: number,
  intervalMs: number,
): FalsePositives {
  const pool = new SwimPool({ seed, size, config: variants[variant] });
  const { world, names } = pool;
  pool.await('a whole pool', () => pool.isWell, 60_000);
  world.runFor(settleMs * world.prng.float());
  const slowOnes = new Set(names.slice(-slow));
  let [atHealthy, atAny] = [0, 0];
  pool.onEvent((observer, { type, member }) => {
    if (type !== 'Dead' || slowOnes.has(member.name)) return;
    atAny++;
    if (!slowOnes.has(observer)) atHealthy++;
  });
  const endMs = world.nowMs + durationMs;
  const block = (name: string): void => {
    if (world.nowMs >= endMs) return;
    world.block(name, true);
    world.after(blockMs, () => {
      world.block(name, false);
      world.after(intervalMs, () => block(name));
    });
  };
  // Not in step with one another.
  for (const name of slowOnes) world.after(world.prng.float() * (blockMs + intervalMs), () => block(name));
  // What was said in the last block has its effect too.
  world.runFor(durationMs + blockMs + settleMs);
  return { atHealthy, atAny };
}
