/** One test per claim of Ongaro's thesis on terms, elections and pre-votes; the section leads the name. */
import { describe, expect, it } from 'vitest';
import type { Configuration, Entry } from '../src/index.ts';
import { votersOnly } from '../src/core/configuration.ts';
import { encodeConfiguration } from '../src/core/membership.ts';
import { Bench, BenchCluster, log } from './support/bench.ts';

const configurationEntry = (index: number, more: Partial<Configuration>): Entry => ({
  index,
  term: 1,
  kind: 'configuration',
  session: null,
  command: encodeConfiguration({ ...votersOnly(['a']), ...more }),
});

const heartbeat = (term: number) =>
  ({ type: 'append', term, prevIndex: 0, prevTerm: 0, commit: 0, entries: [] }) as const;
const request = (term: number, lastIndex = 0, lastTerm = 0) =>
  ({ type: 'voteRequest', term, pre: false, lastIndex, lastTerm }) as const;
const preRequest = (term: number, lastIndex = 0, lastTerm = 0) =>
  ({ ...request(term, lastIndex, lastTerm), pre: true }) as const;

describe('terms', () => {
  it('3.3: any message with a higher term makes its receiver a follower at that term', () => {
    const messages = [
      heartbeat(9),
      request(9),
      { type: 'voteResponse', term: 9, pre: false, granted: false },
      { type: 'appendAccepted', term: 9, match: 1 },
      { type: 'appendRejected', term: 9, rejected: 1, hintIndex: 0, hintTerm: 0 },
      { type: 'commit', term: 9, commit: 0 },
    ] as const;
    for (const message of messages) {
      const node = new Bench({ checkQuorum: false });
      node.becomeLeader();
      node.receive('b', message);
      expect([message.type, node.core.role, node.core.currentTerm]).toEqual([message.type, 'follower', 9]);
    }
  });

  it('3.3: a request of an old term is refused with the current one', () => {
    const node = new Bench({}, { hardState: { term: 5, vote: null } });
    node.receive('b', request(4, 9, 4));
    node.receive('b', preRequest(4, 9, 4));
    node.receive('b', heartbeat(4));
    expect(node.sent('voteResponse')).toEqual([
      { type: 'voteResponse', term: 5, pre: false, granted: false },
      { type: 'voteResponse', term: 5, pre: true, granted: false },
    ]);
    expect(node.sent('appendRejected')).toMatchObject([{ term: 5 }]);
    expect(node.core.leaderId).toBe(null);
  });

  it('3.3: a node starts as a follower with the term and vote it had', () => {
    const node = new Bench({}, { hardState: { term: 5, vote: 'b' } });
    expect(node.core.role).toBe('follower');
    expect([node.core.currentTerm, node.core.votedFor]).toEqual([5, 'b']);
    node.receive('c', request(5, 9, 5));
    expect(node.sent('voteResponse')).toMatchObject([{ granted: false }]);
  });

  it('3.3: an answer of an old term changes nothing', () => {
    const node = new Bench();
    node.becomeLeader();
    const { commitIndex } = node.core;
    node.receive('b', { type: 'appendAccepted', term: 0, match: 1 });
    expect(node.core.commitIndex).toBe(commitIndex);
    node.receive('b', { type: 'voteResponse', term: 0, pre: false, granted: true });
    expect(node.core.role).toBe('leader');
  });
});

