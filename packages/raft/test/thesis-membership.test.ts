/** Changes of members, by section of the thesis; among them every transition of `raft.configuration` and of a learner's role. */
import { describe, expect, it } from 'vitest';
import { type Configuration, type Entry, RaftCore, type RaftMessage } from '../src/index.ts';
import { votersOnly } from '../src/core/configuration.ts';
import { encodeConfiguration } from '../src/core/membership.ts';
import { Bench, BenchCluster, defaults, log } from './support/bench.ts';

/** A leader in term 1 whose no-op everybody has. */
function leader(config: ConstructorParameters<typeof Bench>[0] = {}): Bench {
  const node = new Bench(config);
  node.becomeLeader();
  for (const from of node.peers) node.accept(from);
  node.clear();
  return node;
}

const configurationEntry = (index: number, term: number, more: Partial<Configuration>): Entry => ({
  index,
  term,
  kind: 'configuration',
  session: null,
  command: encodeConfiguration({ ...votersOnly(['a', 'b', 'c']), ...more }),
});

const append = (
  entries: readonly Entry[],
  { term = entries.at(-1)?.term ?? 1, prevIndex = 0, prevTerm = 0, commit = 0 } = {},
): RaftMessage => ({ type: 'append', term, prevIndex, prevTerm, commit, entries });

/** Three nodes of which `a` leads, and all know what is committed. */
function trio(config: ConstructorParameters<typeof BenchCluster>[1] = {}): BenchCluster {
  const cluster = new BenchCluster(['a', 'b', 'c'], config);
  cluster.elect('a');
  cluster.pass(60);
  return cluster;
}

