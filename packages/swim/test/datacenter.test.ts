/** Two datacenters in the simulated world: a pool each, and one between them. */
import { World } from '@cluster/sim';
import {
  diskPeers,
  FloodJoin,
  type MemberHappening,
  parseDatacenterConfig,
  parseQuorumConfig,
  parseSwimConfig,
  type PartitionHappening,
  QuorumEngine,
  SwimEngine,
  withWanAddress,
} from '@cluster/swim';
import { formatAddress, silentLogger } from '@cluster/core';
import { describe, expect, it } from 'vitest';

interface Node {
  readonly lan: SwimEngine;
  readonly wan: SwimEngine;
  readonly flood: FloodJoin;
  readonly quorum: QuorumEngine;
}

const [lanPort, wanPort] = [8301, 8302];

class Sites {
  readonly world: World;
  readonly nodes = new Map<string, Node>();
  readonly happened: { on: string; pool: 'lan' | 'wan'; event: MemberHappening }[] = [];
  /** What quorum at home made of it all. */
  readonly verdicts: string[] = [];
  readonly sites = [
    ['a1', 'a2', 'a3'],
    ['b1', 'b2', 'b3'],
  ] as const;

  readonly #keeps: boolean;

  /** @param keeps over a restart whom they know in the pool between datacenters. */
  constructor(seed: number, { keeps = false } = {}) {
    this.#keeps = keeps;
    this.world = new World({ seed });
    for (const [at, site] of this.sites.entries())
      for (const name of site) this.#spawn(name, at === 0 ? 'east' : 'west', site[0]);
    // Once, by one member, through one member.
    this.world.after(1000, () => this.joinWan('a2', 'b1'));
  }

  joinWan(name: string, through: string): void {
    const seed = { host: this.world.addressOf(through), port: wanPort };
    this.node(name).flood.remember([seed]);
    this.node(name).wan.join([seed], () => undefined);
  }

  node(name: string): Node {
    return this.nodes.get(name) as Node;
  }

  get names(): readonly string[] {
    return this.sites.flat();
  }

  #spawn(name: string, datacenter: string, first: string): void {
    this.world.spawn(name, (ports) => {
      const { host, clock } = ports;
      const pool = (port: number): { bind: { host: string; port: number } } => ({ bind: { host, port } });
      const config = parseDatacenterConfig({
        name,
        datacenter,
        floodPeriodMs: 2000,
        lan: { preset: 'lan', ...pool(lanPort) },
        wan: pool(wanPort),
      });
      const peers = this.#keeps ? diskPeers(ports.disk, 'wan') : undefined;
      const wan = new SwimEngine(parseSwimConfig(config.wan), { ...ports, peers });
      const address = formatAddress({ host, port: wanPort });
      const lan = new SwimEngine(parseSwimConfig(withWanAddress(config.lan, address)), ports);
      const { floodPeriodMs: periodMs } = config;
      const flood = new FloodJoin({ datacenter, clock, logger: silentLogger, lan, wan, periodMs });
      lan.onEvent((event) => this.happened.push({ on: name, pool: 'lan', event }));
      wan.onEvent((event) => this.happened.push({ on: name, pool: 'wan', event }));
      const quorum = new QuorumEngine(parseQuorumConfig({ name, strategy: 'keep-majority' }), {
        clock,
        boot: '1',
        membership: lan,
        owner: { standDown: (reason) => void this.verdicts.push(`${name} ${reason}`) },
      });
      quorum.onEvent(({ type }: PartitionHappening) => void this.verdicts.push(`${name} ${type}`));
      wan.start(() =>
        lan.start(() => {
          flood.start();
          quorum.start();
          // The first of a datacenter is there before the others.
          const join = (): void => {
            const seed = { host: this.world.addressOf(first), port: lanPort };
            if (name !== first) lan.join([seed], ({ ok }) => void (ok || clock.setTimer(200, join)));
          };
          clock.setTimer(100, join);
        }),
      );
      this.nodes.set(name, { lan, wan, flood, quorum });
      return {
        stop: () => {
          quorum.stop();
          flood.stop();
          lan.stop();
          wan.stop();
        },
      };
    });
  }

  /** Names that a member of a pool believes alive, sorted. */
  alive(name: string, pool: 'lan' | 'wan'): string {
    const members = this.node(name)[pool].members();
    return members
      .filter(({ state }) => state === 'Alive')
      .map((member) => member.name)
      .toSorted()
      .join(' ');
  }

  get isWhole(): boolean {
    return this.names.every((name) => this.alive(name, 'wan') === everybody);
  }
}

const everybody = 'a1.east a2.east a3.east b1.west b2.west b3.west';

