/** Reads from a lease: one test per claim of thesis section 6.4.1, and per doubt that takes the lease away. */
import { describe, expect, it } from 'vitest';
import { ClockWatch } from '../src/clock-watch.ts';
import { votersOnly } from '../src/core/configuration.ts';
import { encodeConfiguration } from '../src/core/membership.ts';
import { RaftCore, type RaftMessage } from '../src/index.ts';
import { Bench, type defaults, log } from './support/bench.ts';
import { TestGroup } from './support/group.ts';

const roundOf = (node: Bench): number => node.sent('confirm').at(-1)?.round ?? 0;
const confirm = (node: Bench, from: string, round = roundOf(node)): void =>
  node.receive(from, { type: 'confirmed', term: node.core.currentTerm, round });

/** A leader that a majority has answered just now. */
function leased(config: Partial<typeof defaults> = {}): Bench {
  const node = new Bench({ leaseReads: true, ...config });
  node.becomeLeader();
  node.accept('b');
  node.pass(50);
  confirm(node, 'b');
  node.clear();
  return node;
}

let refs = 2_000_000;
function read(node: Bench, byLease = true): number {
  const ref = ++refs;
  node.input({ type: 'READ', reads: [{ ref, timeoutMs: 5000, ...(byLease ? { byLease } : {}) }] });
  return ref;
}
const answerTo = (node: Bench, ref: number) =>
  node.of('respond').find((effect) => effect.ref === ref)?.answer;
/** Whether a lease read is answered at once. */
const answersByLease = (node: Bench): boolean => answerTo(node, read(node)) !== undefined;

const heartbeat = (term = 1): RaftMessage => ({
  type: 'append',
  term,
  prevIndex: 0,
  prevTerm: 0,
  commit: 0,
  entries: [],
});
const voteRequest = (term: number, more: { pre?: boolean; invited?: true } = {}): RaftMessage => ({
  type: 'voteRequest',
  term,
  pre: false,
  lastIndex: 9,
  lastTerm: 9,
  ...more,
});
const votesGiven = (node: Bench): boolean[] => node.sent('voteResponse').map(({ granted }) => granted);

