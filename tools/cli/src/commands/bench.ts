import { tmpdir } from 'node:os';
import type {
  BenchResult,
  SimBenchOptions,
  SimCostOptions,
  SwimBenchOptions,
  TransportBenchOptions,
} from '@cluster/bench';
import { Command } from 'commander';
import type { MakeCommand } from '../context.ts';
import { chosenFrom, integer, integers, usageError, words } from '../usage.ts';
import { notYet } from './later.ts';

const later = ['balancer'];

interface Options {
  readonly rounds?: number;
  readonly failover: number;
  readonly steady: number;
  readonly away: number;
  readonly restart: number;
  readonly clients?: readonly number[];
  readonly nodes?: number;
  readonly formed?: number;
  readonly seconds?: number;
  readonly standing?: number;
  readonly minutes?: number;
  readonly kills?: number;
  readonly cut?: number;
  readonly cases?: readonly string[];
  readonly peers?: readonly string[];
  readonly dir: string;
  readonly profile?: string;
  readonly quick?: boolean;
  readonly json?: boolean;
}

export const benchCommand: MakeCommand = ({ out, err }, done) =>
  new Command('bench')
    .description('ours beside the bare limit and the peers, interleaved in one run')
    .argument(
      '[benchmarks...]',
      'stepper, transport, raft, swim, sim, sim-cost; all there are when none is given',
    )
    .option('--rounds <n>', 'rounds that each contender runs', integer(1, 1000))
    .option('--quick', 'short runs, that show whether it works; their figures are worth little')
    .option(
      '--failover <n>',
      'raft: leaders killed, and as many whose network goes silent, of ours and of etcd',
      integer(0, 1000),
      0,
    )
    .option(
      '--steady <minutes>',
      'raft: how long ours is kept under full load, in which nobody may stand for election',
      integer(0, 10_000),
      0,
    )
    .option(
      '--away <entries>',
      'raft: in place of the load, a follower that is away for so many entries',
      integer(0, 100_000_000),
      0,
    )
    .option(
      '--restart <entries>',
      'raft: in place of the load, a start with so many entries in the log',
      integer(0, 100_000_000),
      0,
    )
    .option('--clients <list>', 'raft: how many clients at once, e.g. 1,8,64', integers(1, 10_000))
    .option('--nodes <n>', 'swim: members of each pool (100); sim: of the largest (1000)', integer(5, 1000))
    .option(
      '--formed <n>',
      'sim-cost: members of the pool in which everybody knows everybody from the start (2000)',
      integer(5, 20_000),
    )
    .option('--seconds <n>', 'sim-cost: how long it runs (60)', integer(1, 3600))
    .option(
      '--standing <n>',
      'sim-cost: members of the pool that starts with nobody knowing anybody (500)',
      integer(5, 20_000),
    )
    .option('--minutes <n>', 'swim: how long nothing happens (10)', integer(1, 10_000))
    .option('--kills <n>', 'members killed, of each pool: swim (20), sim (700)', integer(0, 10_000))
    .option('--cut <seconds>', 'swim: how long the partition lasts (40); 0: none', integer(0, 3600))
    .option(
      '--cases <list>',
      'transport: which of one-way, in-flight-64, in-flight-1, bulk-64KiB, bulk-1MiB, mixed, idle, stopped-reader',
      words,
    )
    .option('--peers <list>', 'transport: which peers beside raw TLS, e.g. net,http2; or none', words)
    .option('--dir <folder>', 'raft: where the logs are written', tmpdir())
    .option('--profile <folder>', 'transport, raft: where CPU profiles of ours go')
    .option('--json', 'end with one line of JSON per benchmark; tables go to standard error')
    .action(async (names: string[], options: Options) => {
      const { rounds, failover, steady, away, restart, clients, dir, profile, quick, json } = options;
      const bench = await import('@cluster/bench');
      const say = (line: string): void => err(`${line}\n`);
      const chosen = rounds === undefined ? {} : { rounds };
      const profiled = profile === undefined ? {} : { profile };
      const benches: Readonly<Record<string, () => BenchResult | Promise<BenchResult>>> = {
        stepper: () => bench.benchStepper({ ...bench.stepperDefaults, ...chosen }),
        transport: () =>
          bench.benchTransport(
            transportOptions(
              { ...(quick ? bench.transportQuick : bench.transportDefaults), ...chosen, ...profiled },
              bench.transportCases,
              options,
            ),
            say,
          ),
        raft: () =>
          bench.benchRaft(
            {
              ...(quick ? bench.raftQuick : bench.raftDefaults),
              ...chosen,
              ...profiled,
              ...(clients === undefined ? {} : { clients }),
              failover,
              steady,
              away,
              restart,
              folder: dir,
            },
            say,
          ),
        sim: () => bench.benchSim(simOptions(quick ? bench.simQuick : bench.simDefaults, options), say),
        'sim-cost': () =>
          bench.benchSimCost(
            simCostOptions(quick ? bench.simCostQuick : bench.simCostDefaults, options),
            say,
          ),
        swim: () => bench.benchSwim(swimOptions(quick ? bench.swimQuick : bench.swimDefaults, options), say),
      };
      const wanted = names.length === 0 ? Object.keys(benches) : names;
      for (const name of wanted) {
        if (later.includes(name)) throw notYet(`bench ${name}`);
        if (!Object.hasOwn(benches, name)) throw usageError(`There is no benchmark '${name}'`, 'bench');
      }
      let allHeld = true;
      for (const name of wanted) {
        const result = await (benches[name] as () => Promise<BenchResult>)();
        (json ? err : out)(bench.renderBench(result));
        if (json) out(`${JSON.stringify(result)}\n`);
        allHeld &&= result.expectations?.every(({ held }) => held) ?? true;
      }
      done(allHeld ? 0 : 1);
    });

const transportOptions = (
  base: TransportBenchOptions,
  all: readonly string[],
  { cases = base.cases, peers = base.peers }: Options,
): TransportBenchOptions => ({
  ...base,
  cases: chosenFrom(all, cases, 'case'),
  peers: chosenFrom(base.peers, peers, 'peer'),
});

const swimOptions = (
  base: SwimBenchOptions,
  { nodes = base.nodes, minutes, kills = base.kills, cut = base.cutSeconds }: Options,
): SwimBenchOptions => ({
  nodes,
  kills,
  cutSeconds: cut,
  idleSeconds: minutes === undefined ? base.idleSeconds : minutes * 60,
});

const simCostOptions = (
  base: SimCostOptions,
  {
    formed: size = base.formed.size,
    seconds: virtualSeconds = base.formed.virtualSeconds,
    standing = base.standing.size,
  }: Options,
): SimCostOptions => ({
  ...base,
  formed: { size, virtualSeconds },
  standing: { ...base.standing, size: standing },
});

const simOptions = (
  base: SimBenchOptions,
  { nodes = Infinity, kills = base.kills }: Options,
): SimBenchOptions => ({ ...base, kills, sizes: base.sizes.filter((size) => size <= nodes) });
