/** Quorum in the simulated world: engines that talk to each other, and what they promise. */
import { type Clock, ClusterError } from '@cluster/core';
import { World } from '@cluster/sim';
import {
  changeRoster,
  fixedRoster,
  LeaseLedger,
  type LeaseRequest,
  type PartitionHappening,
  parseQuorumConfig,
  permits,
  QuorumEngine,
  type QuorumConfigInput,
  type Roster,
  type RosterPort,
  stabilityWindowMs,
  Swim,
} from '@cluster/swim';
import { describe, expect, it } from 'vitest';
import { decodeQuorumMessage, encodeQuorumMessage } from '../src/quorum/messages.ts';
import { sideOf } from '../src/quorum/side.ts';
import { isMajorityOrTieWinner, isQuorum, type Strategy } from '../src/quorum/strategy.ts';

const ttlMs = 5000;
const outlastMs = 5500;

class Cluster {
  readonly world: World;
  readonly names: readonly string[];
  readonly engines = new Map<string, QuorumEngine>();
  readonly events: string[] = [];
  readonly acts: string[] = [];

  constructor(size: number, config: Partial<QuorumConfigInput> = {}, roster?: RosterPort) {
    this.world = new World({ seed: 1 });
    this.names = Array.from({ length: size }, (_, i) => `n${i + 1}`);
    const port = roster ?? fixedRoster(this.names);
    for (const name of this.names) {
      this.world.spawn(name, ({ clock, incarnation, messages }) => {
        const engine = new QuorumEngine(parseQuorumConfig({ name, ...config }), {
          clock,
          boot: `${incarnation}`,
          channel: messages('quorum'),
          roster: port,
          owner: {
            standDown: (reason) => void this.acts.push(`${name} down ${reason}`),
            takeOver: (names, epoch) => void this.acts.push(`${name} takes ${names.join()} ${epoch}`),
          },
        });
        engine.onEvent(({ type }: PartitionHappening) => void this.events.push(`${name} ${type}`));
        engine.start();
        this.engines.set(name, engine);
        return { stop: () => engine.stop() };
      });
    }
  }

  /** Beyond the silence of those that have just started. */
  begin(): void {
    this.world.runFor(outlastMs + 2000);
    this.events.length = 0;
  }

  engine(name: string): QuorumEngine {
    return this.engines.get(name) as QuorumEngine;
  }

  get holders(): string[] {
    return this.names.filter((name) => this.engine(name).holdsQuorum);
  }

  states(): string[] {
    return this.names.map((name) => this.engine(name).partition.replace('rostered.', ''));
  }
}

describe('a process that has just started', () => {
  it('grants nothing until nothing can count that the one before it granted', () => {
    const cluster = new Cluster(3);
    cluster.world.runFor(outlastMs - 500);
    expect(cluster.holders).toEqual([]);
    cluster.world.runFor(2000);
    expect(cluster.holders).toEqual(cluster.names);
    expect(cluster.states()).toEqual(['whole', 'whole', 'whole']);
  });
});

