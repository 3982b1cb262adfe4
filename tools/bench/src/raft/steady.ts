/** Full load that goes on while nothing is done to the cluster: nobody may stand for election, however busy the cores are. */
import type { BenchRow, Expectation } from '../result.ts';
import { summarize } from '../statistics.ts';
import type { RaftLoadResult } from './client-program.ts';

export interface SteadyRun {
  readonly minutes: number;
  readonly clients: number;
  readonly termBefore: number;
  readonly termAfter: number;
  readonly slices: readonly RaftLoadResult[];
}

export interface SteadyOptions {
  readonly minutes: number;
  readonly clients: number;
  readonly load: (runMs: number) => Promise<RaftLoadResult>;
  /** The highest term that anybody has heard of: each election begins with a new one. */
  readonly term: () => Promise<number>;
  readonly say: (line: string) => void;
}

const sliceMs = 20_000;

export async function keepLoaded({ minutes, clients, load, term, say }: SteadyOptions): Promise<SteadyRun> {
  const termBefore = await term();
  const slices: RaftLoadResult[] = [];
  for (let leftMs = minutes * 60_000; leftMs > 0; leftMs -= sliceMs) {
    const slice = await load(Math.min(leftMs, sliceMs));
    slices.push(slice);
    say(
      `${Math.round(leftMs / 1000)} s of full load left: ${Math.round(slice.perSecond)} puts/s, term ${await term()}`,
    );
  }
  return { minutes, clients, termBefore, termAfter: await term(), slices };
}

export function steadyRows({ minutes, clients, termBefore, termAfter, slices }: SteadyRun): BenchRow[] {
  const row = (name: string, unit: string, higherIsBetter: boolean, values: readonly number[]): BenchRow => {
    const { median, spread } = summarize(values);
    const what = `${minutes} min of puts, ${clients} clients${name}`;
    return {
      case: what,
      unit,
      higherIsBetter,
      ours: median,
      limit: null,
      peers: {},
      ratioToLimit: null,
      spread,
    };
  };
  return [
    row(
      '',
      'puts/s',
      true,
      slices.map(({ perSecond }) => perSecond),
    ),
    row(
      ', p99',
      'ms',
      false,
      slices.map(({ p99Ms }) => p99Ms),
    ),
    row(', elections', 'elections', false, [termAfter - termBefore]),
  ];
}

export const steadyExpectations = ({ termBefore, termAfter, slices }: SteadyRun): Expectation[] => [
  { what: 'no election under full load', held: termAfter === termBefore },
  { what: 'every put was accepted', held: slices.every(({ failed }) => failed === 0) },
];
