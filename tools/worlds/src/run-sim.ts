/** The `sim` command. */
import { join } from 'node:path';
import { renderScript } from './shrink.ts';
import { addCounts, type WorldKind } from './world-kind.ts';
import { parseSeeds, runSeeds, type SeedsReport, type Violation } from './run-seeds.ts';

export interface RunSimOptions {
  /** `A..B` or a single seed. */
  readonly seeds: string;
  /** Folder for traces: of failing seeds always, and of a passing one when a single seed is run. Default `.cluster/failures`. */
  readonly trace?: string | undefined;
  /** Prints one JSON object as the last line of standard output. */
  readonly json?: boolean | undefined;
  readonly out?: ((text: string) => void) | undefined;
  readonly err?: ((text: string) => void) | undefined;
}

/** What the simulator does not run yet, and what to say of it. */
const later: Readonly<Record<string, string>> = {
  manager:
    'SIM_WORLD_LATER: the world of the manager arrives later. Run raft, raft-groups, swim, metadata or quorum.',
};

/**
 * @param names worlds to run; none = all.
 * @returns the exit code: 0 = every check held and everything happened, 1 = some did not, 2 = wrong usage.
 */
export function runSim(
  kinds: readonly WorldKind[],
  names: readonly string[],
  options: RunSimOptions,
): number {
  const out = options.out ?? ((text) => void process.stdout.write(text));
  const err = options.err ?? ((text) => void process.stderr.write(text));
  const refuse = (line: string): number => {
    err(`${line}\n`);
    return 2;
  };
  const range = parseSeeds(options.seeds);
  if (range === null) {
    return refuse(
      `SIM_SEEDS_INVALID: ${options.seeds} is no range of seeds. Give --seeds 1..500, or a single seed.`,
    );
  }
  const chosen: WorldKind[] = [];
  for (const name of names.length === 0 ? kinds.map((kind) => kind.name) : names) {
    const kind = kinds.find((one) => one.name === name);
    if (kind === undefined) {
      const known = kinds.map((one) => one.name).join(', ');
      return refuse(later[name] ?? `SIM_WORLD_UNKNOWN: there is no world ${name}. There are: ${known}.`);
    }
    chosen.push(kind);
  }
  const failures = options.trace ?? join('.cluster', 'failures');
  const traces = options.trace !== undefined && range.first === range.last ? options.trace : undefined;
  const reports = chosen.map((kind) => {
    const onSeed = progress(kind.name, err);
    return { name: kind.name, report: runSeeds(kind, range, { failures, traces, onSeed }) };
  });
  const say = options.json === true ? err : out;
  for (const { name, report } of reports) printReport(name, report, say);
  const violations = reports.flatMap(({ report }) => report.violations);
  const missing = reports.flatMap(({ name, report }) => report.missing.map((count) => `${name}: ${count}`));
  if (options.json === true) {
    const all = summary(
      reports.map(({ report }) => report),
      violations,
    );
    out(`${JSON.stringify({ ...all, missing })}\n`);
  }
  return violations.length > 0 || missing.length > 0 ? 1 : 0;
}

function summary(reports: readonly SeedsReport[], violations: readonly Violation[]): object {
  const coverage: Record<string, number> = {};
  for (const report of reports) addCounts(coverage, report.coverage);
  return {
    seeds: reports.reduce((sum, { seeds }) => sum + seeds, 0),
    steps: reports.reduce((sum, { steps }) => sum + steps, 0),
    coverage,
    violations,
  };
}

function progress(
  name: string,
  err: (text: string) => void,
): (done: number, total: number, violations: number) => void {
  let toldAtMs = performance.now();
  return (done, total, violations) => {
    if (done < total && performance.now() - toldAtMs < 1000) return;
    toldAtMs = performance.now();
    err(`${name}: ${done} of ${total} seeds, ${violations} violations\n`);
  };
}

function printReport(name: string, report: SeedsReport, out: (text: string) => void): void {
  out(`${name}: ${report.seeds} seeds, ${report.steps} steps, ${report.violations.length} violations\n`);
  const width = Math.max(...Object.keys(report.coverage).map((key) => key.length), 0);
  for (const [key, count] of Object.entries(report.coverage)) {
    const zero = report.missing.includes(key)
      ? '   never happened: these seeds show nothing about it, run more'
      : '';
    out(`  ${key.padEnd(width)}  ${String(count).padStart(9)}${zero}\n`);
  }
  for (const { message, trace, script, shrunkFrom } of report.violations) {
    out(`  ${message}\n    trace: ${trace}\n`);
    if (script === undefined) continue;
    out(`    ${script.length} of its ${shrunkFrom} faults are enough:\n${renderScript(script)}`);
  }
}