describe('a change of one voter', () => {
  it('4.1: takes effect on append, before it is committed', () => {
    const node = leader();
    const ref = node.change({ d: 'voter' });
    expect(node.core.configuration.voters).toEqual(['a', 'b', 'c', 'd']);
    expect(node.sent('append', 'd').length).toBeGreaterThan(0);
    node.accept('b');
    // Two of four are no majority.
    expect(node.core.commitIndex).toBe(1);
    expect(node.outcomeOf(ref)).toBeUndefined();
    node.accept('d');
    expect(node.core.commitIndex).toBe(2);
    expect(node.outcomeOf(ref)).toBe('done');
    expect(node.of('membersChanged')).toEqual([
      { type: 'membersChanged', configuration: votersOnly(['a', 'b', 'c', 'd']), index: 2 },
    ]);
  });

  it('4.1: takes effect on append at a follower, and reverts on truncation', () => {
    const node = new Bench();
    node.receive('b', append([...log(1), configurationEntry(2, 1, { voters: ['a', 'b', 'c', 'd'] })]));
    expect(node.core.configuration.voters).toEqual(['a', 'b', 'c', 'd']);
    node.receive('c', append(log(1, 2).slice(1), { prevIndex: 1, prevTerm: 1 }));
    expect(node.core.configuration.voters).toEqual(['a', 'b', 'c']);
  });

  it('4.1: a second change is refused while one is uncommitted, and taken afterwards', () => {
    const node = leader();
    const first = node.change({ d: 'learner' });
    expect(node.outcomeOf(node.change({ e: 'learner' }))).toBe('underWay');
    node.accept('b');
    expect(node.outcomeOf(first)).toBe('done');
    const second = node.change({ e: 'learner' });
    expect(node.outcomeOf(node.change({ f: 'learner' }))).toBe('underWay');
    node.accept('b');
    expect(node.outcomeOf(second)).toBe('done');
    expect(node.core.configuration.learners).toEqual(['d', 'e']);
  });

  it('4.1: a second change is refused while one is uncommitted, though whoever asked for that waits no longer', () => {
    const node = leader();
    const first = node.change({ d: 'voter' });
    node.input({ type: 'ABANDON', ref: first });
    expect(node.outcomeOf(first)).toBe('abandoned');
    expect(node.outcomeOf(node.change({ e: 'voter' }))).toBe('underWay');
    expect(node.core.configuration.voters).toEqual(['a', 'b', 'c', 'd']);
  });

  it('4.1: a second change is refused when the one before was cut off and the one before that is uncommitted', () => {
    const node = new Bench();
    const entries = [
      configurationEntry(1, 1, { voters: ['a', 'b'] }),
      configurationEntry(2, 1, { voters: ['a'] }),
    ];
    node.receive('b', append(entries));
    // The second was committed there already, as far as `b` says; then it is replaced in a later term.
    node.receive('c', append(log(1, 2).slice(1), { prevIndex: 1, prevTerm: 1 }));
    expect(node.core.configuration.voters).toEqual(['a', 'b']);
    node.becomeLeader();
    expect(node.outcomeOf(node.change({ d: 'learner' }))).toBe('notReady');
    node.accept('b');
    node.change({ d: 'learner' });
    expect(node.core.configuration.learners).toEqual(['d']);
  });

  it('4.1: no change is begun before this leader has committed an entry of its term (erratum of 2015)', () => {
    const node = new Bench();
    node.becomeLeader();
    expect(node.outcomeOf(node.change({ d: 'voter' }))).toBe('notReady');
    expect(node.core.configuration.voters).toEqual(['a', 'b', 'c']);
    node.accept('b');
    node.change({ d: 'voter' });
    expect(node.core.configuration.voters).toEqual(['a', 'b', 'c', 'd']);
  });

  it('is the leader’s to begin, and no two of its own at once with a transfer', () => {
    const follower = new Bench();
    expect(follower.outcomeOf(follower.change({ d: 'voter' }))).toBe('notLeader');
    const node = leader();
    node.input({ type: 'TRANSFER', ref: 99, to: 'b', timeoutMs: 5000 });
    expect(node.outcomeOf(node.change({ d: 'voter' }))).toBe('underWay');
  });

  it('is refused when it leaves nobody to vote, and when the group gets too large to oversee', () => {
    const node = leader({ voters: ['a'] });
    expect(node.outcomeOf(node.change({ a: 'removed' }))).toBe('noVoters');
    expect(node.outcomeOf(node.change({}, 'leave'))).toBe('notJoint');
    const many = Object.fromEntries(Array.from({ length: 63 }, (_, i) => [`l${i}`, 'learner'] as const));
    expect(node.outcomeOf(node.change(many))).toBe('tooManyMembers');
  });

  it('is unfinished when it takes too long, when the lead is lost, and goes on all the same', () => {
    const node = leader({ checkQuorum: false });
    const slow = node.change({ d: 'voter' }, 'auto', 100);
    node.pass(99);
    expect(node.outcomeOf(slow)).toBeUndefined();
    node.pass(1);
    expect(node.outcomeOf(slow)).toBe('unfinished');
    node.accept('b');
    node.accept('c');
    expect(node.of('membersChanged')).toHaveLength(1);
    const lost = node.change({ e: 'voter' });
    node.receive('b', append(log(2), { term: 2 }));
    expect(node.outcomeOf(lost)).toBe('unfinished');
  });

  it('4.1: a new node hears the leader before it knows any member, and has its log', () => {
    const cluster = trio();
    const d = cluster.join('d');
    expect(d.core.role).toBe('learner');
    const ref = cluster.node('a').change({ d: 'voter' });
    cluster.settle();
    cluster.pass(60);
    expect(cluster.node('a').outcomeOf(ref)).toBe('done');
    expect(d.core.role).toBe('follower');
    expect(d.core.configuration.voters).toEqual(['a', 'b', 'c', 'd']);
    expect(d.terms).toEqual(cluster.node('a').terms);
  });

  it('4.1: a vote is given to a candidate that this node’s log does not know', () => {
    const node = new Bench({ checkQuorum: false });
    node.receive('z', { type: 'voteRequest', term: 5, pre: false, lastIndex: 3, lastTerm: 4 });
    expect(node.sent('voteResponse', 'z')).toMatchObject([{ granted: true, term: 5 }]);
  });

  it('answers of strangers are refused, and strangers may not write or read', () => {
    const node = leader();
    const term = 9;
    node.receive('z', { type: 'appendAccepted', term, match: 1 });
    node.receive('z', { type: 'voteResponse', term, pre: false, granted: true });
    node.receive('z', { type: 'propose', term, boot: 1, drafts: [] });
    node.receive('z', { type: 'readRequest', term, boot: 1, request: 1 });
    expect(node.of('rejected').map(({ reason }) => reason)).toEqual(Array(4).fill('notAMember'));
    expect([node.core.role, node.core.currentTerm]).toEqual(['leader', 1]);
  });

  it('comes back from the log after a restart', () => {
    const entries = [...log(1), configurationEntry(2, 1, { voters: ['a', 'b', 'd'], learners: ['c'] })];
    const node = new Bench({}, { entries });
    expect(node.core.configuration).toMatchObject({ voters: ['a', 'b', 'd'], learners: ['c'] });
  });
});