describe('a partition of three and two under roster-majority', () => {
  const cut = (config: Partial<QuorumConfigInput> = {}): Cluster => {
    const cluster = new Cluster(5, config);
    cluster.begin();
    cluster.world.partition([
      ['n1', 'n2', 'n3'],
      ['n4', 'n5'],
    ]);
    return cluster;
  };

  it('leaves the minority its quorum for no longer than a grant counts', () => {
    const cluster = cut();
    cluster.world.runFor(ttlMs + 1);
    expect(cluster.holders).toEqual(['n1', 'n2', 'n3']);
  });

  it('is decided after the window, downs the minority, and is taken over from only then', () => {
    const cluster = cut();
    cluster.world.runFor(ttlMs + 5500);
    expect(cluster.acts).toEqual([]);
    cluster.world.runFor(3500);
    expect(cluster.states()).toEqual(['upheld', 'upheld', 'upheld', 'downed', 'downed']);
    expect(cluster.acts.toSorted()).toEqual(['n4 down minority', 'n5 down minority']);
    cluster.acts.length = 0;
    cluster.world.runFor(outlastMs + 2000);
    expect(cluster.acts.toSorted()).toEqual(['n1', 'n2', 'n3'].map((name) => `${name} takes n4,n5 null`));
  });

  it('is told to those who listen, in order', () => {
    const cluster = cut();
    cluster.world.runFor(15_000);
    expect(cluster.events.filter((event) => event.startsWith('n4'))).toEqual([
      'n4 PartitionDetected',
      'n4 QuorumLost',
    ]);
    expect(cluster.events.filter((event) => event.startsWith('n1'))).toEqual(['n1 PartitionDetected']);
    cluster.world.heal();
    for (const name of ['n4', 'n5']) cluster.engine(name).rejoin('1b');
    cluster.events.length = 0;
    cluster.world.runFor(10_000);
    expect(cluster.states()).toEqual(['whole', 'whole', 'whole', 'whole', 'whole']);
    expect(cluster.events).toContain('n1 PartitionHealed');
    expect(cluster.events.filter((event) => event.startsWith('n4'))).toEqual([
      'n4 QuorumRegained',
      'n4 PartitionHealed',
    ]);
  });

  it('that heals before it was decided changes nothing', () => {
    const cluster = cut();
    cluster.world.runFor(ttlMs + 3000);
    cluster.world.heal();
    cluster.world.runFor(10_000);
    expect(cluster.states()).toEqual(['whole', 'whole', 'whole', 'whole', 'whole']);
    expect(cluster.acts).toEqual([]);
  });

  it('downs a node that comes back not knowing that it has been fenced off', () => {
    const cluster = cut();
    cluster.world.pause('n4');
    cluster.world.runFor(14_000);
    cluster.world.resume('n4');
    cluster.world.heal();
    cluster.world.runFor(3000);
    expect(cluster.acts.some((act) => act.startsWith('n4 down'))).toBe(true);
    expect(cluster.engine('n4').holdsQuorum).toBe(false);
  });

  it('that keeps moving downs those that never see it settle', () => {
    const cluster = cut();
    for (let turn = 0; turn < 8; turn++) {
      cluster.world.runFor(4500);
      cluster.world.partition(
        turn % 2 === 0 ? [['n1', 'n2', 'n3', 'n4'], ['n5']] : [['n1', 'n2', 'n3'], ['n4'], ['n5']],
      );
    }
    expect(cluster.acts.some((act) => act.endsWith('down unstable'))).toBe(true);
  });

  it('refuses what the mode of the data says', () => {
    const cluster = cut();
    cluster.world.runFor(ttlMs + 1000);
    expect(cluster.engine('n4').permits('strict', 'read')).toEqual({ allowed: false, reason: 'no_quorum' });
    expect(cluster.engine('n4').permits('read-only-stale', 'read')).toMatchObject({
      allowed: true,
      stale: true,
    });
    expect(cluster.engine('n1').permits('strict', 'write')).toEqual({
      allowed: true,
      stale: false,
      merges: false,
    });
    cluster.world.runFor(40_000);
    expect(cluster.engine('n4').permits('read-only-stale', 'read')).toEqual({
      allowed: false,
      reason: 'too_stale',
    });
  });

  it('cannot change the roster without quorum', () => {
    const cluster = cut();
    cluster.world.runFor(ttlMs + 1000);
    const codes: string[] = [];
    for (const name of ['n1', 'n4'])
      cluster
        .engine(name)
        .proposeRoster({ type: 'remove', name: 'n5' }, (outcome) =>
          codes.push(outcome.ok ? 'ok' : outcome.error.code),
        );
    expect(codes).toEqual(['SWIM_ROSTER_CHANGE_INVALID', 'SWIM_NO_QUORUM']);
  });
});

