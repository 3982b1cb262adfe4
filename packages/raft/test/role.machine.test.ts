/** Every transition of `raft.role` as a behaviour of the core that owns the machine. */
import { describe, expect, it } from 'vitest';
import { Bench, log } from './support/bench.ts';

const heartbeat = (term: number) =>
  ({ type: 'append', term, prevIndex: 0, prevTerm: 0, commit: 0, entries: [] }) as const;
const grant = (term: number, pre = false) => ({ type: 'voteResponse', term, pre, granted: true }) as const;
const deny = (term: number, pre = false) => ({ type: 'voteResponse', term, pre, granted: false }) as const;

/** Has asked for pre-votes at term 1. */
function preCandidate(): Bench {
  const node = new Bench({}, { entries: log(1) });
  node.passElectionTimeout();
  expect(node.core.role).toBe('preCandidate');
  return node;
}

/** Stands in term 2. */
function candidate(config: Parameters<typeof makeBench>[0] = {}): Bench {
  const node = makeBench(config);
  node.passElectionTimeout();
  if (node.core.role === 'preCandidate') node.receive('b', grant(2, true));
  expect(node.core.role).toBe('candidate');
  expect(node.core.currentTerm).toBe(2);
  return node;
}
const makeBench = (config: ConstructorParameters<typeof Bench>[0]): Bench =>
  new Bench(config, { entries: log(1) });

function leader(config: ConstructorParameters<typeof Bench>[0] = {}): Bench {
  const node = makeBench(config);
  node.becomeLeader();
  return node;
}

