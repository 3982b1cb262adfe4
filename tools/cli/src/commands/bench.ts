import type { BenchResult } from '@cluster/bench';
import { Command } from 'commander';
import type { MakeCommand } from '../context.ts';
import { integer, usageError } from '../usage.ts';
import { notYet } from './later.ts';

const later = ['transport', 'swim', 'raft', 'balancer', 'sim'];

export const benchCommand: MakeCommand = ({ out, err }, done) =>
  new Command('bench')
    .description('ours beside the bare limit and the peers, interleaved in one run')
    .argument('[benchmarks...]', 'stepper; all there are when none is given')
    .option('--rounds <n>', 'rounds that each contender runs', integer(1, 1000))
    .option('--json', 'end with one line of JSON per benchmark; tables go to standard error')
    .action(async (names: string[], { rounds, json }: { rounds?: number; json?: boolean }) => {
      const { benchStepper, renderBench, stepperDefaults } = await import('@cluster/bench');
      const benches: Readonly<Record<string, () => BenchResult>> = {
        stepper: () => benchStepper({ ...stepperDefaults, ...(rounds === undefined ? {} : { rounds }) }),
      };
      const wanted = names.length === 0 ? Object.keys(benches) : names;
      for (const name of wanted) {
        if (later.includes(name)) throw notYet(`bench ${name}`);
        if (!Object.hasOwn(benches, name)) throw usageError(`There is no benchmark '${name}'`, 'bench');
      }
      for (const name of wanted) {
        const result = (benches[name] as () => BenchResult)();
        (json ? err : out)(renderBench(result));
        if (json) out(`${JSON.stringify(result)}\n`);
      }
      done(0);
    });