describe('the removal of a node', () => {
  it('4.2.2: a removed leader manages, uncounted, until that is committed, then steps down', () => {
    const node = leader();
    const ref = node.change({ a: 'removed' });
    node.clear();
    node.accept('b');
    // Its own disk does not count any more: one of two.
    expect([node.core.role, node.core.commitIndex]).toEqual(['leader', 1]);
    node.propose('still at work');
    expect(node.sent('append', 'b').at(-1)?.entries).toHaveLength(1);
    node.accept('b', 2);
    node.accept('c', 2);
    expect(node.core.commitIndex).toBe(2);
    expect(node.core.role).toBe('learner');
    expect(node.outcomeOf(ref)).toBe('done');
    // What is left waits for the end of the proposal.
    expect([...node.timers.keys()]).toEqual(['proposals']);
  });

  it('3.10, 4.2.2: a removed leader tells the voter with most of the log to stand at once', () => {
    const cluster = trio();
    cluster.node('a').change({ a: 'removed' });
    cluster.settle();
    const next = ['b', 'c'].find((name) => cluster.node(name).core.role === 'leader');
    expect(next).toBeDefined();
    expect(cluster.node('a').core.role).toBe('learner');
  });

  it.each([
    { priorities: {}, next: 'b' },
    { priorities: { c: 1 }, next: 'c' },
    // It lacks the last entry.
    { priorities: { d: 1 }, next: 'b' },
  ])(
    '3.10, 4.2.2: of those with as much of the log it is the one whose turn it would be: $next with $priorities',
    ({ priorities, next }) => {
      const node = leader({ voters: ['a', 'c', 'b', 'd'], priorities });
      node.change({ a: 'removed' });
      node.accept('b', 2);
      node.accept('c', 2);
      expect(node.of('send').filter(({ message }) => message.type === 'timeoutNow')).toMatchObject([
        { to: next },
      ]);
    },
  );

  it('4.2.2: a removed leader does not count itself when it looks for contact to a majority', () => {
    const node = leader();
    node.change({ a: 'removed' });
    for (let i = 0; i < 10; i++) {
      node.pass(100);
      node.accept('b', 1);
    }
    // `b` alone is no majority of `b` and `c`.
    expect(node.core.role).not.toBe('leader');
  });

  it('4.2.2: a node that is to be removed still stands while that is not committed', () => {
    // Only this node has the entry that removes it, and `b` could not be elected without it.
    const entries = [...log(1), configurationEntry(2, 1, { voters: ['b'] })];
    const node = new Bench({ voters: ['a', 'b'] }, { entries });
    node.passElectionTimeout();
    node.receive('b', { type: 'voteResponse', term: 2, pre: true, granted: true });
    node.receive('b', { type: 'voteResponse', term: 2, pre: false, granted: true });
    expect(node.core.role).toBe('leader');
    node.accept('b');
    expect([node.core.commitIndex, node.core.role]).toEqual([3, 'learner']);
  });

  it('4.2.2: a removed node is told so, and is silent from then on', () => {
    const cluster = trio();
    const c = cluster.node('c');
    cluster.node('a').change({ c: 'removed' });
    cluster.settle();
    expect(c.core.configuration.voters).toEqual(['a', 'b']);
    expect(c.core.role).toBe('learner');
    c.clear();
    c.pass(5000);
    expect(c.of('send')).toEqual([]);
    cluster.node('a').clear();
    cluster.node('a').pass(100);
    expect(cluster.node('a').sent('append', 'c')).toEqual([]);
  });

  it('4.2.3: a removed node that was not told does not disturb the others', () => {
    const cluster = trio({ preVote: false });
    const keep = ({ to }: { readonly to: string }): boolean => to !== 'c';
    cluster.node('a').change({ c: 'removed' });
    cluster.settle(keep);
    cluster.pass(2000, keep);
    expect(cluster.node('c').core.currentTerm).toBeGreaterThan(1);
    expect(['a', 'b'].map((name) => cluster.node(name).core.currentTerm)).toEqual([1, 1]);
    expect(cluster.node('a').core.role).toBe('leader');
  });

  it.each([true, false])(
    '4.2.3: a removed node that was not told asks once, and hears it (preVote: %s)',
    (preVote) => {
      const cluster = trio({ preVote });
      const c = cluster.node('c');
      cluster.node('a').change({ c: 'removed' });
      cluster.settle(({ to }) => to !== 'c');
      c.clear();
      for (let ms = 0; c.core.role !== 'learner' && ms < 1000; ms++) cluster.pass(1);
      expect(c.core.isLeftOut).toBe(true);
      expect(c.of('leftOut')).toEqual([{ type: 'leftOut', index: 2 }]);
      const { currentTerm, electionsStarted } = c.core;
      expect(electionsStarted).toBe(preVote ? 0 : 1);
      cluster.pass(3000);
      expect([c.core.role, c.core.currentTerm, c.core.electionsStarted]).toEqual([
        'learner',
        currentTerm,
        electionsStarted,
      ]);
      expect(cluster.node('a').core.role).toBe('leader');
    },
  );

  it('4.2.3: a removed node that has its removal and not the word that it is agreed on hears that', () => {
    const node = new Bench();
    node.receive('b', append([...log(1), configurationEntry(2, 1, { voters: ['b', 'c'] })]));
    expect(node.core.role).toBe('follower');
    node.passElectionTimeout();
    node.clear();
    node.receive('c', { type: 'leftOut', term: 1, index: 2, indexTerm: 1 });
    expect([node.core.role, node.core.commitIndex, node.core.isLeftOut]).toEqual(['learner', 2, false]);
    expect(node.of('membersChanged')).toHaveLength(1);
    expect(node.of('leftOut')).toEqual([]);
  });

  it('4.2.3: one that was added again is not silenced by old news of its removal', () => {
    const node = new Bench();
    node.receive('b', append([...log(1, 1), configurationEntry(3, 1, {})]));
    node.passElectionTimeout();
    // Of a log that is not the same up to there.
    node.receive('c', { type: 'leftOut', term: 1, index: 2, indexTerm: 2 });
    expect([node.core.role, node.core.isLeftOut]).toEqual(['preCandidate', false]);
    expect(node.of('leftOut')).toEqual([]);
  });

  it('4.2.3: one that is silent stands again once its log tells that it was added', () => {
    const node = new Bench();
    node.passElectionTimeout();
    node.receive('b', { type: 'leftOut', term: 1, index: 2, indexTerm: 1 });
    node.receive('c', { type: 'leftOut', term: 1, index: 2, indexTerm: 1 });
    expect(node.of('leftOut')).toHaveLength(1);
    expect(node.core.role).toBe('learner');
    const removed = configurationEntry(2, 1, { voters: ['b', 'c'] });
    node.receive('b', append([...log(1), removed], { commit: 2 }));
    expect([node.core.role, node.core.isLeftOut]).toEqual(['learner', true]);
    node.receive('b', append([configurationEntry(3, 1, {})], { prevIndex: 2, prevTerm: 1 }));
    expect([node.core.role, node.core.isLeftOut]).toEqual(['follower', false]);
    node.passElectionTimeout();
    expect(node.core.role).toBe('preCandidate');
  });

  it('4.2.3: nobody is told that it is left out while that is not agreed on, nor in one half of a joint configuration', () => {
    const asks = { type: 'voteRequest', term: 2, pre: true, lastIndex: 1, lastTerm: 1 } as const;
    const told = (more: Partial<Configuration>, commit: number): number => {
      const node = new Bench();
      node.receive('b', append([...log(1), configurationEntry(2, 1, more)], { commit }));
      node.receive('c', asks);
      return node.sent('leftOut', 'c').length;
    };
    expect(told({ voters: ['a', 'b'] }, 1)).toBe(0);
    expect(told({ voters: ['a', 'b'] }, 2)).toBe(1);
    expect(told({ voters: ['a', 'b'], outgoing: ['a', 'b', 'c'] }, 2)).toBe(0);
    expect(told({ voters: ['a', 'b'], learners: ['c'] }, 2)).toBe(0);
  });

  it('4.2.3: who was to be added by an entry that came to nothing is told so by those of the first configuration', () => {
    const node = new Bench();
    node.receive('b', append(log(1, 1), { commit: 2 }));
    node.receive('x', { type: 'voteRequest', term: 2, pre: true, lastIndex: 3, lastTerm: 1 });
    expect(node.sent('leftOut', 'x')).toMatchObject([{ index: 2, indexTerm: 1 }]);
  });

  it('4.2.3: who belongs to no group yet leaves nobody out, and a stranger’s word that it is left out counts for nothing', () => {
    const newcomer = new Bench({ voters: [] });
    newcomer.receive('c', { type: 'voteRequest', term: 2, pre: false, lastIndex: 1, lastTerm: 1 });
    expect(newcomer.sent('leftOut')).toEqual([]);
    const node = new Bench();
    node.passElectionTimeout();
    node.receive('x', { type: 'leftOut', term: 1, index: 2, indexTerm: 1 });
    expect([node.core.role, node.core.rejections]).toEqual(['preCandidate', 1]);
  });

  it('a node that was removed can be added again', () => {
    const cluster = trio();
    cluster.node('a').change({ c: 'removed' });
    cluster.settle();
    cluster.node('a').change({ c: 'voter' });
    cluster.settle();
    cluster.pass(60);
    expect(cluster.node('c').core.role).toBe('follower');
    expect(cluster.node('a').core.commitIndex).toBe(cluster.node('c').core.commitIndex);
  });
});

