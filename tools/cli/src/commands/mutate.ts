import { Command } from 'commander';
import type { MakeCommand } from '../context.ts';
import { integer } from '../usage.ts';

export const mutateCommand: MakeCommand = ({ out, err }, done) =>
  new Command('mutate')
    .description(
      'delete and redirect every transition of every machine: a behaviour test must fail each time',
    )
    .argument('[machines...]', 'packages (swim) or machines (swim/swim.probe); all when none is given')
    .option('--workers <n>', 'processes at work; one per core when not given', integer(1, 256))
    .option('--json', 'end with one line of JSON; all else goes to standard error')
    .action(async (only: string[], { workers, json }: { workers?: number; json?: boolean }) => {
      const { reportLines, runMutation } = await import('@cluster/check');
      const result = await runMutation({
        print: (line) => err(`${line}\n`),
        ...(only.length > 0 ? { only } : {}),
        ...(workers === undefined ? {} : { workers }),
      });
      for (const line of reportLines(result)) (json ? err : out)(`${line}\n`);
      if (json) out(`${JSON.stringify(result)}\n`);
      done(result.ok ? 0 : 1);
    });