describe('a follower', () => {
  it('asks for pre-votes when no leader is heard for its election timeout, and not before', () => {
    const node = new Bench({}, { entries: log(1) });
    node.pass(249);
    expect(node.core.role).toBe('follower');
    expect(node.of('send')).toEqual([]);
    node.pass(251);
    expect(node.core.role).toBe('preCandidate');
    expect(node.core.currentTerm).toBe(1);
    expect(node.sent('voteRequest', 'b')[0]).toEqual({
      type: 'voteRequest',
      term: 2,
      pre: true,
      lastIndex: 1,
      lastTerm: 1,
    });
  });

  it('stays one while heartbeats come, however long, and asks within a timeout of the last one', () => {
    const node = new Bench();
    for (let i = 0; i < 40; i++) {
      node.receive('b', heartbeat(1));
      node.pass(50);
      expect(node.core.role).toBe('follower');
    }
    node.pass(199);
    expect(node.core.role).toBe('follower');
    node.pass(251);
    expect(node.core.role).toBe('preCandidate');
  });

  it('waits only for what is left of its timeout after the last heartbeat', () => {
    const node = new Bench();
    const timeoutMs = [...node.timers.values()][0] ?? 0;
    node.pass(timeoutMs - 50);
    node.receive('b', heartbeat(1));
    node.passElectionTimeout();
    expect(node.nowMs).toBe(timeoutMs);
    const leftMs = ([...node.timers.values()][0] ?? 0) - timeoutMs;
    expect(leftMs).toBeGreaterThanOrEqual(255 - 50);
    expect(leftMs).toBeLessThanOrEqual(275 - 50);
  });

  it.each([
    { self: 'a', priorities: {}, from: 255, to: 275 },
    { self: 'c', priorities: {}, from: 305, to: 325 },
    { self: 'a', priorities: { c: 1 }, from: 305, to: 325 },
    { self: 'c', priorities: { c: 1 }, from: 255, to: 275 },
    { self: 'a', priorities: { a: -1, b: 5 }, from: 305, to: 325 },
  ])(
    'waits for its turn when the leader falls silent: $self, $priorities',
    ({ self, priorities, from, to }) => {
      const node = new Bench({ nodeId: self, priorities });
      // The first timeout was drawn before a leader was known.
      for (let i = 0; i < 20; i++) {
        node.receive('b', heartbeat(1));
        node.pass(50);
      }
      const heardMs = node.nowMs - 50;
      while (node.core.role === 'follower') node.pass(1);
      expect(node.nowMs - heardMs).toBeGreaterThanOrEqual(from);
      expect(node.nowMs - heardMs).toBeLessThanOrEqual(to);
    },
  );

  it.each([
    { self: 'a', priorities: {}, turnMs: 5 },
    { self: 'c', priorities: {}, turnMs: 55 },
    { self: 'a', priorities: { c: 1 }, turnMs: 55 },
    { self: 'c', priorities: { c: 1 }, turnMs: 5 },
  ])(
    'asks for pre-votes when the connection to its leader breaks, in its turn: $self, $priorities',
    ({ self, priorities, turnMs }) => {
      const node = new Bench({ nodeId: self, priorities });
      node.receive('b', heartbeat(1));
      node.lose('b');
      node.pass(turnMs - 1);
      expect(node.core.role).toBe('follower');
      node.pass(1);
      expect(node.core.role).toBe('preCandidate');
    },
  );

  it('follows on when a leader it took for lost is heard again', () => {
    const node = new Bench();
    node.receive('b', heartbeat(1));
    node.lose('b');
    node.pass(1);
    node.receive('b', heartbeat(1));
    node.pass(249);
    expect(node.core.role).toBe('follower');
  });

  it('grants pre-votes at once when the connection to its leader breaks', () => {
    const node = new Bench();
    node.receive('b', heartbeat(1));
    node.receive('c', { type: 'voteRequest', term: 2, pre: true, lastIndex: 0, lastTerm: 0 });
    node.lose('b');
    node.receive('c', { type: 'voteRequest', term: 2, pre: true, lastIndex: 0, lastTerm: 0 });
    expect(node.sent('voteResponse', 'c').map((answer) => 'granted' in answer && answer.granted)).toEqual([
      false,
      true,
    ]);
  });

  it('takes no notice when the connection to another breaks, or where pre-votes are off', () => {
    const other = new Bench();
    other.receive('b', heartbeat(1));
    other.lose('c');
    other.pass(200);
    expect(other.core.role).toBe('follower');
    const bold = new Bench({ preVote: false });
    bold.receive('b', heartbeat(1));
    bold.lose('b');
    bold.pass(200);
    expect(bold.core.role).toBe('follower');
  });

  it('does not step its machine for a heartbeat', () => {
    const node = new Bench();
    node.receive('b', heartbeat(1));
    node.clear();
    node.receive('b', heartbeat(1));
    expect(node.effects.map(({ type }) => type)).toEqual(['send']);
  });

  it('stands at once where pre-votes are off', () => {
    const node = new Bench({ preVote: false }, { entries: log(1) });
    node.passElectionTimeout();
    expect(node.core.role).toBe('candidate');
    expect(node.core.currentTerm).toBe(2);
  });

  it('takes over a higher term and stays a follower', () => {
    const node = new Bench({}, { entries: log(1) });
    node.receive('b', deny(7));
    expect(node.core.currentTerm).toBe(7);
    expect(node.core.role).toBe('follower');
  });

  it('stops for good when its disk fails', () => {
    const node = new Bench();
    node.input({ type: 'FAILED', what: 'storage', reason: 'no space' });
    expect(node.core.hasFailed).toBe(true);
    expect(node.of('stopped')).toEqual([{ type: 'stopped', what: 'storage', reason: 'no space' }]);
    expect(node.timers.size).toBe(0);
    node.clear();
    node.receive('b', { type: 'voteRequest', term: 5, pre: false, lastIndex: 9, lastTerm: 4 });
    expect(node.effects).toEqual([]);
  });
});

describe('a pre-candidate', () => {
  it('stands when a majority would vote for it', () => {
    const node = preCandidate();
    node.receive('b', grant(2, true));
    expect(node.core.role).toBe('candidate');
    expect(node.core.currentTerm).toBe(2);
    expect(node.core.votedFor).toBe('a');
  });

  it('goes back to waiting when a majority would not', () => {
    const node = preCandidate();
    node.receive('b', deny(1, true));
    expect(node.core.role).toBe('preCandidate');
    node.receive('c', deny(1, true));
    expect(node.core.role).toBe('follower');
    expect(node.core.currentTerm).toBe(1);
    node.passElectionTimeout();
    expect(node.core.role).toBe('preCandidate');
  });

  it('asks again when nobody answers, without raising its term', () => {
    const node = preCandidate();
    node.clear();
    node.passElectionTimeout();
    expect(node.core.role).toBe('preCandidate');
    expect(node.core.currentTerm).toBe(1);
    expect(node.sent('voteRequest').map(({ pre }) => pre)).toEqual([true, true]);
  });

  it('follows the leader of its term', () => {
    const node = preCandidate();
    node.receive('c', heartbeat(1));
    expect(node.core.role).toBe('follower');
    expect(node.core.leaderId).toBe('c');
  });

  it('becomes a follower of a higher term', () => {
    const node = preCandidate();
    node.receive('b', deny(5, true));
    expect(node.core.role).toBe('follower');
    expect(node.core.currentTerm).toBe(5);
  });

  it('stops when its disk fails', () => {
    const node = preCandidate();
    node.input({ type: 'FAILED', what: 'storage', reason: 'x' });
    expect(node.core.hasFailed).toBe(true);
    expect(node.timers.size).toBe(0);
  });
});

