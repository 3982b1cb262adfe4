import { Command } from 'commander';
import type { MakeCommand } from '../context.ts';
import { integer } from '../usage.ts';

interface Options {
  readonly seconds: number;
  readonly json?: boolean;
}

export const interopCommand: MakeCommand = ({ out, err }, done) =>
  new Command('interop')
    .description('five members of ours and five real Serf agents in one pool, plain and encrypted')
    .option('--seconds <n>', 'how long nothing happens, and nobody may be suspected', integer(1, 86_400), 60)
    .option('--json', 'end with one line of JSON; all else goes to standard error')
    .action(async ({ seconds, json }: Options) => {
      const { runInterop } = await import('@cluster/bench');
      const say = json ? err : out;
      const result = await runInterop({ quietSeconds: seconds }, (line) => say(`${line}\n`));
      if (json) out(`${JSON.stringify(result)}\n`);
      done(result.ok ? 0 : 1);
    });