describe('a lease read at the leader', () => {
  it('6.4.1: is answered at once, with what is committed, while the lease lasts', () => {
    const node = leased();
    const ref = read(node);
    expect(answerTo(node, ref)).toMatchObject({ status: 'applied', index: 1, term: 1 });
    expect(node.sent('confirm')).toEqual([]);
    expect(node.core.leaseReads).toBe(1);
  });

  it('6.4.1: 47, refuses its lease when the bound is uncertain: after a pause, a jump of the clock, or word of either', () => {
    const doubts: Record<string, (node: Bench) => void> = {
      pause: (node) => (node.nowMs += 101),
      'clock set back': (node) => (node.nowMs -= 1),
      'word that time has passed': (node) => node.input({ type: 'CLOCK_DOUBTED' }),
    };
    for (const [name, doubt] of Object.entries(doubts)) {
      const node = leased();
      expect(answersByLease(node)).toBe(true);
      doubt(node);
      const ref = read(node);
      expect([name, answerTo(node, ref)]).toEqual([name, undefined]);
      // It is not lost: a majority is asked, as for any read.
      confirm(node, 'b');
      expect(answerTo(node, ref)).toMatchObject({ status: 'applied' });
      expect(answersByLease(node)).toBe(true);
    }
  });

  it('6.4.1: has a lease from when the majority was asked, not from when it answered', () => {
    const node = new Bench({ leaseReads: true });
    node.becomeLeader();
    node.accept('b');
    node.pass(50);
    const round = roundOf(node);
    node.pass(100);
    confirm(node, 'b', round);
    // Of the 175 ms a hundred have passed.
    expect(answersByLease(node)).toBe(true);
    node.pass(45);
    expect(answersByLease(node)).toBe(true);
    node.pass(30);
    expect(answersByLease(node)).toBe(false);
  });

  it('6.4.1: gets no lease from a round that was out when the clock came into doubt', () => {
    const node = leased();
    node.pass(50);
    const round = roundOf(node);
    node.input({ type: 'CLOCK_DOUBTED' });
    confirm(node, 'b', round);
    expect(answersByLease(node)).toBe(false);
  });

  it('needs a majority, and of both configurations while there are two', () => {
    const node = new Bench({ leaseReads: true, voters: ['a', 'b', 'c', 'd', 'e'] });
    node.becomeLeader();
    for (const from of ['b', 'c']) node.accept(from);
    node.pass(50);
    confirm(node, 'b');
    expect(answersByLease(node)).toBe(false);
    confirm(node, 'c');
    expect(answersByLease(node)).toBe(true);
  });

  it('renews its lease with the heartbeats, so that a read waits for nobody', () => {
    const node = leased();
    for (let i = 0; i < 20; i++) {
      node.pass(50);
      node.accept('b');
      confirm(node, 'b');
      expect(answersByLease(node)).toBe(true);
    }
  });

  it('has no lease once the members have changed, until a majority of the new ones is heard', () => {
    const node = leased();
    node.change({ d: 'learner' });
    expect(answersByLease(node)).toBe(false);
    confirm(node, 'b');
    expect(answersByLease(node)).toBe(true);
  });

  it('3.10: has none while it hands the lead over, and none in its term once it has told another to stand', () => {
    const node = leased();
    node.accept('b', 0);
    node.propose('x');
    node.input({ type: 'TRANSFER', ref: 1, to: 'c', timeoutMs: 5000 });
    expect(answersByLease(node)).toBe(false);
    node.accept('c');
    expect(node.sent('timeoutNow', 'c')).toHaveLength(1);
    node.pass(300);
    expect(node.of('transferred')).toMatchObject([{ outcome: 'failed' }]);
    confirm(node, 'b');
    node.pass(50);
    confirm(node, 'b');
    expect(node.core.role).toBe('leader');
    expect(answersByLease(node)).toBe(false);
  });

  it('3.10: leads on with its lease when it gave the transfer up before anybody was told to stand', () => {
    const node = leased();
    node.propose('x');
    node.input({ type: 'TRANSFER', ref: 1, to: 'c', timeoutMs: 5000 });
    for (let passed = 0; passed < 300; passed += 50) {
      node.pass(50);
      confirm(node, 'b');
    }
    expect(node.sent('timeoutNow')).toEqual([]);
    expect(answersByLease(node)).toBe(true);
  });

  it('has none in its next term before a majority has answered in that', () => {
    const node = leased();
    node.receive('b', heartbeat(2));
    node.passElectionTimeout();
    node.becomeLeader();
    node.accept('b');
    expect(answersByLease(node)).toBe(false);
  });

  it('knows nothing of leases unless they are configured, and uses none for a read that does not ask for it', () => {
    expect(answersByLease(leased({ leaseReads: false }))).toBe(false);
    const node = leased();
    expect(answerTo(node, read(node, false))).toBeUndefined();
    const without = leased({ leaseReads: false });
    without.pass(50);
    expect(without.sent('confirm')).toEqual([]);
  });

  it('asks the leader when it is made at a follower', () => {
    const node = new Bench({ leaseReads: true });
    node.receive('b', heartbeat());
    read(node);
    expect(node.sent('readRequest', 'b')).toHaveLength(1);
  });

  it('goes on from a checkpoint with its lease, its round and its doubts', () => {
    const node = leased();
    node.pass(50);
    node.input({ type: 'CLOCK_DOUBTED' });
    read(node);
    const core = new RaftCore(node.config, 1);
    const bytes = node.core.checkpoint();
    core.restore(bytes);
    expect(core.checkpoint()).toEqual(bytes);
  });
});

