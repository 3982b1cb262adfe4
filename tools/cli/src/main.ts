import { checkSteps, runCheck, runTests, writeDiagrams, workspaceRoot } from '@cluster/check';
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

try {
  await program.parseAsync();
} catch (error) {
  const wrongUsage = error instanceof CommanderError || error instanceof RangeError;
  if (!(error instanceof CommanderError)) process.stderr.write(`error: ${String(error)}\n`);
  process.exitCode = error instanceof CommanderError && error.exitCode === 0 ? 0 : wrongUsage ? 2 : 1;
}