describe('the other strategies', () => {
  const after = (config: Partial<QuorumConfigInput>, sides: string[][]): string[] => {
    const cluster = new Cluster(5, config);
    cluster.begin();
    cluster.world.partition(sides);
    cluster.world.runFor(16_000);
    return cluster.states();
  };
  const twoThree = [
    ['n1', 'n2'],
    ['n3', 'n4', 'n5'],
  ];

  it('keep-oldest upholds the side of the first on the roster', () => {
    expect(after({ strategy: 'keep-oldest' }, twoThree)).toEqual([
      'upheld',
      'upheld',
      'downed',
      'downed',
      'downed',
    ]);
  });

  it('keep-oldest gives up an oldest that is alone', () => {
    const alone = [['n1'], ['n2', 'n3', 'n4', 'n5']];
    expect(after({ strategy: 'keep-oldest' }, alone)).toEqual([
      'downed',
      'upheld',
      'upheld',
      'upheld',
      'upheld',
    ]);
    expect(after({ strategy: 'keep-oldest', downIfAlone: false }, alone)[0]).toBe('upheld');
  });

  it('down-all upholds nobody', () => {
    expect(new Set(after({ strategy: 'down-all' }, twoThree))).toEqual(new Set(['downed']));
  });

  it('static-quorum upholds the side that has it', () => {
    expect(after({ strategy: 'static-quorum', staticQuorum: 3 }, twoThree)).toEqual([
      'downed',
      'downed',
      'upheld',
      'upheld',
      'upheld',
    ]);
  });

  it('static-quorum holds nothing on a roster of more than 2q - 1', () => {
    const cluster = new Cluster(5, { strategy: 'static-quorum', staticQuorum: 2 });
    cluster.begin();
    expect(cluster.holders).toEqual([]);
  });

  it('gives up one end of a broken link, the younger, and upholds the rest', () => {
    const cluster = new Cluster(5);
    cluster.begin();
    cluster.world.cut('n2', 'n4');
    cluster.world.cut('n4', 'n2');
    cluster.world.runFor(16_000);
    expect(cluster.acts).toEqual(['n4 down expendable']);
    expect(cluster.states()).toEqual(['upheld', 'upheld', 'upheld', 'downed', 'upheld']);
  });
});

