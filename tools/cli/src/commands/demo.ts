import { Command } from 'commander';
import type { MakeCommand } from '../context.ts';
import { integer } from '../usage.ts';

export const demoCommand: MakeCommand = (_context, done) =>
  new Command('demo')
    .description(
      'start a real cluster of processes on this machine, kill its leader under load, and see it recover',
    )
    .option('--nodes <n>', 'cluster nodes, 3 to 9', integer(3, 9), 5)
    .option('--seconds <s>', 'how long the load runs, 10 to 3600', integer(10, 3600), 20)
    .option('--keep', 'leave the cluster running until Ctrl-C, and say how to reach it')
    .option('--json', 'end with one line of JSON; all else goes to standard error')
    .action(async (options: { nodes: number; seconds: number; keep?: boolean; json?: boolean }) => {
      const { runDemo } = await import('@cluster/demo');
      done(await runDemo(options));
    });