describe('a candidate', () => {
  it('leads when a majority votes for it', () => {
    const node = candidate();
    node.receive('c', grant(2));
    expect(node.core.role).toBe('leader');
    expect(node.core.leaderId).toBe('a');
  });

  it('goes back to waiting when a majority refuses', () => {
    const node = candidate();
    node.receive('b', deny(2));
    expect(node.core.role).toBe('candidate');
    node.receive('c', deny(2));
    expect(node.core.role).toBe('follower');
    expect(node.core.currentTerm).toBe(2);
  });

  it('asks for pre-votes again when its election has no result', () => {
    const node = candidate();
    node.passElectionTimeout();
    expect(node.core.role).toBe('preCandidate');
    expect(node.core.currentTerm).toBe(2);
  });

  it('stands anew when its election has no result and pre-votes are off', () => {
    const node = candidate({ preVote: false });
    node.passElectionTimeout();
    expect(node.core.role).toBe('candidate');
    expect(node.core.currentTerm).toBe(3);
    node.passElectionTimeout();
    expect(node.core.currentTerm).toBe(4);
  });

  it('follows a leader of its term', () => {
    const node = candidate();
    node.receive('b', heartbeat(2));
    expect(node.core.role).toBe('follower');
    expect(node.core.leaderId).toBe('b');
  });

  it('becomes a follower of a higher term', () => {
    const node = candidate();
    node.receive('b', deny(3));
    expect(node.core.role).toBe('follower');
    expect(node.core.currentTerm).toBe(3);
  });

  it('does not lead when its disk fails, whatever votes come', () => {
    const node = candidate();
    node.input({ type: 'FAILED', what: 'storage', reason: 'x' });
    node.receive('b', grant(2));
    expect(node.core.role).toBe('follower');
    expect(node.core.hasFailed).toBe(true);
  });
});

describe('a leader', () => {
  it('appends a no-op of its term and sends it to everybody', () => {
    const node = leader();
    expect(node.core.log.entryAt(2)).toMatchObject({ term: 2, kind: 'noop' });
    expect(node.sent('append', 'b')[0]).toMatchObject({ term: 2, prevIndex: 1, prevTerm: 1 });
    expect(node.sent('append', 'c')[0]?.entries).toHaveLength(1);
  });

  it('keeps leading while a majority answers, over many checks', () => {
    const node = leader();
    for (let i = 0; i < 60; i++) {
      node.pass(50);
      node.accept('b');
      expect(node.core.role).toBe('leader');
    }
  });

  it('steps down when a majority has been silent for an election timeout', () => {
    const node = leader();
    for (let i = 0; i < 20; i++) {
      node.pass(50);
      node.accept('b');
    }
    node.pass(499);
    expect(node.core.role).toBe('leader');
    node.pass(300);
    expect(node.core.role).toBe('follower');
    expect(node.core.leaderId).toBe(null);
    expect(node.core.currentTerm).toBe(2);
    expect(node.of('leaderChanged').at(-1)).toMatchObject({ leaderId: null });
    node.clear();
    node.pass(200);
    expect(node.sent('append')).toEqual([]);
    node.pass(300);
    expect(node.core.role).toBe('preCandidate');
  });

  it('keeps leading without contact where the check is off', () => {
    const node = leader({ checkQuorum: false });
    node.pass(5000);
    expect(node.core.role).toBe('leader');
    expect(node.sent('append').length).toBeGreaterThan(150);
  });

  it('steps down before a higher term', () => {
    const node = leader();
    node.receive('b', { type: 'appendRejected', term: 9, rejected: 1, hintIndex: 0, hintTerm: 0 });
    expect(node.core.role).toBe('follower');
    expect(node.core.currentTerm).toBe(9);
    node.clear();
    node.pass(60);
    expect(node.sent('append')).toEqual([]);
  });

  it('lays down its lead when its disk fails', () => {
    const node = leader();
    node.clear();
    node.input({ type: 'FAILED', what: 'storage', reason: 'x' });
    expect(node.core.role).toBe('follower');
    expect(node.core.hasFailed).toBe(true);
    expect(node.of('roleChanged').at(-1)).toMatchObject({ role: 'follower' });
    expect(node.timers.size).toBe(0);
    node.pass(1000);
    expect(node.of('send')).toEqual([]);
  });
});
