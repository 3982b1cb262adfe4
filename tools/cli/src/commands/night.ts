import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import type { MakeCommand } from '../context.ts';
import { nightCommands, type NightOptions, nightParts, runAsThis, runNight } from '../night.ts';
import { chosenFrom, integer } from '../usage.ts';

interface Options extends NightOptions {
  readonly jobs: number;
  readonly out: string;
  readonly json?: boolean;
}

export const nightCommand: MakeCommand = ({ out: write, err }, done) =>
  new Command('night')
    .description(
      "what takes hours: raft's seeds in the simulator, every scenario of the nemesis, and its kills",
    )
    .argument('[parts...]', `${nightParts.join(', ')}; all when none is given`)
    .option('--seeds <n>', "seeds of raft's world", integer(1, 1_000_000), 20_000)
    .option('--seconds <s>', 'how long faults go on in each scenario', integer(5, 3600), 60)
    .option('--kills <n>', 'moments at which SIGKILL strikes', integer(1, 100_000), 500)
    .option('--jobs <n>', 'simulations at a time', integer(1, 64), availableParallelism())
    .option('--out <folder>', 'where logs, traces and histories go', join('.cluster', 'night'))
    .option('--json', 'end with one line of JSON; all else goes to standard error')
    .action(async (names: string[], { jobs, out, json, ...options }: Options) => {
      const parts = chosenFrom(nightParts, names.length === 0 ? nightParts : names, 'part of a night');
      const chosen = nightCommands(options, out).filter(({ part }) => parts.includes(part));
      const say = (line: string): void => (json ? err : write)(`${line}\n`);
      const commands = await runNight(chosen, { out, jobs, run: runAsThis, say });
      const ok = commands.every((one) => one.ok);
      if (json) write(`${JSON.stringify({ ok, commands })}\n`);
      done(ok ? 0 : 1);
    });
