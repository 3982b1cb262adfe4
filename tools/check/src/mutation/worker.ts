/**
 * A process that keeps one vitest alive and runs one test file against one mutant at a time. Tests run in a thread of this
 * process, so that killing it ends a mutant that loops for ever.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createVitest, type Vitest } from 'vitest/node';
import { mutantPlugin } from './mutant-plugin.ts';
import type { Mutant } from './mutants.ts';
import type { MachineLogLine } from './xstate-mutant.ts';

export interface RunRequest {
  readonly file: string;
  readonly mutant: Mutant | null;
}

export interface RunReply {
  readonly ok: boolean;
  readonly durationMs: number;
  /** The first thing that failed. */
  readonly failure: string | undefined;
  /** The machines that the file created, as `package/id`. */
  readonly machines: readonly string[];
  readonly mutated: boolean;
  /** Why the mutant could not be made: a fault of the runner, not a kill. */
  readonly error: string | undefined;
}

const [root = '', machineLog = ''] = process.argv.slice(2);
// Snapshots are compared, never written.
process.env['CI'] = 'true';

const vitest = await createVitest(
  'test',
  {
    root,
    watch: false,
    pool: 'threads',
    maxWorkers: 1,
    fileParallelism: false,
    bail: 1,
    // Nothing to print: replies carry the result.
    reporters: [{}],
    silent: true,
    testTimeout: 15_000,
    hookTimeout: 15_000,
  },
  { plugins: [mutantPlugin(root)], logLevel: 'silent' },
);
await vitest.standalone();
vitest.provide('clusterMachineLog', machineLog);

process.on('message', (request: RunRequest) => {
  run(vitest, request).then(
    (reply) => process.send?.(reply),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.('ready');

async function run(runner: Vitest, { file, mutant }: RunRequest): Promise<RunReply> {
  writeFileSync(machineLog, '');
  runner.provide('clusterMutant', mutant);
  const startedMs = performance.now();
  const specifications = await runner.globTestSpecifications([file]);
  const exact = specifications.filter(({ moduleId }) => moduleId === file);
  const { testModules, unhandledErrors } = await runner.runTestSpecifications(exact, false);
  const durationMs = performance.now() - startedMs;
  const created = readFileSync(machineLog, 'utf8').split('\n').filter(Boolean);
  const lines = created.map((line) => JSON.parse(line) as MachineLogLine);
  const failures = [
    ...testModules.flatMap((testModule) => [
      ...testModule.errors(),
      ...[...testModule.children.allTests('failed')].flatMap((test) => test.result().errors ?? []),
    ]),
    ...unhandledErrors,
  ] as { message: string }[];
  return {
    ok: failures.length === 0 && testModules.length > 0 && testModules.every((testModule) => testModule.ok()),
    durationMs,
    failure: failures[0]?.message,
    machines: [...new Set(lines.map((line) => `${line.package}/${line.machine}`))],
    mutated: lines.some((line) => line.mutated),
    error: lines.find((line) => line.mutated && line.error !== undefined)?.error,
  };
}
