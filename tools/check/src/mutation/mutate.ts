/**
 * The mutation run: for each exported machine, every mutant against the behaviour tests that create the machine.
 *
 * First each test file runs once unchanged; it must pass, and says which machines it creates and how long it takes. Then
 * a mutant meets the files one by one, those that killed most so far and are quickest first, until one fails. No source is
 * rewritten (see xstate-mutant.ts), and a worker keeps its vitest: a run costs a fifth of a second.
 */
import { availableParallelism } from 'node:os';
import { relative } from 'node:path';
import { exportedMachines } from '../machines.ts';
import { workspaceRoot } from '../workspace.ts';
import { behaviourTests } from './behaviour-tests.ts';
import { type Mutant, mutantsOf } from './mutants.ts';
import type { MutationWorker } from './mutation-worker.ts';
import { justifiedSurvivors } from './survivors.ts';
import { WorkerPool } from './worker-pool.ts';

export interface MutateOptions {
  readonly root?: string;
  /** Packages (`swim`) or machines (`swim/swim.probe`). Default: all. */
  readonly only?: readonly string[];
  /** Processes at work. Default: one per core. */
  readonly workers?: number;
  /** A test file slower than this is no test of a machine's behaviour, and is left out. Default: 15 000. */
  readonly slowFileMs?: number;
  /** A run that lasts longer, and five times longer than without a mutant, is killed and counts as a kill. Default: 20 000. */
  readonly hangMs?: number;
  readonly print?: (line: string) => void;
}

export interface Survivor {
  readonly mutant: string;
  /** Why it may survive; undefined when nobody has said so. */
  readonly reason: string | undefined;
}

export interface MachineRow {
  readonly machine: string;
  readonly mutants: number;
  readonly survived: number;
}

export interface MutationResult {
  readonly mutants: number;
  readonly killed: number;
  readonly survivors: readonly Survivor[];
  /** Accepted as survivors, but killed or no longer there: the list is out of date. */
  readonly outdated: readonly string[];
  readonly machines: readonly MachineRow[];
  readonly ok: boolean;
}

/** A test file as the unchanged run found it. */
interface Witness {
  readonly file: string;
  readonly durationMs: number;
  readonly machines: ReadonlySet<string>;
  kills: number;
}

const baselineTimeoutMs = 300_000;

/** @throws Error when a test fails without any mutant, or a mutant cannot be made. */
export async function runMutation(options: MutateOptions = {}): Promise<MutationResult> {
  const { root = workspaceRoot(), only, print = () => {}, slowFileMs = 15_000, hangMs = 20_000 } = options;
  const isWanted = (name: string, machine: string): boolean =>
    only === undefined || only.includes(name) || only.includes(`${name}/${machine}`);
  const packages = only?.map((name) => name.split('/')[0]);
  const exported = await exportedMachines(root, (name) => packages?.includes(name) ?? true);
  const wanted = exported.filter(({ package: name, machine }) => isWanted(name, machine.id));
  if (wanted.length === 0) throw new RangeError(`no machine matches ${only?.join(', ') ?? 'the workspace'}`);
  const mutants = wanted.flatMap(({ package: name, machine }) => mutantsOf(name, machine));
  const files = [...new Set(wanted.flatMap(({ package: name }) => behaviourTests(root, name)))];
  using pool = new WorkerPool(root, options.workers ?? availableParallelism());

  const all = await baseline(pool, root, files);
  const witnesses = all.filter(({ durationMs }) => durationMs <= slowFileMs);
  for (const { file } of all.filter((witness) => !witnesses.includes(witness)))
    print(`left out, too slow: ${relative(root, file)}`);
  print(`${mutants.length} mutants of ${wanted.length} machines against ${witnesses.length} test files`);
  const survived = new Set<string>();
  await pool.each(mutants, async (mutant, worker) => {
    if (!(await isKilled(mutant, witnesses, worker, hangMs))) survived.add(mutant.id);
  });
  return judge(root, mutants, survived, only === undefined);
}

/** Runs each file unchanged and keeps those that create a machine. */
async function baseline(pool: WorkerPool, root: string, files: readonly string[]): Promise<Witness[]> {
  const witnesses: Witness[] = [];
  await pool.each(files, async (file, worker) => {
    const reply = await worker.run({ file, mutant: null }, baselineTimeoutMs);
    if (reply === 'timeout' || !reply.ok) {
      const why = reply === 'timeout' ? 'it does not end' : reply.failure;
      throw new Error(`${relative(root, file)} fails without any mutant, mend it first: ${why}`);
    }
    const { durationMs, machines } = reply;
    if (machines.length > 0) witnesses.push({ file, durationMs, machines: new Set(machines), kills: 0 });
  });
  return witnesses;
}

async function isKilled(
  mutant: Mutant,
  witnesses: readonly Witness[],
  worker: MutationWorker,
  hangMs: number,
): Promise<boolean> {
  const machine = `${mutant.package}/${mutant.machine}`;
  const fitting = witnesses.filter(({ machines }) => machines.has(machine));
  for (const witness of fitting.toSorted((a, b) => b.kills - a.kills || a.durationMs - b.durationMs)) {
    const timeoutMs = Math.max(hangMs, 5 * witness.durationMs);
    const reply = await worker.run({ file: witness.file, mutant }, timeoutMs);
    if (reply !== 'timeout') {
      if (reply.error !== undefined) throw new Error(reply.error);
      if (reply.ok) continue;
    }
    witness.kills++;
    return true;
  }
  return false;
}

function judge(
  root: string,
  mutants: readonly Mutant[],
  survived: ReadonlySet<string>,
  isWhole: boolean,
): MutationResult {
  const reasons = justifiedSurvivors(root);
  const ids = new Set(mutants.map(({ id }) => id));
  // Asked for a part, say nothing of the rest.
  const outdated = [...reasons.keys()].filter((id) => !survived.has(id) && (isWhole || ids.has(id)));
  const survivors = mutants
    .filter(({ id }) => survived.has(id))
    .map(({ id }) => ({ mutant: id, reason: reasons.get(id) }));
  return {
    mutants: mutants.length,
    killed: mutants.length - survivors.length,
    survivors,
    outdated,
    machines: machineRows(mutants, survived),
    ok: outdated.length === 0 && survivors.every(({ reason }) => reason !== undefined),
  };
}

function machineRows(mutants: readonly Mutant[], survived: ReadonlySet<string>): MachineRow[] {
  const machineOf = (mutant: Mutant): string => `${mutant.package}/${mutant.machine}`;
  return [...new Set(mutants.map(machineOf))].map((machine) => {
    const own = mutants.filter((mutant) => machineOf(mutant) === machine);
    return { machine, mutants: own.length, survived: own.filter(({ id }) => survived.has(id)).length };
  });
}