describe('votes', () => {
  it('3.4: one vote per term, first come', () => {
    const node = new Bench();
    node.receive('b', request(3));
    node.receive('c', request(3));
    expect(node.sent('voteResponse', 'b')).toMatchObject([{ term: 3, granted: true }]);
    expect(node.sent('voteResponse', 'c')).toMatchObject([{ term: 3, granted: false }]);
    node.receive('c', request(4));
    expect(node.sent('voteResponse', 'c').at(-1)).toMatchObject({ term: 4, granted: true });
  });

  it('3.4: a repeated request of the same candidate is granted again', () => {
    const node = new Bench();
    node.receive('b', request(3));
    node.receive('b', request(3));
    expect(node.sent('voteResponse', 'b').map(({ granted }) => granted)).toEqual([true, true]);
  });

  it('3.4: no vote for another candidate once the leader of the term is known', () => {
    const node = new Bench();
    node.receive('b', heartbeat(3));
    node.receive('c', request(3));
    expect(node.sent('voteResponse', 'c')).toMatchObject([{ granted: false }]);
  });

  it('3.4: a candidate yields to the leader of its term', () => {
    const node = new Bench({ preVote: false });
    node.passElectionTimeout();
    node.receive('b', heartbeat(1));
    expect(node.core.role).toBe('follower');
    expect(node.core.votedFor).toBe('a');
  });

  it('3.4: a leader refuses another leader of its term, and keeps its log', () => {
    const node = new Bench();
    node.becomeLeader();
    node.receive('b', { ...heartbeat(1), entries: log(1) });
    expect(node.core.role).toBe('leader');
    expect(node.of('rejected')).toMatchObject([{ from: 'b', reason: 'secondLeader' }]);
    expect(node.core.log.entryAt(1)?.kind).toBe('noop');
  });

  it('3.4: two leaders of a term never occur, whatever order votes come in', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const cluster = new BenchCluster(['a', 'b', 'c', 'd', 'e'], { preVote: seed % 2 === 0 });
      const leaders = new Map<number, string>();
      for (let ms = 0; ms < 3000; ms++) {
        cluster.pass(
          1,
          ({ from, to }) => (ms * 7 + from.charCodeAt(0) * 3 + to.charCodeAt(0) * 5 + seed) % 3 !== 0,
        );
        for (const [name, { core }] of cluster.nodes) {
          if (core.role !== 'leader') continue;
          expect(leaders.get(core.currentTerm) ?? name).toBe(name);
          leaders.set(core.currentTerm, name);
        }
      }
      expect(leaders.size).toBeGreaterThan(0);
    }
  });

  it('3.4: the election timeout is drawn anew each time, within its bounds', () => {
    const node = new Bench();
    const drawn = new Set<number>();
    for (let i = 0; i < 30; i++) {
      const before = node.nowMs;
      node.passElectionTimeout();
      drawn.add(node.nowMs - before);
    }
    for (const ms of drawn) expect(ms).toBeGreaterThanOrEqual(250);
    for (const ms of drawn) expect(ms).toBeLessThanOrEqual(500);
    expect(drawn.size).toBeGreaterThan(15);
  });

  it('3.4: a split vote is resolved by a later election', () => {
    const cluster = new BenchCluster(['a', 'b', 'c', 'd'], { preVote: false });
    for (const name of ['a', 'b']) cluster.node(name).passElectionTimeout();
    cluster.settle(
      ({ from, to }) => (from === 'a' || to === 'a' ? from + to : '') !== 'ad' && from + to !== 'bc',
    );
    expect(cluster.leaders).toEqual([]);
    cluster.pass(3000);
    expect(cluster.leaders).toHaveLength(1);
  });

  it('3.4: a single voter elects itself without a message', () => {
    const node = new Bench({ voters: ['a'] });
    node.passElectionTimeout();
    expect(node.core.role).toBe('leader');
    expect(node.of('send')).toEqual([]);
    node.propose('x');
    expect(node.core.commitIndex).toBe(2);
  });

  it('3.4: who knows of no other member waits for no leader when it starts, unless a lease may rest on it', () => {
    const soon = (node: Bench): string => {
      node.pass(20);
      return node.core.role;
    };
    const learner = configurationEntry(1, { learners: ['b'] });
    expect(soon(new Bench({ voters: ['a'] }, { entries: log(1, 1) }))).toBe('leader');
    expect(soon(new Bench({ voters: ['a'], leaseReads: true }))).toBe('follower');
    expect(soon(new Bench({ voters: ['a'], preVote: false }))).toBe('follower');
    expect(soon(new Bench({ voters: ['a'] }, { entries: [learner] }))).toBe('follower');
    expect(soon(new Bench())).toBe('follower');
    expect(soon(new Bench({ voters: [] }))).toBe('learner');
    // The change that left it alone may come to nothing.
    const shrunk = [configurationEntry(1, { voters: ['a', 'b'] }), configurationEntry(2, {})];
    expect(soon(new Bench({ voters: ['a'] }, { entries: shrunk }))).toBe('follower');
  });

  it('3.4: votes that come after the election, or from an older one, do not count', () => {
    const node = new Bench({ preVote: false });
    node.passElectionTimeout();
    node.receive('b', { type: 'voteResponse', term: 1, pre: false, granted: false });
    node.receive('c', { type: 'voteResponse', term: 1, pre: false, granted: false });
    expect(node.core.role).toBe('follower');
    node.receive('b', { type: 'voteResponse', term: 1, pre: false, granted: true });
    node.receive('c', { type: 'voteResponse', term: 1, pre: false, granted: true });
    expect(node.core.role).toBe('follower');
    node.passElectionTimeout();
    node.receive('b', { type: 'voteResponse', term: 1, pre: false, granted: true });
    expect([node.core.role, node.core.currentTerm]).toEqual(['candidate', 2]);
  });

  it('3.4: a pre-vote is no vote', () => {
    const node = new Bench();
    node.passElectionTimeout();
    node.receive('b', { type: 'voteResponse', term: 1, pre: true, granted: true });
    node.receive('c', { type: 'voteResponse', term: 1, pre: true, granted: true });
    expect(node.core.role).toBe('candidate');
  });

  it('3.6.1: no vote for a log that is less up to date, by term first and then by index', () => {
    const cases: readonly [number, number, boolean][] = [
      [3, 1, false],
      [9, 1, false],
      [2, 2, false],
      [3, 2, true],
      [4, 2, true],
      [1, 3, true],
    ];
    for (const [lastIndex, lastTerm, granted] of cases) {
      for (const make of [request, preRequest]) {
        const node = new Bench({}, { entries: log(1, 1, 2) });
        node.receive('b', make(5, lastIndex, lastTerm));
        expect([lastIndex, lastTerm, node.sent('voteResponse')[0]?.granted]).toEqual([
          lastIndex,
          lastTerm,
          granted,
        ]);
      }
    }
  });

  it('3.8: term and vote are in one write, and the vote is told only after it', () => {
    const node = new Bench();
    node.syncs = false;
    node.receive('b', request(3));
    expect(node.of('persist')).toMatchObject([{ hardState: { term: 3, vote: 'b' } }]);
    expect(node.of('send')).toEqual([]);
    node.sync();
    expect(node.sent('voteResponse')).toMatchObject([{ granted: true }]);
  });

  it('3.8: a candidate asks for votes only when its own is on the disk, and wins no election before', () => {
    const node = new Bench({ preVote: false });
    node.syncs = false;
    node.passElectionTimeout();
    expect(node.of('persist')).toMatchObject([{ hardState: { term: 1, vote: 'a' } }]);
    expect(node.of('send')).toEqual([]);
    node.sync();
    expect(node.sent('voteRequest')).toHaveLength(2);
    const alone = new Bench({ preVote: false, voters: ['a'] });
    alone.syncs = false;
    alone.passElectionTimeout();
    expect(alone.core.role).toBe('candidate');
    alone.sync();
    expect(alone.core.role).toBe('leader');
  });

  it('3.8: a vote that was not told in its term is not told in the next', () => {
    const node = new Bench();
    node.syncs = false;
    node.receive('b', request(3));
    node.receive('c', request(4));
    node.sync();
    expect(node.sent('voteResponse', 'b')).toEqual([]);
    expect(node.sent('voteResponse', 'c')).toMatchObject([{ term: 4, granted: true }]);
  });
});

