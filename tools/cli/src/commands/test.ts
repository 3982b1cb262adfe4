import { Command } from 'commander';
import type { MakeCommand } from '../context.ts';

interface Options {
  readonly name?: string;
  readonly update?: boolean;
  readonly check: boolean;
  readonly json?: boolean;
}

export const testCommand: MakeCommand = ({ out, err }, done) =>
  new Command('test')
    .description('run everything the everyday CI checks: format, lint, import rules, types, and all tests')
    .argument('[files...]', 'only test files whose path contains one of these')
    .option('-t, --name <pattern>', 'only tests whose name matches this regular expression')
    .option('-u, --update', 'rewrite recorded scripts and snapshots instead of comparing with them')
    .option('--no-check', 'only the tests, without the checks')
    .option('--json', 'end with one line of JSON; all else goes to standard error')
    .action(async (files: string[], { name, update, check, json }: Options) => {
      const { runTests } = await import('@cluster/check');
      const counts = await runTests({
        files,
        check,
        ...(name === undefined ? {} : { name }),
        ...(update === undefined ? {} : { update }),
        ...(json ? { print: (line) => err(`${line}\n`) } : {}),
      });
      if (json) out(`${JSON.stringify(counts)}\n`);
      done(counts.failed === 0 ? 0 : 1);
    });
