/**
 * The figures of the SWIM paper, of pools of several sizes, and of Lifeguard's, in the simulator: counted in periods, rounds and
 * deaths, the same on any machine.
 */
import { parseSwimConfig } from '@cluster/swim';
import type { BenchResult, BenchRow, Expectation } from '../result.ts';
import { quantile } from '../statistics.ts';
import {
  type Experiment,
  falsePositives,
  lifeguardExperiment,
  type Variant,
  variants,
} from './false-positives.ts';
import { detections, disseminations, dyingTogether, packetsPerPeriod } from './figures.ts';
import { expectedPeriods, paperPeriods } from './first-detection.ts';
import { SwimPool } from './pool.ts';

export interface SimBenchOptions {
  readonly seed: number;
  /** Members of each pool. */
  readonly sizes: readonly number[];
  /** Members killed, of each pool. */
  readonly kills: number;
  /** How often is seen that somebody hears of a change of tags, in each pool: of a dozen changes at least. */
  readonly sightings: number;
  readonly slow: Experiment;
}

export const simDefaults: SimBenchOptions = {
  seed: 1,
  sizes: [8, 16, 32, 64, 128, 256, 512, 1000],
  // The standard error of a mean of so many is 1.9% of it.
  kills: 700,
  sightings: 2000,
  slow: lifeguardExperiment,
};
export const simQuick: SimBenchOptions = {
  seed: 1,
  sizes: [8],
  kills: 400,
  sightings: 140,
  slow: { ...lifeguardExperiment, blockMs: [4096], intervalMs: [16, 1024], seeds: [1] },
};

const detectionTolerance = 0.05;
const packetsTolerance = 0.05;
const quietPeriods = 10;
const changesMin = 12;
// What Lifeguard's authors found.
const fewerTimes = 50;

interface PoolFigures {
  readonly size: number;
  readonly expectedPeriods: number;
  readonly meanPeriods: number;
  /** Standard error of the mean, as a share of it. */
  readonly error: number;
  readonly packets: number;
  /** 99th percentile, over all changes and members. */
  readonly rounds: number;
}

export function benchSim(options: SimBenchOptions, say: (line: string) => void): BenchResult {
  const figures = options.sizes.map((size) => {
    say(`${size} members`);
    return measurePool(size, options);
  });
  const deaths = Object.fromEntries(
    (Object.keys(variants) as Variant[]).map((variant) => {
      say(`slow members: ${variant}`);
      return [variant, falsePositives(options.slow, variant)] as const;
    }),
  ) as Deaths;
  return {
    name: 'sim',
    config: { ...options, network: 'one-way delay 1 ms on average, nothing lost', swim: 'defaults' },
    rows: [...figures.flatMap(rowsOf), ...lifeguardRows(options.slow, deaths)],
    notes: [
      `limit: derived for this schedule of probes; e/(e - 1): the mean time to the first detection by the paper, which counts from the choice of the dead member and not from its death.`,
    ],
    expectations: [...expectationsOf(figures), lifeguardExpectation(deaths)],
  };
}

type Deaths = Readonly<Record<Variant, ReturnType<typeof falsePositives>>>;

function lifeguardRows({ size, slow }: Experiment, deaths: Deaths): BenchRow[] {
  const { Lifeguard, ...others } = deaths;
  const row = (name: string, count: (variant: Deaths[Variant]) => number): BenchRow => ({
    case: `${slow} slow of ${size}: healthy ones declared dead, ${name}`,
    unit: 'deaths told',
    higherIsBetter: false,
    ours: count(Lifeguard),
    limit: null,
    peers: Object.fromEntries(Object.entries(others).map(([variant, one]) => [variant, count(one)])),
    ratioToLimit: null,
    spread: 0,
  });
  return [row('at healthy ones', ({ atHealthy }) => atHealthy), row('at any', ({ atAny }) => atAny)];
}

const lifeguardExpectation = ({ SWIM, Lifeguard }: Deaths): Expectation => ({
  what: `of healthy members, healthy ones declare dead at least ${fewerTimes} times fewer than by plain SWIM`,
  held: SWIM.atHealthy >= fewerTimes && Lifeguard.atHealthy <= SWIM.atHealthy / fewerTimes,
});

function measurePool(size: number, { seed, kills, sightings }: SimBenchOptions): PoolFigures {
  const { probePeriodMs, gossipPeriodMs } = parseSwimConfig({ name: 'any' });
  // How a pool comes together is not the subject.
  const pool = new SwimPool({ seed, size, formed: true });
  const packets = packetsPerPeriod(pool, quietPeriods, probePeriodMs);
  const changes = Math.max(changesMin, Math.ceil(sightings / (size - 1)));
  const rounds = quantile(disseminations(pool, changes, gossipPeriodMs), 0.99);
  const periods = detections(pool, kills, probePeriodMs);
  const meanPeriods = periods.reduce((sum, one) => sum + one, 0) / periods.length;
  const variance = periods.reduce((sum, one) => sum + (one - meanPeriods) ** 2, 0) / (periods.length - 1);
  const error = Math.sqrt(variance / periods.length) / meanPeriods;
  return {
    size,
    expectedPeriods: expectedPeriods(size, dyingTogether(size)),
    meanPeriods,
    error,
    packets,
    rounds,
  };
}

const roundsMax = (size: number): number => 3 * Math.log2(size);

function rowsOf({
  size,
  expectedPeriods: expected,
  meanPeriods,
  error,
  packets,
  rounds,
}: PoolFigures): BenchRow[] {
  const common = { higherIsBetter: false, limit: null, peers: {}, ratioToLimit: null, spread: 0 };
  return [
    {
      ...common,
      case: `${size} members: death to first suspicion, mean`,
      unit: 'periods',
      ours: meanPeriods,
      limit: expected,
      peers: { 'e/(e - 1)': paperPeriods },
      ratioToLimit: expected / meanPeriods,
      // Shown by half, as what a mean may be off by.
      spread: 2 * error,
    },
    {
      ...common,
      case: `${size} members: packets sent by a member`,
      unit: 'packets per period',
      ours: packets,
    },
    {
      ...common,
      case: `${size} members: a change known to all, 99th percentile`,
      unit: 'gossip rounds',
      ours: rounds,
      peers: { '3 log2 n': roundsMax(size) },
    },
  ];
}

function expectationsOf(figures: readonly PoolFigures[]): Expectation[] {
  const packets = figures.map((pool) => pool.packets);
  return [
    ...figures.flatMap(({ size, expectedPeriods: expected, meanPeriods, rounds }) => [
      {
        what: `of ${size} members, a death is suspected after the mean time derived, within ${detectionTolerance * 100}%`,
        held: Math.abs(meanPeriods / expected - 1) <= detectionTolerance,
      },
      {
        what: `of ${size} members, 99% hear of a change within 3 log2 n gossip rounds`,
        held: rounds <= roundsMax(size),
      },
    ]),
    {
      what: 'a member of a large pool sends no more packets per period than one of a small pool',
      held: Math.max(...packets) <= Math.min(...packets) * (1 + packetsTolerance),
    },
  ];
}
