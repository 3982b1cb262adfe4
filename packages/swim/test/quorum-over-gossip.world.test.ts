/** Whole members with quorum on top, under the strategies that ask gossip who is there. */
import type { Clock } from '@cluster/core';
import { World } from '@cluster/sim';
import {
  fixedRoster,
  LeaseLedger,
  type LeasePort,
  type MembershipEvent,
  type QuorumConfigInput,
  type QuorumEngine,
  type QuorumPorts,
  Swim,
} from '@cluster/swim';
import { describe, expect, it } from 'vitest';

const port = 7946;
const outlastMs = 5500;

/** Lets promises that are due settle: the world's time stands still meanwhile. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class Members {
  readonly world = new World({ seed: 1 });
  readonly names: readonly string[];
  readonly quorums = new Map<string, QuorumEngine>();
  readonly acts: string[] = [];
  /** What each member's stream of events says, in its order. */
  readonly told = new Map<string, string[]>();
  readonly #swims: Swim[] = [];

  private constructor(size: number) {
    this.names = Array.from({ length: size }, (_, i) => `n${i + 1}`);
  }

  static async start(
    size: number,
    quorum: Omit<QuorumConfigInput, 'name'>,
    portsOf: (members: Members) => Partial<QuorumPorts> = () => ({}),
  ): Promise<Members> {
    const members = new Members(size);
    const ports = portsOf(members);
    for (const name of members.names) await members.#start(name, quorum, ports);
    members.world.runFor(10_000);
    await settle();
    for (const events of members.told.values()) events.length = 0;
    return members;
  }

  async stop(): Promise<void> {
    for (const swim of this.#swims) await this.#until(swim.stop());
  }

  get holders(): readonly string[] {
    return this.names.filter((name) => this.quorums.get(name)?.holdsQuorum === true);
  }

  states(): readonly string[] {
    return this.names.map((name) => this.quorums.get(name)?.partition.replace('rostered.', '') ?? '');
  }

  async runFor(ms: number): Promise<void> {
    this.world.runFor(ms);
    await settle();
  }

  async #start(
    name: string,
    config: Omit<QuorumConfigInput, 'name'>,
    ports: Partial<QuorumPorts>,
  ): Promise<void> {
    let starting: Promise<Swim> | undefined;
    let clock: Clock | undefined;
    this.world.spawn(name, (given) => {
      clock = given.clock;
      starting = Swim.start({ name, bind: { host: given.host, port } }, given);
      return {};
    });
    const swim = await this.#until(starting as unknown as Promise<Swim>);
    this.#swims.push(swim);
    const told: string[] = [];
    this.told.set(name, told);
    void listen(swim, told);
    const owner = {
      standDown: (reason: string) => void this.acts.push(`${name} down ${reason}`),
      takeOver: (names: readonly string[]) => void this.acts.push(`${name} takes ${names.join()}`),
    };
    this.quorums.set(name, swim.quorum(config, { clock: clock as Clock, boot: '1', owner, ...ports }));
    if (name === 'n1') return;
    await this.#until(swim.join([`${this.world.addressOf('n1')}:${port}`]));
  }

  /** Lets time pass until it is there. */
  async #until<T>(promise: Promise<T>): Promise<T> {
    const state = { isDone: false };
    const done = promise.finally(() => (state.isDone = true));
    while (!state.isDone) await this.runFor(10);
    return done;
  }
}

async function listen(swim: Swim, told: string[]): Promise<void> {
  for await (const event of swim.events()) told.push(show(event));
}

const show = (event: MembershipEvent): string => {
  if ('missing' in event) return `${event.type} without ${event.missing.join() || 'nobody'}`;
  return 'member' in event && event.member !== null ? `${event.type} ${event.member.name}` : event.type;
};

/** One place that both sides of every cut reach. */
const outside = ({ world, names }: Members): Partial<QuorumPorts> => {
  const ledger = new LeaseLedger();
  const lease: LeasePort = {
    take: (request, done) =>
      done({ ok: true, value: ledger.take(request, world.nowMs, world.nowMs - outlastMs) }),
  };
  return { lease, roster: fixedRoster(names) };
};