describe('datacenters', () => {
  it('meet, all members of each, after one of them has joined one of the other', () => {
    const sites = new Sites(1);
    expect(sites.world.runWhileNot(() => sites.isWhole, 20_000)).toBe(true);
    for (const name of ['a1', 'a2', 'a3']) expect(sites.alive(name, 'lan')).toBe('a1 a2 a3');
    for (const name of ['b1', 'b2', 'b3']) expect(sites.alive(name, 'lan')).toBe('b1 b2 b3');
    expect(
      sites
        .node('a1')
        .wan.members()
        .map(({ tags }) => tags['dc'] ?? '')
        .toSorted(),
    ).toEqual(['east', 'east', 'east', 'west', 'west', 'west']);
  });

  it('cut off from each other for five minutes suspect nobody at home, down nobody, and meet again', () => {
    const sites = new Sites(2);
    const { world } = sites;
    expect(world.runWhileNot(() => sites.isWhole, 20_000)).toBe(true);
    sites.happened.length = 0;
    sites.verdicts.length = 0;
    world.partition(sites.sites);
    world.runFor(300_000);
    expect(sites.verdicts).toEqual([]);
    expect(sites.names.filter((name) => sites.node(name).quorum.holdsQuorum)).toEqual(sites.names);
    expect(sites.happened.filter(({ pool }) => pool === 'lan')).toEqual([]);
    expect(sites.alive('a1', 'wan')).toBe('a1.east a2.east a3.east');
    expect(sites.alive('b3', 'wan')).toBe('b1.west b2.west b3.west');
    const ofHome = sites.happened.filter(
      ({ on, pool, event }) => pool === 'wan' && event.member.name.startsWith(on.slice(0, 1)),
    );
    expect(ofHome.filter(({ event }) => event.type === 'Dead')).toEqual([]);
    world.heal();
    expect(world.runWhileNot(() => sites.isWhole, 300_000)).toBe(true);
  });

  it('that have forgotten each other meet again through the seeds', () => {
    const sites = new Sites(4);
    const { world } = sites;
    expect(world.runWhileNot(() => sites.isWhole, 20_000)).toBe(true);
    // Both start anew while they cannot meet: nothing is remembered, and an operator has given the seed once more.
    world.partition(sites.sites);
    for (const name of sites.names) world.crash(name);
    for (const name of sites.names) world.restart(name);
    world.runFor(1000);
    sites.joinWan('a3', 'b2');
    world.runFor(60_000);
    expect(sites.alive('a1', 'wan')).toBe('a1.east a2.east a3.east');
    world.heal();
    expect(world.runWhileNot(() => sites.isWhole, 60_000)).toBe(true);
  });

  it('that have all restarted while they were cut off meet again by those known before', () => {
    const sites = new Sites(5, { keeps: true });
    const { world } = sites;
    expect(world.runWhileNot(() => sites.isWhole, 20_000)).toBe(true);
    world.runFor(1000);
    world.partition(sites.sites);
    for (const name of sites.names) world.crash(name);
    for (const name of sites.names) world.restart(name);
    world.runFor(30_000);
    expect(sites.alive('a1', 'wan')).toBe('a1.east a2.east a3.east');
    world.heal();
    expect(world.runWhileNot(() => sites.isWhole, 120_000)).toBe(true);
  });

  it('take no address for one that is none', () => {
    const joined: unknown[] = [];
    const member = (name: string, wan?: string) => ({
      name,
      address: { host: '10.0.0.1', port: 1 },
      state: 'Alive' as const,
      incarnation: 1,
      tags: { dc: 'east', ...(wan === undefined ? {} : { wan }) },
      lastSeenMs: 0,
      stateChangedMs: 0,
    });
    const lan = { members: () => [member('a'), member('b', 'nowhere'), member('c', '10.0.0.3:8302')] };
    const wan = { members: () => [member('a.east')], join: (seeds: unknown) => void joined.push(seeds) };
    const clock = { nowMs: () => 0, setTimer: () => ({ cancel: () => undefined }) };
    new FloodJoin({ datacenter: 'east', clock, logger: silentLogger, lan, wan, periodMs: 1000 }).start();
    expect(joined).toEqual([[{ host: '10.0.0.3', port: 8302 }]]);
  });

  it('need names that are parts of names', () => {
    expect(() => parseDatacenterConfig({ name: 'a.b', datacenter: 'east' })).toThrow(/name/);
    const { lan, wan } = parseDatacenterConfig({ name: 'a', datacenter: 'east', wan: { label: 'mine' } });
    expect([lan.name, lan.label, wan.name, wan.label, wan.preset]).toEqual([
      'a',
      'lan.east',
      'a.east',
      'mine',
      'wan',
    ]);
  });
});
