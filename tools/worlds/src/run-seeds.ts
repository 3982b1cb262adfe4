/** Runs worlds over ranges of seeds, and writes the trace of every seed that fails. */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { encodeTraceRecord, type TraceRecord } from '@cluster/core';
import { explain, type ScriptedFault, type World } from '@cluster/sim';
import { shrink } from './shrink.ts';
import { addCounts, type SeedResult, type WorldKind } from './world-kind.ts';

export interface SeedRange {
  readonly first: number;
  readonly last: number;
}

export interface Violation {
  readonly world: string;
  readonly seed: number;
  readonly invariant: string;
  readonly step: number;
  readonly message: string;
  /** File with the trace of the failing run: of the one with the short script where there is one. */
  readonly trace: string;
  /** The fewest faults found with which the seed breaks the same invariant. */
  readonly script?: readonly ScriptedFault[];
  /** How many faults the seed had drawn. */
  readonly shrunkFrom?: number;
}

export interface SeedsReport {
  readonly seeds: number;
  readonly steps: number;
  readonly coverage: Record<string, number>;
  /** Names that should have happened and did not, when enough seeds ran to expect them. */
  readonly missing: readonly string[];
  readonly violations: readonly Violation[];
}

export interface RunSeedsOptions {
  /** Where traces of failing seeds go. */
  readonly failures: string;
  /** Where the trace of every passing seed goes; none is kept otherwise. */
  readonly traces?: string | undefined;
  /** Runs spent on making the script of a failing seed shorter. */
  readonly shrinkRunsMax?: number | undefined;
  readonly onSeed?: ((done: number, total: number, violations: number) => void) | undefined;
}

/** `7` or `1..500`; null for anything else. */
export function parseSeeds(text: string): SeedRange | null {
  const match = /^(\d{1,15})(?:\.\.(\d{1,15}))?$/.exec(text);
  if (match === null) return null;
  const first = Number(match[1]);
  const last = match[2] === undefined ? first : Number(match[2]);
  return last < first ? null : { first, last };
}

export function runSeeds(kind: WorldKind, { first, last }: SeedRange, options: RunSeedsOptions): SeedsReport {
  const total = last - first + 1;
  const coverage: Record<string, number> = {};
  const violations: Violation[] = [];
  let steps = 0;
  for (let seed = first; seed <= last; seed++) {
    const outcome = explain<SeedResult>((trace, started) => runOne(kind, seed, trace, started, options));
    if (outcome.failure !== null) {
      const { invariant, step, message } = outcome.failure;
      const shrunk = shrink(kind, seed, invariant, options.shrinkRunsMax);
      const records = shrunk === null ? outcome.trace : traceOf(kind, seed, shrunk.prepare);
      const trace = write(options.failures, kind, seed, records ?? []);
      const short = shrunk === null ? {} : { script: shrunk.script, shrunkFrom: shrunk.from };
      violations.push({ world: kind.name, seed, invariant, step, message, trace, ...short });
      steps += step;
    } else if (outcome.result !== undefined) {
      steps += outcome.result.steps;
      addCounts(coverage, outcome.result.coverage);
    }
    options.onSeed?.(seed - first + 1, total, violations.length);
  }
  const missing =
    // A single seed is there to be looked at; any more are a sample, and show nothing of what never happened in them.
    total === 1 ? [] : kind.mustHappen.filter((name) => (coverage[name] ?? 0) === 0);
  return { seeds: total, steps, coverage, missing, violations };
}

function runOne(
  kind: WorldKind,
  seed: number,
  trace: boolean,
  started: (world: World) => void,
  { traces }: RunSeedsOptions,
): SeedResult {
  let world: World | undefined;
  const result = kind.run(seed, {
    trace: trace || traces !== undefined,
    started: (made) => {
      world = made;
      started(made);
    },
  });
  if (traces !== undefined && world !== undefined) {
    write(traces, kind, seed, world.trace(`${kind.name}, seed ${seed}: every check held`));
  }
  return result;
}

/** The trace of the seed with the short script. */
const traceOf = (
  kind: WorldKind,
  seed: number,
  prepare: (world: World) => void,
): readonly TraceRecord[] | null =>
  explain((trace, started) =>
    kind.run(seed, {
      trace,
      started: (world) => {
        started(world);
        prepare(world);
      },
    }),
  ).trace;

/** Line by line: a long run's trace is longer than a string may be. */
function write(folder: string, kind: WorldKind, seed: number, records: readonly TraceRecord[]): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${kind.name}-${seed}.cltrace`);
  const file = openSync(path, 'w');
  try {
    for (const record of records) writeSync(file, encodeTraceRecord(record));
  } finally {
    closeSync(file);
  }
  return path;
}
