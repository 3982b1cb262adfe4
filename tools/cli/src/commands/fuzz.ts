import { Command } from 'commander';
import type { MakeCommand } from '../context.ts';
import { integer, usageError } from '../usage.ts';

interface Options {
  readonly inputs: number;
  readonly seed: number;
  readonly json?: boolean;
}

export const fuzzCommand: MakeCommand = ({ out, err }, done) =>
  new Command('fuzz')
    .description('hostile bytes against every decoder and engine: nothing may throw, hang, grow or change')
    .argument('[targets...]', 'swim, transport, raft, raft-snapshots, manager; all when none is given')
    .option('--inputs <n>', 'inputs per target', integer(1, 1_000_000_000), 100_000)
    .option('--seed <n>', 'the same seed makes the same inputs', integer(0, 0xffff_ffff), 1)
    .option('--json', 'end with one line of JSON; all else goes to standard error')
    .action(async (names: string[], { inputs, seed, json }: Options) => {
      const { fuzzTargets, runFuzz } = await import('@cluster/fuzz');
      for (const name of names) {
        if (!fuzzTargets.some((target) => target.name === name))
          throw usageError(`There is nothing to fuzz called '${name}'`, 'fuzz');
      }
      const chosen = fuzzTargets.filter(({ name }) => names.length === 0 || names.includes(name));
      let toldMs = performance.now();
      const progress = (target: string, count: number): void => {
        if (performance.now() - toldMs < 5000) return;
        toldMs = performance.now();
        err(`${target}: ${count} of ${inputs}\n`);
      };
      const report = runFuzz(chosen, { inputs, seed, progress });
      const say = json ? err : out;
      for (const { name, inputs: fed, rejected, reached = {} } of report.targets) {
        say(`${name}: ${fed} inputs, ${rejected} rejected\n`);
        for (const [what, count] of Object.entries(reached)) say(`  ${what}: ${count}\n`);
      }
      for (const { target, input, problem } of report.failures)
        say(`FUZZ_CRASH: target ${target}, input ${input}, seed ${seed}: ${problem}\n`);
      say(`${report.crashes} crashes; at most ${report.peakMemoryMb} MB of memory.\n`);
      if (json) out(`${JSON.stringify(report)}\n`);
      done(report.crashes === 0 ? 0 : 1);
    });
