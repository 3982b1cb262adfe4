/** The `nemesis` command: scenarios one after the other, a verdict on each from its file, and nothing left behind. */
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ClusterError, describeError } from '@cluster/core';
import { type HistoryReport, objectionsTo } from './history/report.ts';
import { whyNoNamespaces } from './namespaces.ts';
import { type Network, sweepNetworks } from './network.ts';
import { Processes } from './processes.ts';
import { bundlePrograms } from './programs.ts';
import { runCheck } from './run-check.ts';
import { runScenario, type ScenarioResult } from './run-scenario.ts';
import { chooseKilling, chooseScenarios, type Scenario } from './scenario.ts';

export interface NemesisOptions {
  /** Names of scenarios, with or without a number of nodes; none: all. */
  readonly scenarios: readonly string[];
  /** How long faults go on in each. Default 20. */
  readonly seconds?: number;
  /** In place of a time: until SIGKILL has struck at so many moments in each; without names all scenarios that kill. */
  readonly kills?: number;
  /** Where histories go. Default `.cluster/nemesis`. */
  readonly out?: string;
  /** Which faults come when; real processes make no two runs alike even so. Default: drawn. */
  readonly seed?: number;
  /** Judge these histories instead of making one. */
  readonly check?: readonly string[];
  /** One JSON object on standard output at the end; all else goes to standard error. */
  readonly json?: boolean;
}

interface Skipped {
  readonly name: string;
  readonly reason: string;
}

/** The conventional exit code of a program ended by Ctrl-C. */
const interrupted = 130;
const seedBound = 0x7fff_ffff;

/** @returns the exit code: 0 = all held, 1 = something did not, 130 = interrupted. @throws RangeError for an unknown name. */
export async function runNemesis(options: NemesisOptions): Promise<number> {
  const { kills, seconds = 20, json = false } = options;
  const chosen = (kills === undefined ? chooseScenarios : chooseKilling)(options.scenarios);
  const write = (text: string): void => void (json ? process.stderr : process.stdout).write(text);
  const folder = await mkdtemp(join(tmpdir(), 'cluster-nemesis-'));
  const processes = new Processes();
  const abort = new AbortController();
  let network: Network | null = null;
  const cleanUp = (): void => {
    processes.killAll();
    network?.remove();
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  };
  // A shell, npx and a loader may each pass Ctrl-C on: what comes after the first is the same wish.
  const interrupt = (): void => abort.abort(new Error('interrupted'));
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  process.on('exit', cleanUp);
  for (const signal of signals) process.on(signal, interrupt);
  try {
    const programs = await bundlePrograms(join(folder, 'programs'));
    if (options.check !== undefined)
      return await checkFiles(programs.checkHistory, options.check, json, write, abort.signal);
    const { possible, skipped } = sort(chosen);
    const out = resolve(options.out ?? join('.cluster', 'nemesis'));
    const results: ScenarioResult[] = [];
    for (const scenario of possible) {
      write(`${scenario.name}: ${scenario.fault.description}\n`);
      const result = await runScenario(scenario, {
        until: kills === undefined ? { seconds } : { kills },
        seed: options.seed ?? Math.floor(Math.random() * seedBound),
        folder: join(folder, scenario.name),
        out,
        programs,
        processes,
        say: (line) => write(`  ${line}\n`),
        signal: abort.signal,
        onNetwork: (made) => {
          network = made;
        },
      });
      results.push(result);
      write(`  ${sentence(result)}\n`);
    }
    for (const { name, reason } of skipped) write(`${name}: skipped, for ${reason}\n`);
    const failed = results.filter(({ ok }) => !ok).length;
    write(`${results.length - failed} held, ${failed} did not, ${skipped.length} skipped\n`);
    if (json) process.stdout.write(`${JSON.stringify({ scenarios: results, skipped })}\n`);
    return failed > 0 || (skipped.length > 0 && Boolean(process.env['CI'])) ? 1 : 0;
  } catch (error) {
    if (abort.signal.aborted) {
      write('Interrupted; the processes, networks and temporary folders are gone.\n');
      return interrupted;
    }
    if (ClusterError.is(error)) throw error;
    write(`${describeError(error)}\n`);
    return 1;
  } finally {
    cleanUp();
    process.off('exit', cleanUp);
    for (const signal of signals) process.off(signal, interrupt);
  }
}

function sort(chosen: readonly Scenario[]): {
  readonly possible: readonly Scenario[];
  readonly skipped: readonly Skipped[];
} {
  if (!chosen.some(({ fault }) => fault.needsNetwork)) return { possible: chosen, skipped: [] };
  const reason = whyNoNamespaces();
  if (reason === null) {
    sweepNetworks();
    return { possible: chosen, skipped: [] };
  }
  return {
    possible: chosen.filter(({ fault }) => !fault.needsNetwork),
    skipped: chosen.filter(({ fault }) => fault.needsNetwork).map(({ name }) => ({ name, reason })),
  };
}

async function checkFiles(
  program: string,
  files: readonly string[],
  json: boolean,
  write: (text: string) => void,
  signal: AbortSignal,
): Promise<number> {
  const reports: (HistoryReport & { readonly history: string })[] = [];
  for (const history of files) {
    const report = await runCheck(program, [history], signal);
    reports.push({ history, ...report });
    const objections = objectionsTo(report);
    write(`${history}: ${report.operations} operations on ${report.keys} keys\n`);
    for (const objection of objections) write(`  FAILED: ${objection}\n`);
    if (objections.length === 0) write('  linearizable; no acknowledged write is gone\n');
  }
  if (json) process.stdout.write(`${JSON.stringify({ histories: reports })}\n`);
  return reports.every((report) => objectionsTo(report).length === 0) ? 0 : 1;
}

function sentence(result: ScenarioResult): string {
  const { ok, operations, acknowledgedWrites, unknownOutcomes, faults, kills, interruptionMs, history } =
    result;
  const numbers = `${operations} operations, ${acknowledgedWrites} writes acknowledged, ${unknownOutcomes} of unknown outcome, ${faults} faults, SIGKILL at ${kills} moments, longest interruption ${String(interruptionMs)} ms`;
  return `${ok ? 'held' : 'DID NOT HOLD'}: ${numbers}; ${history}`;
}
