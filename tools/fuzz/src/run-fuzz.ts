/**
 * Feeds hostile inputs to targets. Every input is made from (seed, target, number) alone, and a target's state from those before it,
 * so that a run with the same seed meets the same failure at the same input.
 */
import { describeError, Prng } from '@cluster/core';
import type { FuzzTarget } from './target.ts';
import { WatchDog } from './watch-dog.ts';

export interface FuzzOptions {
  /** Per target. */
  readonly inputs: number;
  readonly seed: number;
  /** One input may take this long; the process ends when it takes longer. Default 10,000 ms. */
  readonly inputMsMax?: number;
  /** Memory of the process beyond which the run fails. Default 1,024 MB. */
  readonly memoryMbMax?: number;
  /** Failures after which a target is given up. Default 10. */
  readonly failuresMax?: number;
  readonly progress?: (target: string, inputs: number) => void;
}

export interface FuzzFailure {
  readonly target: string;
  readonly input: number;
  readonly problem: string;
}

export interface FuzzReport {
  readonly inputs: number;
  readonly rejected: number;
  readonly crashes: number;
  readonly peakMemoryMb: number;
  readonly seed: number;
  readonly failures: readonly FuzzFailure[];
  readonly targets: readonly FuzzRow[];
}

export interface FuzzRow {
  readonly name: string;
  readonly inputs: number;
  readonly rejected: number;
  /** What was reached and how often, where the target counts it. */
  readonly reached?: Readonly<Record<string, number>>;
}

const lookEvery = 1024;
// Fewer inputs may miss something by chance.
const reachesAllFrom = 100_000;
const megabyte = 1024 * 1024;

export function runFuzz(targets: readonly FuzzTarget[], options: FuzzOptions): FuzzReport {
  const { inputs, seed, inputMsMax = 10_000, memoryMbMax = 1024, failuresMax = 10, progress } = options;
  const failures: FuzzFailure[] = [];
  const rows: {
    name: string;
    inputs: number;
    rejected: number;
    reached?: Readonly<Record<string, number>>;
  }[] = [];
  let peakMemoryMb = 0;
  const dog = new WatchDog(inputMsMax, seed);
  try {
    for (const target of targets) {
      const row: (typeof rows)[number] = { name: target.name, inputs: 0, rejected: 0 };
      rows.push(row);
      dog.watch(target.name);
      let subject = target.make(seed);
      const failedBefore = failures.length;
      const fail = (problem: string): void =>
        void failures.push({ target: target.name, input: row.inputs, problem });
      while (row.inputs < inputs && failures.length - failedBefore < failuresMax) {
        dog.begin(row.inputs);
        try {
          if (subject.feed(Prng.fromSeed(seed, `${target.name}/${row.inputs}`)) === 'rejected')
            row.rejected++;
        } catch (error) {
          fail(describeError(error));
          // What it has become is of no further interest.
          subject = target.make(seed);
        }
        row.inputs++;
        if (row.inputs % lookEvery !== 0 && row.inputs !== inputs) continue;
        const memoryMb = Math.ceil(process.memoryUsage.rss() / megabyte);
        peakMemoryMb = Math.max(peakMemoryMb, memoryMb);
        if (memoryMb > memoryMbMax) {
          fail(`the process takes ${memoryMb} MB; ${memoryMbMax} are allowed`);
          break;
        }
        progress?.(target.name, row.inputs);
      }
      dog.rest();
      const reached = subject.reached?.();
      if (reached === undefined) continue;
      row.reached = reached;
      for (const what of row.inputs >= reachesAllFrom ? (target.mustReach ?? []) : [])
        if ((reached[what] ?? 0) === 0) fail(`nothing reached ${what}`);
    }
  } finally {
    dog.stop();
  }
  const sum = (key: 'inputs' | 'rejected'): number => rows.reduce((total, row) => total + row[key], 0);
  return {
    inputs: sum('inputs'),
    rejected: sum('rejected'),
    crashes: failures.length,
    peakMemoryMb,
    seed,
    failures,
    targets: rows,
  };
}
