import {
  checkSteps,
  reportLines,
  runCheck,
  runMutation,
  runTests,
  writeDiagrams,
  workspaceRoot,
} from '@cluster/check';
import { Command, CommanderError } from 'commander';

const program = new Command('cluster').exitOverride().showHelpAfterError();

program
  .command('check')
  .description(`look at the sources without running them: ${checkSteps.map((step) => step.name).join(', ')}`)
  .argument('[steps...]', 'only these steps')
  .action(async (steps: string[]) => {
    const reports = await runCheck(steps.length > 0 ? { only: steps } : {});
    process.exitCode = reports.every((report) => report.ok) ? 0 : 1;
  });

program
  .command('test')
  .description('run the checks and all tests; the last line counts them')
  .argument('[files...]', 'only test files whose path contains one of these')
  .option('-t, --name <pattern>', 'only tests whose name matches this regular expression')
  .option('-u, --update', 'rewrite recorded scripts and snapshots')
  .option('--no-check', 'tests only')
  .action(async (files: string[], options: { name?: string; update?: boolean; check: boolean }) => {
    const counts = await runTests({ files, ...options });
    process.exitCode = counts.failed === 0 ? 0 : 1;
  });

program
  .command('diagrams')
  .description('write docs/diagrams from the machines')
  .action(async () => {
    for (const { file, problem } of await writeDiagrams(workspaceRoot()))
      process.stdout.write(`${problem === 'orphaned' ? 'removed' : 'wrote'} ${file}\n`);
  });

program
  .command('mutate')
  .description('delete and redirect each transition of each machine; a test must notice')
  .argument('[machines...]', 'packages (swim) or machines (swim/probe); all by default')
  .option('--workers <count>', 'processes at work; one per core by default', Number)
  .option('--json', 'the last line of standard output is one JSON object; the rest goes to standard error')
  .action(async (only: string[], options: { workers?: number; json?: boolean }) => {
    const print = (line: string): void =>
      void (options.json === true ? process.stderr : process.stdout).write(`${line}\n`);
    const result = await runMutation({
      ...(only.length > 0 ? { only } : {}),
      ...(options.workers === undefined ? {} : { workers: options.workers }),
      print,
    });
    for (const line of reportLines(result)) print(line);
    if (options.json === true) {
      const { mutants, killed, survivors, outdated } = result;
      process.stdout.write(`${JSON.stringify({ mutants, killed, survivors, outdated })}\n`);
    }
    process.exitCode = result.ok ? 0 : 1;
  });

try {
  await program.parseAsync();
} catch (error) {
  const wrongUsage = error instanceof CommanderError || error instanceof RangeError;
  if (!(error instanceof CommanderError))
    process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof CommanderError && error.exitCode === 0 ? 0 : wrongUsage ? 2 : 1;
}