describe('a roster that changes by agreement', () => {
  const agreed = (names: readonly string[]) => {
    let roster: Roster = { epoch: 1, members: names };
    const listeners = new Set<(next: Roster) => void>();
    const proposals: string[] = [];
    const port: RosterPort = {
      current: () => roster,
      onChange: (listener) => {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
      propose: (change, epoch, done) => {
        if (epoch !== roster.epoch) return done({ ok: true, value: roster });
        proposals.push(`${change.type} ${change.name}`);
        roster = changeRoster(roster, change);
        for (const listener of listeners) listener(roster);
        done({ ok: true, value: roster });
      },
    };
    return { port, proposals, roster: () => roster };
  };

  it('shrinks one at a time, by those who hold quorum, after the window, and not below the floor', () => {
    const names = ['n1', 'n2', 'n3', 'n4', 'n5'];
    const { port, proposals } = agreed(names);
    const cluster = new Cluster(5, { shrink: true, rosterFloor: 4 }, port);
    cluster.begin();
    cluster.world.partition([
      ['n1', 'n2', 'n3'],
      ['n4', 'n5'],
    ]);
    cluster.world.runFor(20_000);
    expect(proposals).toEqual([]);
    cluster.world.runFor(40_000);
    expect(proposals).toEqual(['remove n5']);
  });

  it('leaves a node that is off it joining, and takes it in as a new life', () => {
    const { port } = agreed(['n1', 'n2', 'n3']);
    const cluster = new Cluster(4, { rosterFloor: 1 }, port);
    cluster.begin();
    expect(cluster.states()).toEqual(['whole', 'whole', 'whole', 'joining']);
    cluster.engine('n1').proposeRoster({ type: 'add', name: 'n4' }, () => undefined);
    cluster.world.runFor(12_000);
    expect(cluster.states()).toEqual(['whole', 'whole', 'whole', 'whole']);
    cluster.engine('n4').proposeRoster({ type: 'remove', name: 'n1' }, () => undefined);
    expect(cluster.acts).toEqual(['n1 down unrostered']);
    expect(cluster.holders).not.toContain('n1');
  });
});

describe('the lease', () => {
  const ask = (node: string, without: string[] = [], boot = '1') => ({ node, boot, without });
  /** One process, by its clock. */
  const arbiter = (ledger = new LeaseLedger()) => ({
    take: (request: LeaseRequest, nowMs: number) => ledger.take(request, nowMs, nowMs - outlastMs),
  });

  it('is shared by all until a side asks to be rid of the others, and is theirs once it must have run out', () => {
    const { take } = arbiter();
    for (const node of ['a', 'b', 'c']) expect(take(ask(node), 0)).toMatchObject({ granted: true, epoch: 1 });
    expect(take(ask('a', ['c']), 1000)).toMatchObject({ granted: true, epoch: 1, pending: true });
    expect(take(ask('c', ['a', 'b']), 1100)).toMatchObject({ granted: false, reason: 'outside' });
    expect(take(ask('a', ['c']), 5499)).toMatchObject({ granted: true, epoch: 1, pending: true });
    expect(take(ask('a', ['c']), 5500)).toMatchObject({ epoch: 2, pending: false, fenced: ['c/1'] });
    expect(take(ask('c'), 6000)).toMatchObject({ granted: false, reason: 'fenced' });
  });

  it('does not let a new life in on the other side of a partition, but does when it sees all', () => {
    const { take } = arbiter();
    take(ask('a'), 0);
    expect(take(ask('c', ['a'], '2'), 100)).toMatchObject({ granted: false, reason: 'outside' });
    expect(take(ask('c', [], '2'), 200)).toMatchObject({ granted: true, epoch: 1 });
  });

  it('goes to a new life of a holder, under a higher epoch, once the one before must have run out', () => {
    const { take } = arbiter();
    take(ask('a'), 0);
    expect(take(ask('a', [], '2'), 10)).toMatchObject({ granted: false, reason: 'outside', epoch: 1 });
    // It may have been late, and the life at work is the other one.
    expect(take(ask('a'), 20)).toMatchObject({ granted: true, epoch: 1 });
    expect(take(ask('a', [], '2'), 5520)).toMatchObject({ granted: true, epoch: 2 });
    expect(take(ask('a'), 5530)).toMatchObject({ granted: false, reason: 'fenced' });
  });

  it('gives a claim up that nobody has repeated', () => {
    const { take } = arbiter();
    for (const node of ['a', 'c']) take(ask(node), 0);
    take(ask('a', ['c']), 1000);
    expect(take(ask('c'), 6499)).toMatchObject({ granted: false, reason: 'outside' });
    expect(take(ask('c'), 6500)).toMatchObject({ granted: true });
  });

  it('has room for so many holders: beyond them one that has run out is forgotten, and may come back', () => {
    const { take } = arbiter(new LeaseLedger(16, 2));
    for (const node of ['a', 'b']) take(ask(node), 0);
    take(ask('b'), 3000);
    expect(take(ask('c'), 5000)).toMatchObject({ granted: false, reason: 'outside' });
    expect(take(ask('c'), 5500)).toMatchObject({ granted: true, epoch: 1 });
    expect(take(ask('b', ['a']), 5600)).toMatchObject({ pending: false, fenced: [] });
    expect(take(ask('a'), 11_100)).toMatchObject({ granted: true, epoch: 1 });
  });

  it('remembers so many lives that are fenced', () => {
    const { take } = arbiter(new LeaseLedger(1));
    for (const node of ['a', 'b', 'c']) take(ask(node), 0);
    take(ask('a', ['b', 'c']), 1000);
    expect(take(ask('a', ['b', 'c']), 6000)).toMatchObject({ pending: false, fenced: ['c/1'] });
  });

  it('is the same after it was written down and read again, at every point', () => {
    const steps = [
      ask('a'),
      ask('b'),
      ask('c'),
      ask('a', ['c']),
      ask('c'),
      ask('a', ['c']),
      ask('c'),
      ask('d'),
    ];
    for (let cut = 0; cut <= steps.length; cut++) {
      const whole = new LeaseLedger();
      let other = new LeaseLedger();
      for (const [i, request] of steps.entries()) {
        if (i === cut) {
          const state = structuredClone(other.state());
          other = new LeaseLedger();
          other.restore(state);
        }
        expect(other.take(request, i + 1, i - 3)).toEqual(whole.take(request, i + 1, i - 3));
      }
      expect(other.state()).toEqual(whole.state());
    }
  });
});

describe('the stream of events of a member', () => {
  it('has partitions and quorum in it, in order with what happens to members', async () => {
    const world = new World({ seed: 1 });
    let starting: Promise<Swim> | undefined;
    let clock: Clock | undefined;
    world.spawn('n1', (ports) => {
      clock = ports.clock;
      starting = Swim.start({ name: 'n1', bind: { host: ports.host, port: 7946 } }, ports);
      return {};
    });
    world.runFor(10);
    const swim = await (starting as Promise<Swim>);
    const events = swim.events();
    const owner = { standDown: () => undefined };
    const quorum = swim.quorum({ strategy: 'keep-majority' }, { clock: clock as Clock, boot: '1', owner });
    expect((await events.next()).value).toMatchObject({ type: 'QuorumRegained', side: ['n1'], missing: [] });
    expect(quorum.holdsQuorum).toBe(true);
    await swim.stop();
    expect(quorum.holdsQuorum).toBe(false);
  });
});

describe('the leaves', () => {
  it('any two quorums share a member, for every set of up to six members', () => {
    const rules: [Strategy, number, boolean][] = [
      ['roster-majority', 1, true],
      ['static-quorum', 3, true],
      ['keep-oldest', 1, true],
      ['keep-oldest', 1, false],
      ['down-all', 1, true],
    ];
    for (const [strategy, staticQuorum, downIfAlone] of rules)
      for (let size = 1; size <= 6; size++) {
        const members = Array.from({ length: size }, (_, i) => `${i}`);
        const quorums = Array.from({ length: 1 << size }, (_, set) => set).filter((set) =>
          isQuorum(
            { strategy, staticQuorum, downIfAlone },
            members,
            (name) => (set & (1 << Number(name))) > 0,
          ),
        );
        expect(quorums.every((a) => quorums.every((b) => (a & b) !== 0))).toBe(true);
      }
  });

  it('keep-majority settles an even split by the lowest name', () => {
    const known = ['d', 'a', 'b', 'c'];
    expect(isMajorityOrTieWinner(known, (name) => 'ab'.includes(name))).toBe(true);
    expect(isMajorityOrTieWinner(known, (name) => 'cd'.includes(name))).toBe(false);
  });

  it('the window grows with the roster', () => {
    expect([1, 5, 10, 20, 50, 100, 1000, 5000].map(stabilityWindowMs)).toEqual([
      7000, 7000, 10_000, 13_000, 17_000, 20_000, 30_000, 30_000,
    ]);
    expect(stabilityWindowMs(7)).toBeGreaterThan(7000);
    expect(stabilityWindowMs(7)).toBeLessThan(10_000);
  });

  it('available data is never refused, and says when it has to be merged', () => {
    const standing = { holdsQuorum: false, withoutQuorumMs: Infinity };
    expect(permits('available', 'write', standing)).toEqual({ allowed: true, stale: true, merges: true });
    expect(permits('available', 'read', standing)).toEqual({ allowed: true, stale: true, merges: false });
    expect(permits('read-only-stale', 'write', standing)).toEqual({ allowed: false, reason: 'no_quorum' });
  });

  it('a side is of members that all reach each other', () => {
    const members = ['a', 'b', 'c', 'd'];
    const rows: Record<string, string[]> = {
      b: ['a', 'b', 'c', 'd'],
      c: ['a', 'b', 'c'],
      d: ['a', 'b', 'd'],
    };
    const side = sideOf({ self: 'a', members, reaches: () => true, reachOf: (name) => new Set(rows[name]) });
    expect([...side.members]).toEqual(['a', 'b', 'c']);
    expect(side.isExpendable).toBe(false);
  });

  it('hostile bytes are no message', () => {
    const ask = { type: 'ask', seq: 1, epoch: 1, boot: 'x', excluding: [], reach: ['a'] } as const;
    expect(decodeQuorumMessage(encodeQuorumMessage(ask))).toEqual(ask);
    const text = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
    for (const bytes of [
      Uint8Array.of(0xff, 0xfe),
      text('ask'),
      text({ ...ask, seq: -1 }),
      text({ ...ask, more: 1 }),
      text({ ...ask, reach: Array.from({ length: 257 }, () => 'a') }),
      new Uint8Array(70_000).fill(0x20),
    ])
      expect(decodeQuorumMessage(bytes)).toBeNull();
  });

  it.each([
    [{ strategy: 'static-quorum' as const }, /staticQuorum: is required/],
    [{ quorumTtlMs: 1500 }, /quorumTtlMs: must be at least twice/],
    [{ leaseTimeoutMs: 5500 }, /leaseTimeoutMs: must be above/],
  ])('the configuration refuses %j', (config, why) => {
    expect(() => parseQuorumConfig({ name: 'a', ...config })).toThrow(why);
  });

  it('a strategy without its port is refused', () => {
    const config = parseQuorumConfig({ name: 'a', strategy: 'lease-majority' });
    const make = () =>
      new QuorumEngine(config, {
        clock: {} as never,
        boot: '1',
        owner: { standDown: () => undefined },
        roster: fixedRoster(['a']),
      });
    expect(make).toThrow(ClusterError);
    expect(make).toThrow(/needs the port lease/);
  });
});