describe('a learner', () => {
  it('4.2.1: catches up and is never counted in a quorum', () => {
    const node = leader();
    node.change({ d: 'learner' });
    node.accept('d');
    expect(node.core.commitIndex).toBe(1);
    node.accept('b');
    expect(node.core.commitIndex).toBe(2);
    node.propose('x');
    node.accept('d');
    expect(node.core.commitIndex).toBe(2);
    node.clear();
    // Nor for votes, nor for a read.
    node.input({ type: 'READ', reads: [{ ref: 5, timeoutMs: 1000 }] });
    expect(node.sent('confirm', 'd')).toEqual([]);
    node.receive('d', { type: 'confirmed', term: 1, round: 1 });
    expect(node.of('respond')).toEqual([]);
    node.receive('b', append(log(2), { term: 2, prevIndex: 0 }));
    node.clear();
    node.passElectionTimeout();
    expect(node.sent('voteRequest', 'd')).toEqual([]);
  });

  it('4.2.1: never stands, not even when it is told to, but votes when it is asked', () => {
    const node = new Bench({ checkQuorum: false });
    node.receive(
      'b',
      append([configurationEntry(1, 1, { voters: ['b', 'c'], learners: ['a'] })], { commit: 1 }),
    );
    expect(node.core.role).toBe('learner');
    expect(node.timers.size).toBe(0);
    node.receive('b', { type: 'timeoutNow', term: 1 });
    expect(node.core.role).toBe('learner');
    node.clear();
    node.receive('c', { type: 'voteRequest', term: 2, pre: false, lastIndex: 1, lastTerm: 1 });
    expect(node.sent('voteResponse', 'c')).toMatchObject([{ granted: true }]);
    expect(node.core.role).toBe('learner');
  });

  it('4.2.1: is promoted by itself when it is staged, healthy and nearly caught up', () => {
    const node = leader();
    const ref = node.change({ d: 'staged' });
    node.accept('b');
    expect(node.outcomeOf(ref)).toBe('done');
    expect(node.core.configuration).toMatchObject({ learners: ['d'], staging: ['d'] });
    // A silent one is not, however long.
    for (let i = 0; i < 20; i++) {
      node.pass(50);
      node.accept('b');
    }
    expect(node.core.configuration.learners).toEqual(['d']);
    // The first round took longer than an election timeout: it gets another.
    node.accept('d');
    expect(node.core.configuration.learners).toEqual(['d']);
    node.propose('x');
    node.accept('b');
    node.pass(50);
    node.accept('d');
    expect(node.core.configuration).toMatchObject({
      voters: ['a', 'b', 'c', 'd'],
      learners: [],
      staging: [],
    });
  });

  it('4.2.1: is promoted by the next leader when the first is gone, and waits while another change is under way', () => {
    const cluster = trio();
    cluster.join('d');
    const toD = ({ to }: { readonly to: string }): boolean => to !== 'd';
    cluster.node('a').change({ d: 'staged' });
    cluster.settle(toD);
    cluster.pass(60, toD);
    cluster.elect('b', ({ from, to }) => from !== 'a' && to !== 'a');
    cluster.pass(300, ({ from, to }) => from !== 'a' && to !== 'a');
    expect(cluster.node('b').core.configuration.voters).toEqual(['a', 'b', 'c', 'd']);
    expect(cluster.node('d').core.role).toBe('follower');
  });

  it('4.2.1: is one from the moment it is demoted for good, and a voter again as soon as it is promoted', () => {
    const cluster = trio();
    cluster.node('a').change({ c: 'learner' });
    cluster.settle();
    cluster.pass(60);
    expect(cluster.node('c').core.role).toBe('learner');
    cluster.node('a').change({ c: 'voter' });
    cluster.settle();
    expect(cluster.node('c').core.role).toBe('follower');
    cluster.node('c').clear();
    cluster.node('c').passElectionTimeout();
    expect(cluster.node('c').sent('voteRequest').length).toBeGreaterThan(0);
  });

  it('proposes and reads through the leader', () => {
    const cluster = trio();
    const d = cluster.join('d');
    cluster.node('a').change({ d: 'learner' });
    cluster.settle();
    cluster.pass(60);
    const ref = d.propose('from a learner');
    cluster.settle();
    cluster.pass(60);
    expect(d.of('respond')).toMatchObject([{ ref, answer: { status: 'applied' } }]);
  });
});

