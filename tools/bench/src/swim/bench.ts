/**
 * What membership costs and how fast it is, on real sockets: a pool of ours on the project's defaults beside one of Serf's agents on
 * its lan profile, of the same size, with the same key and tags, each in a network of its own, at the same time on the same cores.
 *
 * First nothing happens for some minutes, and what each pool sends is counted by the kernel. Then members are killed, of each pool one
 * at a time; each comes back before the next goes. At last the cable between three fifths of the members and the rest is pulled for a
 * while.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from '@cluster/programs';
import { parseSwimConfig } from '@cluster/swim';
import { machine } from '../machine.ts';
import { hasCommand, Workplace } from '../process/workplace.ts';
import type { BenchResult } from '../result.ts';
import { CpuShare } from './cpu-share.ts';
import { membersOfProcess, OurPool } from './our-pool.ts';
import { nearOf, type PoolSettings, type Seat, seats, type TestPool } from './pool.ts';
import { PrivateNetwork } from './private-network.ts';
import { expectationsOf, type PoolFigures, swimRows } from './rows.ts';
import { SerfPool } from './serf-pool.ts';
import type { Detection } from './sightings.ts';
import { wallMs } from './sightings.ts';
import { minus } from './traffic.ts';

export interface SwimBenchOptions {
  readonly nodes: number;
  /** With nothing happening. */
  readonly idleSeconds: number;
  /** Members killed, of each pool. */
  readonly kills: number;
  /** How long the partition lasts; 0: there is none. */
  readonly cutSeconds: number;
}

export const swimDefaults: SwimBenchOptions = { nodes: 100, idleSeconds: 600, kills: 20, cutSeconds: 40 };
export const swimQuick: SwimBenchOptions = { nodes: 10, idleSeconds: 20, kills: 1, cutSeconds: 15 };

const settings: PoolSettings = {
  key: Buffer.alloc(32, 7).toString('base64'),
  tags: { role: 'database', dc: 'eu-1', rack: 'r7' },
};
// News of the start is gossiped for a while, and a member that has just joined is gossiped to.
const settleMs = 10_000;
const giveUpMs = 60_000;

/** @param say told what is under way. */
export function benchSwim(
  options: SwimBenchOptions,
  say: (line: string) => void = () => undefined,
): Promise<BenchResult> {
  const hasSerf = hasCommand('serf', 'version');
  if (!hasSerf && process.env['CI'] !== undefined)
    throw new Error('The peer serf is missing: it is not installed here.');
  return Workplace.use(async (place) => {
    const networks: PrivateNetwork[] = [];
    const shares: CpuShare[] = [];
    const removeAll = (): void => {
      for (const made of [...networks, ...shares]) made.remove();
    };
    process.once('exit', removeAll);
    try {
      const sides = { near: nearOf(options.nodes), far: options.nodes - nearOf(options.nodes) };
      for (const name of ['ours', ...(hasSerf ? ['serf'] : [])]) {
        networks.push(await PrivateNetwork.make(name, sides));
        shares.push(CpuShare.make(name));
      }
      return await new SwimBench(place, networks, shares, options, say).run();
    } finally {
      // Before their networks.
      await place.killAll();
      process.off('exit', removeAll);
      removeAll();
    }
  });
}

class SwimBench {
  readonly #place: Workplace;
  readonly #networks: readonly PrivateNetwork[];
  readonly #shares: readonly CpuShare[];
  readonly #options: SwimBenchOptions;
  readonly #say: (line: string) => void;
  readonly #seats: readonly Seat[];
  readonly #names: readonly string[];

  constructor(
    place: Workplace,
    networks: readonly PrivateNetwork[],
    shares: readonly CpuShare[],
    options: SwimBenchOptions,
    say: (line: string) => void,
  ) {
    this.#place = place;
    this.#networks = networks;
    this.#shares = shares;
    this.#options = options;
    this.#say = say;
    // Both pools have the same addresses, each in its own network.
    this.#seats = seats(networks[0] as PrivateNetwork, options.nodes, options.kills);
    this.#names = this.#seats.map(({ name }) => name);
  }

