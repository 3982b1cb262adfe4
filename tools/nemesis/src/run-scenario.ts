/** One scenario from the first process to the verdict. */
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ClusterError, describeError, Prng } from '@cluster/core';
import { Cluster } from './cluster.ts';
import { type HistoryReport, objectionsTo } from './history/report.ts';
import { makeNetwork, type Network } from './network.ts';
import type { Processes } from './processes.ts';
import type { PlantedBug } from './programs/protocol.ts';
import type { Programs } from './programs.ts';
import { runCheck } from './run-check.ts';
import type { Scenario } from './scenario.ts';

export interface ScenarioOptions {
  /** How long faults go on, or until SIGKILL has struck at so many moments. */
  readonly until: { readonly seconds: number } | { readonly kills: number };
  readonly seed: number;
  /** For what is thrown away. */
  readonly folder: string;
  /** For histories. */
  readonly out: string;
  readonly programs: Programs;
  readonly processes: Processes;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
  /** For tests of the verdict. */
  readonly bug?: PlantedBug;
  /** Told of the network as soon as there is one, so that it can be removed whatever happens. */
  readonly onNetwork: (network: Network) => void;
}

export interface ScenarioResult {
  readonly name: string;
  readonly ok: boolean;
  readonly acknowledgedWritesLost: number | null;
  /** Null: unknown. */
  readonly linearizable: boolean | null;
  /** The longest time without an acknowledged write. */
  readonly interruptionMs: number | null;
  /** The file. */
  readonly history: string;
  readonly seed: number;
  readonly faults: number;
  /** Moments at which SIGKILL struck, and the processes that it ended. */
  readonly kills: number;
  readonly nodesKilled: number;
  readonly leaseReads: number;
  readonly operations: number;
  readonly acknowledgedWrites: number;
  readonly unknownOutcomes: number;
  readonly countersExact: boolean | null;
  readonly replicasAgree: boolean | null;
  /** What did not hold, in words; empty when ok. */
  readonly failures: readonly string[];
}

const clients = 10;
const countingClients = 2;
const settleMs = 1000;

export async function runScenario(
  { name, nodes, fault }: Scenario,
  options: ScenarioOptions,
): Promise<ScenarioResult> {
  const { folder, out, programs, processes, signal, seed, until, bug = null } = options;
  const { leaseReads = false } = fault;
  const history = join(out, `${name}.history.jsonl`);
  const counters = join(out, `${name}.counters.jsonl`);
  const log = join(out, `${name}.log`);
  const nodeIds = Array.from({ length: nodes }, (_, i) => `n${i + 1}`);
  const failures: string[] = [];
  const told: string[] = [];
  const began = performance.now();
  const say = (text: string): void => {
    const line = `${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${text}`;
    told.push(line);
    options.say(line);
  };
  for (const file of [history, counters, log]) await rm(file, { force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await mkdir(out, { recursive: true });

  let network: Network | null = null;
  let cluster: Cluster | null = null;
  let rounds = 0;
  let replicasAgree: boolean | null = null;
  try {
    if (fault.needsNetwork) {
      network = await makeNetwork(nodeIds);
      options.onNetwork(network);
    }
    const surroundings = { folder, programs, processes, network, say, signal };
    cluster = new Cluster({ ...surroundings, nodeIds, leaseReads, bug });
    await cluster.assemble();
    await cluster.startLoad({ history, counters, seed, clients, countingClients });
    say(`${nodes} nodes, ${clients + countingClients} clients; seed ${seed}`);
    await cluster.sleep(settleMs);
    const context = { cluster, prng: Prng.fromSeed(seed, name) };
    const beganMs = performance.now();
    const goesOn = (): boolean =>
      'kills' in until
        ? context.cluster.kills < until.kills
        : performance.now() < beganMs + until.seconds * 1000;
    for (; goesOn(); rounds++) await fault.round(context);
    say('no more faults; the clients read everything once more');
    await cluster.mend();
    await cluster.writesGoOn();
    await cluster.finishLoad();
    replicasAgree = await cluster.replicasAgree();
    if (!replicasAgree) failures.push('the replicas have applied the same log and hold different things');
    await cluster.stop();
  } catch (error) {
    signal.throwIfAborted();
    failures.push(ClusterError.is(error) ? error.message : describeError(error));
  } finally {
    processes.killAll();
    network?.remove();
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }

  const report = await judge(programs, history, counters, signal, failures);
  for (const failure of failures) say(`FAILED: ${failure}`);
  await writeFile(log, told.map((line) => `${line}\n`).join(''));
  return {
    name,
    ok: failures.length === 0,
    acknowledgedWritesLost: report?.acknowledgedWritesLost ?? null,
    linearizable: report?.linearizable ?? null,
    interruptionMs: report?.interruptionMs ?? null,
    history,
    seed,
    faults: rounds,
    kills: cluster?.kills ?? 0,
    nodesKilled: cluster?.nodesKilled ?? 0,
    leaseReads: cluster?.leaseReads ?? 0,
    operations: report?.operations ?? 0,
    acknowledgedWrites: report?.acknowledgedWrites ?? 0,
    unknownOutcomes: report?.unknownOutcomes ?? 0,
    countersExact: report && report.counters > 0 ? report.countersWrong.length === 0 : null,
    replicasAgree,
    failures,
  };
}

/** What speaks against the run goes to `failures`. */
async function judge(
  programs: Programs,
  history: string,
  counters: string,
  signal: AbortSignal,
  failures: string[],
): Promise<HistoryReport | null> {
  if (!existsSync(history)) {
    failures.push('there is no history');
    return null;
  }
  try {
    const files = existsSync(counters) ? [history, counters] : [history];
    const report = await runCheck(programs.checkHistory, files, signal);
    failures.push(...objectionsTo(report));
    if (report.acknowledgedWrites === 0) failures.push('no write was acknowledged');
    if (report.counters === 0) failures.push('nothing was counted');
    return report;
  } catch (error) {
    signal.throwIfAborted();
    failures.push(describeError(error));
    return null;
  }
}