describe('joint consensus', () => {
  const swap = { d: 'voter', e: 'voter', b: 'removed', c: 'removed' } as const;

  it('4.3: needs both majorities for commits', () => {
    const node = leader();
    node.change(swap);
    expect(node.core.configuration).toMatchObject({
      voters: ['a', 'd', 'e'],
      outgoing: ['a', 'b', 'c'],
      autoLeave: true,
    });
    node.accept('d');
    node.accept('e');
    expect(node.core.commitIndex).toBe(1);
    node.accept('b');
    expect(node.core.commitIndex).toBe(2);
  });

  it('4.3: needs both majorities for votes and for reads', () => {
    const entries = [
      configurationEntry(1, 1, { voters: ['a', 'd', 'e'], outgoing: ['a', 'b', 'c'], autoLeave: true }),
    ];
    const node = new Bench({}, { entries });
    node.passElectionTimeout();
    expect(node.sent('voteRequest').length).toBe(4);
    const grant = (pre: boolean) => ({ type: 'voteResponse', term: 2, pre, granted: true }) as const;
    for (const from of ['d', 'e']) node.receive(from, grant(true));
    expect(node.core.role).toBe('preCandidate');
    node.receive('c', grant(true));
    for (const from of ['b', 'c']) node.receive(from, grant(false));
    expect(node.core.role).toBe('candidate');
    node.receive('d', grant(false));
    expect(node.core.role).toBe('leader');
  });

  it('4.3: is left by itself once it is committed, by a second entry that the new voters commit', () => {
    const node = leader();
    const ref = node.change(swap);
    node.accept('d');
    node.accept('b');
    expect(node.core.configuration).toMatchObject({
      voters: ['a', 'd', 'e'],
      outgoing: [],
      autoLeave: false,
    });
    expect([node.core.lastIndex, node.core.commitIndex]).toEqual([3, 2]);
    expect(node.outcomeOf(ref)).toBeUndefined();
    node.accept('b');
    node.accept('c');
    expect(node.core.commitIndex).toBe(2);
    node.accept('d');
    expect(node.core.commitIndex).toBe(3);
    expect(node.outcomeOf(ref)).toBe('done');
  });

  it('4.3: auto-leave survives a crash of the leader in the joint state', () => {
    const cluster = trio();
    cluster.join('d');
    cluster.join('e');
    const { core } = cluster.node('a');
    cluster.node('a').change({ d: 'voter', e: 'voter', c: 'removed' });
    // The joint entry gets to everybody; what the leader does next, to nobody.
    cluster.settle(({ from, message }) =>
      from === 'a' ? !(message.type === 'append' && message.entries.some(({ index }) => index > 2)) : true,
    );
    expect(core.configuration.outgoing).toEqual([]);
    expect(cluster.node('b').core.configuration.outgoing).toEqual(['a', 'b', 'c']);
    const withoutA = ({ from, to }: { readonly from: string; readonly to: string }): boolean =>
      from !== 'a' && to !== 'a';
    cluster.elect('b', withoutA);
    cluster.pass(60, withoutA);
    expect(cluster.node('b').core.configuration).toMatchObject({
      voters: ['a', 'b', 'd', 'e'],
      outgoing: [],
      autoLeave: false,
    });
    expect(cluster.node('b').core.commitIndex).toBe(cluster.node('b').core.lastIndex);
  });

  it('4.3: a voter is demoted via learnersNext: it votes until the joint configuration is left', () => {
    const node = leader();
    node.change({ c: 'learner', d: 'voter' });
    expect(node.core.configuration).toMatchObject({
      voters: ['a', 'b', 'd'],
      outgoing: ['a', 'b', 'c'],
      learners: [],
      learnersNext: ['c'],
    });
    node.accept('d');
    expect(node.core.commitIndex).toBe(1);
    node.accept('c');
    expect(node.core.commitIndex).toBe(2);
    expect(node.core.configuration).toMatchObject({ learners: ['c'], learnersNext: [], outgoing: [] });
    expect(node.sent('append', 'c').at(-1)?.entries.at(-1)?.index).toBe(3);
  });

  it('4.3: is restored from a snapshot, and what the log says behind it counts from then on', () => {
    const joint = { ...votersOnly(['a', 'd', 'e']), outgoing: ['a', 'b', 'c'], learnersNext: ['c'] };
    const past = {
      hardState: { term: 1, vote: null },
      base: { index: 5, term: 1 },
      appliedIndex: 5,
      snapshot: { index: 5, term: 1, bytes: 100, crc: 7 },
      configuration: joint,
    };
    expect(new Bench({}, past).core.configuration).toEqual(joint);
    const left = configurationEntry(6, 1, { voters: ['a', 'd', 'e'], learners: ['c'] });
    const further = new Bench({}, { ...past, entries: [left] });
    expect(further.core.configuration).toMatchObject({ outgoing: [], learners: ['c'] });
    further.receive(
      'd',
      append([{ ...log(1)[0], index: 6, term: 2 } as Entry], { prevIndex: 5, prevTerm: 1 }),
    );
    expect(further.core.configuration).toEqual(joint);
  });

  it('4.3: an explicit one stays until it is left, and takes no change meanwhile', () => {
    const node = leader();
    const ref = node.change({ d: 'voter' }, 'explicit');
    expect(node.outcomeOf(node.change({}, 'leave'))).toBe('underWay');
    node.input({ type: 'ABANDON', ref });
    expect(node.outcomeOf(node.change({}, 'leave'))).toBe('underWay');
    node.accept('b');
    node.accept('d');
    expect(node.core.configuration.outgoing).toEqual(['a', 'b', 'c']);
    expect(node.outcomeOf(node.change({ e: 'voter' }))).toBe('alreadyJoint');
    expect(node.outcomeOf(node.change({ e: 'voter' }, 'joint'))).toBe('alreadyJoint');
    const left = node.change({}, 'leave');
    node.accept('b');
    node.accept('d');
    expect(node.outcomeOf(left)).toBe('done');
    expect(node.core.configuration).toEqual(votersOnly(['a', 'b', 'c', 'd']));
  });

  it('4.3: one voter can be changed over a joint configuration as well', () => {
    const node = leader();
    node.change({ d: 'voter' }, 'joint');
    expect(node.core.configuration).toMatchObject({ outgoing: ['a', 'b', 'c'], autoLeave: true });
  });

  it('4.3: is given up with its entry, and another one in its place counts from its own append', () => {
    const joint = (voters: readonly string[]): Entry =>
      configurationEntry(1, voters.includes('d') ? 1 : 2, { voters, outgoing: ['a', 'b', 'c'] });
    const node = new Bench();
    node.receive('b', append([joint(['a', 'd'])], { commit: 0 }));
    node.receive('c', append([joint(['a', 'e'])], { commit: 0 }));
    expect(node.core.configuration.voters).toEqual(['a', 'e']);
    node.receive('b', append(log(3), { term: 3 }));
    expect(node.core.configuration).toEqual(votersOnly(['a', 'b', 'c']));
  });

  it('is not left while the lead is being handed over', () => {
    const node = leader();
    node.change({ d: 'voter' }, 'joint');
    node.input({ type: 'TRANSFER', ref: 77, to: 'b', timeoutMs: 5000 });
    node.accept('d');
    node.accept('b', 2);
    expect(node.core.configuration.outgoing).toEqual(['a', 'b', 'c']);
    node.pass(249);
    node.accept('c', 2);
    node.pass(1);
    expect(node.core.role).toBe('leader');
    expect(node.core.configuration.outgoing).toEqual([]);
  });
});