describe('disruption', () => {
  it('4.2.3: a node that hears a leader ignores candidates, their terms too', () => {
    const node = new Bench();
    node.receive('b', heartbeat(1));
    node.pass(200);
    node.clear();
    node.receive('c', request(7, 9, 6));
    expect(node.core.currentTerm).toBe(1);
    expect(node.of('send')).toEqual([]);
    node.pass(50);
    node.receive('c', request(7, 9, 6));
    expect(node.core.currentTerm).toBe(7);
    expect(node.sent('voteResponse')).toMatchObject([{ granted: true }]);
  });

  it('4.2.3: a leader ignores candidates while it leads', () => {
    const node = new Bench();
    node.becomeLeader();
    node.receive('c', request(7, 9, 6));
    expect([node.core.role, node.core.currentTerm]).toEqual(['leader', 1]);
  });

  it('6.2: a leader without a majority steps down, and the others go on', () => {
    const cluster = new BenchCluster(['a', 'b', 'c']);
    cluster.elect('a');
    const apart = ({ from, to }: { from: string; to: string }): boolean => from !== 'a' && to !== 'a';
    cluster.pass(1500, apart);
    expect(cluster.node('a').core.role).not.toBe('leader');
    expect(cluster.leaders).toHaveLength(1);
  });

  it('9.6: the term of an isolated node stays flat, and its return unseats nobody', () => {
    const cluster = new BenchCluster(['a', 'b', 'c']);
    const leader = cluster.elect('a');
    const term = leader.core.currentTerm;
    cluster.pass(5000, ({ from, to }) => from !== 'c' && to !== 'c');
    expect(cluster.node('c').core.role).toBe('preCandidate');
    expect(cluster.node('c').core.currentTerm).toBe(term);
    cluster.pass(2000);
    expect(leader.core.role).toBe('leader');
    expect(cluster.node('c').core.leaderId).toBe('a');
    expect(leader.core.currentTerm).toBe(term);
  });

  it('9.6: granting a pre-vote touches no timer, no term and no disk', () => {
    const node = new Bench();
    const timers = new Map(node.timers);
    node.receive('b', preRequest(5));
    expect(node.sent('voteResponse')).toEqual([{ type: 'voteResponse', term: 5, pre: true, granted: true }]);
    expect(node.timers).toEqual(timers);
    expect(node.core.currentTerm).toBe(0);
    expect(node.of('persist')).toEqual([]);
    node.receive('c', preRequest(5));
    expect(node.sent('voteResponse', 'c')).toMatchObject([{ granted: true }]);
    node.passElectionTimeout();
    expect(node.core.role).toBe('preCandidate');
  });

  it('9.6: no pre-vote while a leader is heard', () => {
    const node = new Bench();
    node.receive('b', heartbeat(1));
    node.receive('c', preRequest(2, 9, 1));
    expect(node.sent('voteResponse')).toMatchObject([{ pre: true, granted: false }]);
  });

  it.each([
    [{}, ['leader', 'follower']],
    [{ b: 1 }, ['follower', 'leader']],
  ])(
    '9.6: of two that ask for pre-votes at the same time one gives way, so that they do not split the vote: %o',
    (priorities, roles) => {
      const cluster = new BenchCluster(['a', 'b', 'c'], { priorities });
      for (const name of ['b', 'a']) cluster.node(name).passElectionTimeout();
      cluster.settle(({ from, to }) => from !== 'c' && to !== 'c');
      expect(['a', 'b'].map((name) => cluster.node(name).core.role)).toEqual(roles);
    },
  );

  it('9.6: who has asked gives way to a better log, and to anybody a moment later', () => {
    const grants = (
      nodeId: string,
      from: string,
      lastIndex: number,
      waitMs: number,
      priorities: Readonly<Record<string, number>> = {},
    ): boolean | undefined => {
      const node = new Bench({ nodeId, priorities }, { entries: log(1, 1) });
      node.passElectionTimeout();
      node.pass(waitMs);
      node.receive(from, preRequest(2, lastIndex, 1));
      return node.sent('voteResponse', from)[0]?.granted;
    };
    expect(grants('a', 'b', 2, 0)).toBe(false);
    expect(grants('b', 'a', 2, 0)).toBe(true);
    expect(grants('b', 'a', 2, 0, { b: 1 })).toBe(false);
    expect(grants('a', 'b', 3, 0)).toBe(true);
    expect(grants('a', 'b', 2, 50)).toBe(true);
  });

  it('9.6: a node at a higher term gets its leader back: the old one steps down by its refusal', () => {
    const cluster = new BenchCluster(['a', 'b', 'c'], {}, { c: { hardState: { term: 8, vote: null } } });
    cluster.elect('a', ({ from, to }) => from !== 'c' && to !== 'c');
    cluster.pass(3000);
    const [leader] = cluster.leaders;
    expect(cluster.leaders).toHaveLength(1);
    expect(leader?.core.currentTerm).toBeGreaterThan(8);
    for (const { core } of cluster.nodes.values()) expect(core.leaderId).toBe(leader?.name);
  });

  it('9.6: nodes with and without pre-vote find a leader together', () => {
    for (const bold of ['a', 'b', 'c']) {
      for (const preVote of [true, false]) {
        const cluster = new BenchCluster(['a', 'b', 'c'], { preVote }, {}, { [bold]: { preVote: !preVote } });
        cluster.pass(1500);
        const [old] = cluster.leaders;
        expect(cluster.leaders).toHaveLength(1);
        cluster.pass(1500, ({ from, to }) => from !== old?.name && to !== old?.name);
        expect(cluster.leaders).toHaveLength(1);
        expect(cluster.leaders[0]?.name).not.toBe(old?.name);
        cluster.pass(2000);
        expect(cluster.leaders).toHaveLength(1);
        for (const { core } of cluster.nodes.values()) expect(core.leaderId).toBe(cluster.leaders[0]?.name);
      }
    }
  });

  it('9.6: a node without pre-vote comes back with a higher term, and unseats the leader once', () => {
    const cluster = new BenchCluster(
      ['a', 'b', 'c'],
      {},
      {},
      { b: { preVote: false }, c: { preVote: false } },
    );
    cluster.elect('a');
    const apart = ({ from, to }: { from: string; to: string }): boolean => from !== 'c' && to !== 'c';
    cluster.pass(3000, apart);
    const { currentTerm } = cluster.node('c').core;
    expect(currentTerm).toBeGreaterThan(3);
    expect(cluster.node('a').core).toMatchObject({ role: 'leader', currentTerm: 1 });
    cluster.pass(3000);
    const leader = cluster.leaders[0];
    expect(cluster.leaders).toHaveLength(1);
    for (const { core } of cluster.nodes.values()) expect(core.leaderId).toBe(leader?.name);
    const term = leader?.core.currentTerm;
    expect(term).toBeGreaterThan(currentTerm);
    cluster.pass(3000);
    expect(cluster.leaders.map(({ core }) => core.currentTerm)).toEqual([term]);
  });

  it('3.9: a failed leader is replaced within a second and a half, under fifty seeds', () => {
    const times: number[] = [];
    for (let seed = 0; seed < 50; seed++) {
      const names = ['a', 'b', 'c', 'd', 'e'].map((name) => `${name}${seed}`);
      const cluster = new BenchCluster(names);
      cluster.pass(2000);
      const old = [...cluster.nodes.values()].find(({ core }) => core.role === 'leader');
      const alive = ({ from, to }: { from: string; to: string }): boolean =>
        from !== old?.name && to !== old?.name;
      let ms = 0;
      const replaced = (): boolean =>
        [...cluster.nodes.values()].some((node) => node !== old && node.core.role === 'leader');
      for (; !replaced(); ms++) cluster.pass(1, alive);
      times.push(ms);
    }
    times.sort((a, b) => a - b);
    expect(times.at(-1)).toBeLessThan(1500);
    expect(times[25]).toBeLessThan(400);
  });
});