describe('keep-majority over gossip', () => {
  it('upholds three of five and downs the two others, and all are whole again once the link is back', async () => {
    const members = await Members.start(5, { strategy: 'keep-majority' });
    const { world } = members;
    expect(members.states()).toEqual(['whole', 'whole', 'whole', 'whole', 'whole']);
    world.partition([
      ['n1', 'n2', 'n5'],
      ['n3', 'n4'],
    ]);
    await members.runFor(25_000);
    expect(members.holders).toEqual(['n1', 'n2', 'n5']);
    expect(members.states()).toEqual(['upheld', 'upheld', 'downed', 'downed', 'upheld']);
    expect(members.acts.toSorted()).toEqual([
      'n1 takes n3,n4',
      'n2 takes n3,n4',
      'n3 down minority',
      'n4 down minority',
      'n5 takes n3,n4',
    ]);
    world.heal();
    for (const name of ['n3', 'n4']) members.quorums.get(name)?.rejoin('2');
    await members.runFor(40_000);
    expect(members.holders).toEqual(members.names);
    expect(members.states()).toEqual(['whole', 'whole', 'whole', 'whole', 'whole']);
    await members.stop();
  });

  it('waits for a larger side to be found dead one by one, and does not take that for unrest', async () => {
    const members = await Members.start(14, { strategy: 'keep-majority' });
    const near = members.names.slice(0, 8);
    members.world.partition([near, members.names.slice(8)]);
    await members.runFor(60_000);
    expect(members.holders).toEqual(near);
    expect(members.acts.filter((act) => act.endsWith('unstable'))).toEqual([]);
    await members.stop();
  });

  it('gives an even split to the side of the lowest name', async () => {
    const members = await Members.start(4, { strategy: 'keep-majority' });
    members.world.partition([
      ['n2', 'n3'],
      ['n1', 'n4'],
    ]);
    await members.runFor(25_000);
    expect(members.holders).toEqual(['n1', 'n4']);
    expect(members.states()).toEqual(['upheld', 'downed', 'downed', 'upheld']);
    await members.stop();
  });
});

describe('lease-majority over gossip, with an arbiter that everybody reaches', () => {
  it('upholds the majority, because the minority waits before it asks', async () => {
    const members = await Members.start(5, { strategy: 'lease-majority' }, outside);
    members.world.partition([
      ['n1', 'n2'],
      ['n3', 'n4', 'n5'],
    ]);
    await members.runFor(40_000);
    expect(members.holders).toEqual(['n3', 'n4', 'n5']);
    expect(members.acts.filter((act) => act.includes('down')).toSorted()).toEqual([
      'n1 down fenced',
      'n2 down fenced',
    ]);
    await members.stop();
  });

  it('upholds the minority where the majority has died', async () => {
    const members = await Members.start(5, { strategy: 'lease-majority' }, outside);
    for (const name of ['n3', 'n4', 'n5']) members.world.crash(name);
    await members.runFor(60_000);
    expect(['n1', 'n2'].map((name) => members.quorums.get(name)?.holdsQuorum)).toEqual([true, true]);
    expect(members.states().slice(0, 2)).toEqual(['upheld', 'upheld']);
    await members.stop();
  });
});

describe('the stream of events of a member', () => {
  it('has the partition and quorum in it, in order with what happens to members', async () => {
    const members = await Members.start(3, { strategy: 'keep-majority' });
    members.world.partition([['n1', 'n2'], ['n3']]);
    await members.runFor(25_000);
    members.world.heal();
    members.quorums.get('n3')?.rejoin('2');
    await members.runFor(40_000);
    expect(members.told.get('n1')).toEqual([
      'Suspect n3',
      'Dead n3',
      'PartitionDetected without n3',
      'Joined n3',
      'PartitionHealed without nobody',
    ]);
    // Which of the two n3 finds dead first is chance.
    const told = members.told.get('n3')?.filter((event) => !event.startsWith('Suspect')) ?? [];
    expect(told.map((event) => event.split(' ')[0])).toEqual([
      'Dead',
      'PartitionDetected',
      'Dead',
      'QuorumLost',
      'Joined',
      'QuorumRegained',
      'Joined',
      'PartitionHealed',
    ]);
    expect(told[3]).toBe('QuorumLost without n1,n2');
    expect(told[7]).toBe('PartitionHealed without nobody');
    await members.stop();
  });
});