describe('a transfer of the lead', () => {
  it('3.10: refuses a target that is removed, demoted or a learner', () => {
    const node = leader({ voters: ['a', 'b', 'c', 'd'] });
    const outcomeTo = (to: string): string | undefined => {
      const ref = 1000 + node.effects.length;
      node.input({ type: 'TRANSFER', ref, to, timeoutMs: 5000 });
      return node.of('transferred').find((effect) => effect.ref === ref)?.outcome;
    };
    node.change({ c: 'learner' });
    expect(outcomeTo('c')).toBe('targetUnknown');
    node.accept('b');
    node.accept('d');
    expect(outcomeTo('c')).toBe('targetUnknown');
    node.change({ d: 'removed' });
    expect(outcomeTo('d')).toBe('targetUnknown');
  });
});

describe('a change of members', () => {
  it('goes on from a checkpoint wherever it was', () => {
    const node = leader();
    node.change({ d: 'voter', e: 'staged', c: 'learner' });
    const twin = new RaftCore({ ...defaults, nodeId: 'a' }, 1);
    twin.restore(node.core.checkpoint());
    const said: unknown[] = [];
    const out = { observer: null, emit: (effect: unknown) => void said.push(effect) };
    node.clear();
    const messages: [string, number][] = [
      ['d', 2],
      ['b', 2],
      ['b', 3],
      ['d', 3],
      ['e', 3],
    ];
    for (const [from, match] of messages) {
      const message: RaftMessage = { type: 'appendAccepted', term: 1, match };
      node.input({ type: 'MESSAGE', from, message });
      twin.handle({ type: 'MESSAGE', from, message }, node.nowMs, out);
      for (const effect of said.filter((one) => (one as { type: string }).type === 'persist')) {
        twin.handle(
          { type: 'PERSISTED', sequence: (effect as { sequence: number }).sequence },
          node.nowMs,
          out,
        );
      }
    }
    expect(twin.configuration).toEqual(node.core.configuration);
    expect(twin.commitIndex).toBe(node.core.commitIndex);
    expect(said.filter((one) => (one as { type: string }).type === 'membersChanged')).toEqual(
      node.of('membersChanged'),
    );
  });
});