describe('what a lease rests on', () => {
  /** A follower of `b` in term 1. */
  function follower(leaseReads = true): Bench {
    const node = new Bench({ leaseReads });
    node.pass(300);
    node.receive('b', heartbeat());
    node.clear();
    return node;
  }

  it('6.4.1: whoever has heard a leader votes for no other before an election timeout is over', () => {
    const node = follower();
    node.pass(240);
    node.receive('c', voteRequest(2, { pre: true }));
    node.receive('c', voteRequest(2));
    expect(votesGiven(node)).toEqual([false]);
    node.pass(20);
    node.receive('c', voteRequest(2, { pre: true }));
    node.receive('c', voteRequest(2));
    expect(votesGiven(node)).toEqual([false, true, true]);
  });

  it('6.4.1: nor in a term that it has heard of meanwhile', () => {
    for (const leaseReads of [true, false]) {
      const node = follower(leaseReads);
      node.receive('c', { type: 'voteResponse', term: 2, pre: true, granted: false });
      expect(node.core.currentTerm).toBe(2);
      node.receive('c', voteRequest(2));
      expect(votesGiven(node)).toEqual([!leaseReads]);
      node.receive('c', voteRequest(2, { invited: true }));
      expect(votesGiven(node).at(-1)).toBe(true);
    }
  });

  it('6.4.1: nor because the connection to its leader broke', () => {
    const node = follower();
    node.lose('b');
    node.pass(200);
    node.receive('c', voteRequest(2, { pre: true }));
    expect(votesGiven(node)).toEqual([false]);
    expect(node.core.role).toBe('follower');
  });

  it('6.4.1: nor because it has failed since and was started again', () => {
    for (const leaseReads of [true, false]) {
      const node = new Bench({ leaseReads }, { entries: log(1) });
      node.pass(200);
      node.receive('c', voteRequest(2));
      expect(node.core.votedFor).toBe(leaseReads ? null : 'c');
    }
  });

  it('3.10: an invitation to stand that came to nothing is not used later', () => {
    const members = encodeConfiguration(votersOnly(['a', 'b', 'c']));
    const node = new Bench({ voters: [] });
    node.receive('b', { type: 'timeoutNow', term: 1 });
    expect(node.core.role).toBe('learner');
    const entry = { index: 1, term: 1, kind: 'configuration', session: null, command: members } as const;
    node.receive('b', { type: 'append', term: 1, prevIndex: 0, prevTerm: 0, commit: 0, entries: [entry] });
    expect(node.core.role).toBe('follower');
    node.passElectionTimeout();
    node.passElectionTimeout();
    node.receive('b', { type: 'voteResponse', term: 2, pre: true, granted: true });
    const stood = node.sent('voteRequest', 'b').filter(({ pre }) => !pre);
    expect(stood.map(({ invited }) => invited)).toEqual([undefined]);
  });
});

describe('a clock that is watched', () => {
  const watched = () => {
    const at = { nowMs: 0, wallMs: 1000 };
    const clock = { nowMs: () => at.nowMs, setTimer: () => ({ cancel: () => undefined }) };
    const watch = new ClockWatch(clock, { nowMs: () => at.wallMs }, 250);
    return {
      after: (ms: number, wallMs = ms): boolean => {
        at.nowMs += ms;
        at.wallMs += wallMs;
        return watch.differs();
      },
    };
  };

  it('is trusted while it goes with the time of day, more or less', () => {
    const clock = watched();
    expect([10, 100, 1000, 10_000].map((ms) => clock.after(ms, ms + 3))).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });

  it('is not when it stood still or went ahead, once for each time', () => {
    const clock = watched();
    expect(clock.after(1, 400)).toBe(true);
    expect(clock.after(1)).toBe(false);
    expect(clock.after(100, 50)).toBe(true);
    expect(clock.after(1)).toBe(false);
  });

  it('is not when it lost a little again and again', () => {
    const clock = watched();
    expect([8, 8, 8].map((lost) => clock.after(10, 10 + lost))).toEqual([false, true, false]);
  });

  it('makes a replica ask a majority, and one without a second clock always asks', () => {
    for (const hasWallClock of [true, false]) {
      const group = new TestGroup(['a', 'b', 'c'], { config: { leaseReads: true }, hasWallClock });
      const { replica } = group.electLeader();
      group.clock.advance(200);
      const index = (): number | undefined => {
        let found: number | undefined;
        replica.read((outcome) => (found = outcome.ok ? outcome.value : undefined), { consistency: 'lease' });
        return found;
      };
      expect([index() !== undefined, replica.core.leaseReads]).toEqual([hasWallClock, hasWallClock ? 1 : 0]);
      group.wallAheadMs += 100;
      expect(index()).toBeUndefined();
    }
  });
});