  async run(): Promise<BenchResult> {
    const { idleSeconds, kills, cutSeconds, nodes } = this.#options;
    const pools = await this.#pools();
    const figures = new Map<TestPool, PoolFigures>();
    for (const pool of pools) {
      this.#say(`${pool.name}: ${nodes} members start`);
      await pool.start();
      await this.#allAlive(pool, wallMs(), 'after the start');
      figures.set(pool, emptyFigures());
    }
    const of = (pool: TestPool): PoolFigures => figures.get(pool) as PoolFigures;
    await pause(settleMs);
    await this.#idle(pools, of, idleSeconds);
    const victims = this.#seats.filter(({ isVictim }) => isVictim).map(({ name }) => name);
    await Promise.all(
      pools.map(async (pool) => {
        for (const [i, victim] of victims.entries()) {
          this.#say(`${pool.name}: kill ${i + 1} of ${kills}: ${victim}`);
          await this.#kill(pool, victim, of(pool));
        }
      }),
    );
    if (cutSeconds > 0) await this.#partition(pools, of, cutSeconds);
    const [ours, serf] = pools.map(of);
    const isShared = this.#shares.every(({ isHeld }) => isHeld);
    const notes = [
      ...(serf === undefined ? ['1 peer skipped: serf, for it is not installed here.'] : []),
      ...(isShared
        ? []
        : ['The processors were not shared evenly: no control group for them can be made here.']),
    ];
    return {
      name: 'swim',
      config: {
        ...this.#options,
        membersOfProcess,
        near: nearOf(nodes),
        tags: settings.tags,
        encryption: 'AES-256-GCM',
        equalCpuShares: isShared,
        serf: 'profile lan',
        machine: machine(),
        ours: { ...parseSwimConfig({ name: 'n0' }) },
      },
      rows: swimRows(ours as PoolFigures, serf ?? null, this.#options),
      expectations: expectationsOf(ours as PoolFigures, serf ?? null, this.#options),
      ...(notes.length > 0 ? { notes } : {}),
    };
  }

  async #pools(): Promise<readonly TestPool[]> {
    const [ours, serf] = this.#networks;
    const [share, serfShare] = this.#shares as readonly [CpuShare, CpuShare?];
    const { node } = await bundle({
      programs: { node: fileURLToPath(new URL('./node-program.ts', import.meta.url)) },
      outdir: join(this.#place.folder, 'programs'),
    });
    const pools: TestPool[] = [
      new OurPool(this.#place, node, ours as PrivateNetwork, share, this.#seats, settings),
    ];
    if (serf !== undefined && serfShare !== undefined)
      pools.push(new SerfPool(this.#place, serf, serfShare, this.#seats, settings));
    return pools;
  }

  async #idle(
    pools: readonly TestPool[],
    of: (pool: TestPool) => PoolFigures,
    seconds: number,
  ): Promise<void> {
    this.#say(`nothing happens for ${seconds} s`);
    const fromMs = wallMs();
    const begun = await Promise.all(
      pools.map(async (pool) => ({
        traffic: await pool.network.traffic(),
        usage: await pool.usage(),
        atMs: wallMs(),
      })),
    );
    await pause(seconds * 1000);
    for (const [i, pool] of pools.entries()) {
      const { traffic, usage, atMs } = begun[i] as (typeof begun)[number];
      const now = await pool.usage();
      const elapsedMs = wallMs() - atMs;
      await pool.look();
      const seen = pool.sightings.since(fromMs);
      of(pool).idle = {
        seconds: elapsedMs / 1000,
        traffic: minus(await pool.network.traffic(), traffic),
        cpuShare: (now.cpuMs - usage.cpuMs) / elapsedMs / now.members,
        residentKib: now.residentKib / now.members,
        residentAloneKib: await this.#alone(pool),
        suspicions: seen.filter(({ kind }) => kind === 'suspect').length,
        falseDeaths: seen.filter(({ kind }) => kind === 'dead' || kind === 'left').length,
      };
    }
  }

  async #alone(pool: TestPool): Promise<number | null> {
    const usage = await pool.usageAlone();
    return usage === null ? null : usage.residentKib / usage.members;
  }

  async #kill(pool: TestPool, victim: string, figures: PoolFigures): Promise<void> {
    const survivors = this.#names.filter((name) => name !== victim);
    await pool.look();
    const killedMs = wallMs();
    await pool.kill(victim);
    let detection: Detection;
    do {
      await pause(200);
      await pool.look();
      detection = pool.sightings.detection(victim, survivors, killedMs);
    } while (detection.allDeadMs === null && wallMs() - killedMs < giveUpMs);
    figures.kills.push(detection);
    const wronged = pool.sightings
      .since(killedMs)
      .filter(({ kind, member }) => kind === 'dead' && member !== victim);
    figures.falseDeathsAtKills += wronged.length;
    const restartedMs = wallMs();
    await pool.restart(victim);
    figures.rejoinsMs.push(await this.#allAlive(pool, restartedMs, `after ${victim} came back`));
  }

  async #partition(
    pools: readonly TestPool[],
    of: (pool: TestPool) => PoolFigures,
    seconds: number,
  ): Promise<void> {
    this.#say(`the cable is pulled for ${seconds} s`);
    const cutMs = wallMs();
    await Promise.all(pools.map((pool) => pool.network.cut()));
    await pause(seconds * 1000);
    for (const pool of pools) await pool.look();
    for (const pool of pools) {
      const sideOf = new Map(this.#seats.map(({ name, side }) => [name, side]));
      of(pool).falseDeathsAtCut = pool.sightings
        .since(cutMs)
        .filter(
          ({ kind, member, observer }) => kind === 'dead' && sideOf.get(member) === sideOf.get(observer),
        ).length;
      of(pool).apart = pool.sightings.missing(this.#names, this.#names);
    }
    const mendedMs = wallMs();
    await Promise.all(pools.map((pool) => pool.network.mend()));
    await Promise.all(
      pools.map(async (pool) => {
        of(pool).healedMs = await this.#allAlive(pool, mendedMs, 'after the partition');
      }),
    );
  }

  /** When the last member came to hold all for alive, counted from `fromMs`; null: not within a minute. */
  async #allAlive(pool: TestPool, fromMs: number, when: string): Promise<number | null> {
    while (wallMs() - fromMs < giveUpMs) {
      await pool.look();
      if (pool.sightings.agreeAlive(this.#names, this.#names)) {
        const tookMs = pool.sightings.lastAliveMs(this.#names, fromMs) - fromMs;
        this.#say(`${pool.name}: all hold all for alive ${when}, within ${Math.round(tookMs)} ms`);
        return tookMs;
      }
      await pause(200);
    }
    const missing = pool.sightings.missing(this.#names, this.#names);
    this.#say(`${pool.name}: ${missing} pairs are not alive to each other ${when}`);
    return null;
  }
}

const emptyFigures = (): PoolFigures => ({
  idle: null,
  kills: [],
  rejoinsMs: [],
  falseDeathsAtKills: 0,
  falseDeathsAtCut: 0,
  apart: 0,
  healedMs: null,
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