describe('priorities', () => {
  const names = ['a', 'b', 'c', 'd', 'e'];
  const priorities = { d: 2, e: 1, a: -1 };

  it('are the order in which a leader is replaced, one after the other, by name where they are alike', () => {
    const cluster = new BenchCluster(names, { priorities });
    cluster.elect('c');
    const down = new Set<string>();
    const isUp = ({ from, to }: { from: string; to: string }): boolean => !down.has(from) && !down.has(to);
    for (const [lost, next] of [
      ['c', 'd'],
      ['d', 'e'],
    ] as const) {
      // All hear the leader now.
      cluster.pass(100, isUp);
      down.add(lost);
      cluster.pass(600, isUp);
      expect(cluster.leaders.filter(({ name }) => !down.has(name)).map(({ name }) => name)).toEqual([next]);
    }
  });

  it('elect nobody who lacks entries: the next in turn leads', () => {
    const cluster = new BenchCluster(names, { priorities });
    cluster.elect('c');
    cluster.pass(100);
    const withoutD = ({ from, to }: { from: string; to: string }): boolean => from !== 'd' && to !== 'd';
    cluster.node('c').propose('x');
    cluster.settle(withoutD);
    const withoutC = ({ from, to }: { from: string; to: string }): boolean => from !== 'c' && to !== 'c';
    cluster.pass(700, withoutC);
    expect(cluster.leaders.filter(({ name }) => name !== 'c').map(({ name }) => name)).toEqual(['e']);
  });

  it('take the lead from nobody who has it: after a transfer it stays where it was moved to', () => {
    const cluster = new BenchCluster(names, { priorities });
    cluster.elect('d');
    cluster.node('d').input({ type: 'TRANSFER', ref: 900, to: 'a', timeoutMs: 1000 });
    cluster.settle();
    cluster.pass(3000);
    expect(cluster.leaders.map(({ name, core }) => [name, core.currentTerm])).toEqual([['a', 2]]);
  });

  it('may be given to a node whose name every object knows', () => {
    const node = new Bench({ voters: ['a', 'b', 'constructor'], priorities: { constructor: 1 } });
    node.receive('b', heartbeat(1));
    node.lose('b');
    node.pass(54);
    expect(node.core.role).toBe('follower');
    node.pass(1);
    expect(node.core.role).toBe('preCandidate');
    const other = new Bench({ voters: ['a', 'b', 'constructor'] });
    other.receive('b', heartbeat(1));
    other.lose('b');
    other.pass(5);
    expect(other.core.role).toBe('preCandidate');
  });
});
