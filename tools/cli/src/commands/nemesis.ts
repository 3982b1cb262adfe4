import { Command } from 'commander';
import type { MakeCommand } from '../context.ts';
import { integer } from '../usage.ts';

interface Options {
  readonly seconds: number;
  readonly kills?: number;
  readonly out?: string;
  readonly seed?: number;
  readonly check?: string[];
  readonly json?: boolean;
}

export const nemesisCommand: MakeCommand = (_context, done) =>
  new Command('nemesis')
    .description('real processes under kills, stops and partitions, judged by the histories of their clients')
    .argument('[scenarios...]', 'kill-leader, partition-5, ...; all when none is given')
    .option('--seconds <s>', 'how long faults go on in each, 5 to 3600', integer(5, 3600), 20)
    .option(
      '--kills <n>',
      'in place of a time: until SIGKILL has struck at so many moments in each (without names: in all that kill)',
      integer(1, 100_000),
    )
    .option('--out <folder>', 'where histories go (default: .cluster/nemesis)')
    .option('--seed <n>', 'which faults come when (default: drawn)', integer(0, 0x7fff_ffff))
    .option('--check <files...>', 'judge histories that were written before, and start nothing')
    .option('--json', 'end with one line of JSON; all else goes to standard error')
    .action(async (scenarios: string[], options: Options) => {
      const { runNemesis } = await import('@cluster/nemesis');
      done(await runNemesis({ ...options, scenarios }));
    });
