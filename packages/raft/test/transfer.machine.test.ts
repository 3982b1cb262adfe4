/** Handing the lead over (thesis 3.10): the transitions of `raft.role` that belong to it, and what the core does around them. */
import { describe, expect, it } from 'vitest';
import { RaftCore, type RaftInput, type RaftMessage } from '../src/index.ts';
import { Bench, BenchCluster, log } from './support/bench.ts';

const heartbeat = (term: number, entries = log()): RaftMessage => ({
  type: 'append',
  term,
  prevIndex: 0,
  prevTerm: 0,
  commit: 0,
  entries,
});

/** A leader in term 1 whose no-op everybody has. */
function leader(config: ConstructorParameters<typeof Bench>[0] = {}): Bench {
  const node = new Bench(config);
  node.becomeLeader();
  for (const from of node.peers) node.accept(from);
  node.clear();
  return node;
}

let refs = 2_000_000;
function transfer(node: Bench, to: string, timeoutMs = 5000): number {
  const ref = ++refs;
  node.input({ type: 'TRANSFER', ref, to, timeoutMs });
  return ref;
}
const outcomes = (node: Bench, ref: number): string[] =>
  node
    .of('transferred')
    .filter((effect) => effect.ref === ref)
    .map(({ outcome }) => outcome);
const forward = (node: Bench, from: string, ref: number, command = 'forwarded'): RaftMessage => {
  const drafts = [
    { ref, kind: 'command', session: null, command: new TextEncoder().encode(command) },
  ] as const;
  const message: RaftMessage = { type: 'propose', term: node.core.currentTerm, boot: 7, drafts };
  node.receive(from, message);
  return message;
};

describe('a leader that hands its lead over', () => {
  it('3.10: waits until the other has the whole log, and then tells it to stand', () => {
    const node = leader();
    node.propose('x');
    transfer(node, 'c');
    node.accept('b');
    expect(node.sent('timeoutNow')).toEqual([]);
    node.accept('c');
    expect(node.sent('timeoutNow', 'c')).toEqual([{ type: 'timeoutNow', term: 1 }]);
    expect(node.sent('timeoutNow', 'b')).toEqual([]);
    expect(node.core.role).toBe('leader');
  });

  it('says so again with every heartbeat, lest it was lost', () => {
    const node = leader();
    transfer(node, 'b');
    node.pass(100);
    expect(node.sent('timeoutNow', 'b')).toHaveLength(3);
  });

  it('3.10: stops taking proposals, its own and those of others, and gives up after an election timeout', () => {
    const node = leader();
    const ref = transfer(node, 'b');
    const own = node.propose('own');
    forward(node, 'c', 1);
    forward(node, 'c', 1);
    expect(node.core.lastIndex).toBe(1);
    node.pass(240);
    expect([node.core.lastIndex, outcomes(node, ref)]).toEqual([1, []]);
    node.pass(20);
    expect(outcomes(node, ref)).toEqual(['failed']);
    expect(node.core.role).toBe('leader');
    expect(node.core.lastIndex).toBe(3);
    node.accept('b');
    expect(node.of('respond').map((effect) => [effect.ref, effect.answer.status])).toEqual([
      [own, 'applied'],
    ]);
    expect(node.sent('proposed', 'c').map(({ ref: of, verdict }) => [of, verdict.status])).toEqual([
      [1, 'applied'],
    ]);
    node.propose('and on');
    expect(node.core.lastIndex).toBe(4);
  });

  it('counts contacts again when it leads on: without a majority it steps down', () => {
    const node = leader();
    transfer(node, 'b');
    node.pass(1100);
    expect(node.core.role).not.toBe('leader');
  });

  it('is followed by the other: whoever asked is told, what was held goes on there', () => {
    const node = leader();
    const ref = transfer(node, 'b');
    const own = node.propose('own');
    forward(node, 'c', 1);
    node.receive('b', { type: 'voteRequest', term: 2, pre: false, invited: true, lastIndex: 1, lastTerm: 1 });
    expect(node.sent('voteResponse', 'b')).toEqual([
      { type: 'voteResponse', term: 2, pre: false, granted: true },
    ]);
    expect(node.sent('proposed', 'c').map(({ verdict }) => verdict.status)).toEqual(['notLeader']);
    expect(outcomes(node, ref)).toEqual([]);
    node.receive('b', heartbeat(2));
    expect(outcomes(node, ref)).toEqual(['done']);
    expect(node.sent('propose', 'b')[0]?.drafts.map((draft) => draft.ref)).toEqual([own]);
    expect(node.core.lastIndex).toBe(1);
    expect(node.timers.has('transfer')).toBe(false);
  });

  it('says that it failed when another comes to lead, or nobody in time', () => {
    const node = leader();
    const ref = transfer(node, 'b');
    node.receive('c', heartbeat(2));
    expect(outcomes(node, ref)).toEqual(['failed']);
    const alone = leader();
    const late = transfer(alone, 'b', 300);
    alone.receive('b', {
      type: 'voteRequest',
      term: 2,
      pre: false,
      invited: true,
      lastIndex: 1,
      lastTerm: 1,
    });
    alone.pass(310);
    expect(outcomes(alone, late)).toEqual(['failed']);
  });

  it('3.10: handles a target that is itself, is no voter, or comes second', () => {
    const node = leader();
    const other = new Bench();
    expect(outcomes(node, transfer(node, 'a'))).toEqual(['done']);
    expect(outcomes(node, transfer(node, 'nobody'))).toEqual(['targetUnknown']);
    expect(outcomes(other, transfer(other, 'b'))).toEqual(['notLeader']);
    node.propose('still taken');
    expect(node.core.lastIndex).toBe(2);
    transfer(node, 'b');
    expect(outcomes(node, transfer(node, 'c'))).toEqual(['underWay']);
    node.pass(260);
    const again = transfer(node, 'c');
    expect(outcomes(node, again)).toEqual([]);
  });

  it('goes on when whoever asked no longer waits', () => {
    const node = leader();
    const ref = transfer(node, 'b');
    node.clear();
    node.input({ type: 'ABANDON', ref });
    expect(outcomes(node, ref)).toEqual(['abandoned']);
    node.pass(50);
    expect(node.sent('timeoutNow', 'b')).toHaveLength(1);
  });

  it('holds no more of what others forward than its bound', () => {
    const node = leader({ pendingProposalsMax: 2 });
    transfer(node, 'b');
    for (const ref of [1, 2, 3]) forward(node, 'c', ref);
    node.pass(260);
    expect(node.core.lastIndex).toBe(3);
  });

  it('goes on from a checkpoint', () => {
    const node = leader();
    transfer(node, 'b');
    node.propose('own');
    forward(node, 'c', 1);
    const bytes = node.core.checkpoint();
    const copy = new RaftCore(node.config, 1);
    copy.restore(bytes);
    expect(copy.checkpoint()).toEqual(bytes);
    const out = { observer: null, emit: () => undefined };
    const timers = [...node.timers.keys()].filter((timer) => timer.includes('transferTimeout'));
    for (const timer of timers) copy.handle({ type: 'TIMER', timer }, 250, out);
    expect([timers.length, copy.lastIndex]).toEqual([1, 3]);
  });
});

describe('a node that is told to stand', () => {
  const timeoutNow = (term: number): RaftMessage => ({ type: 'timeoutNow', term });
  function follower(): Bench {
    const node = new Bench();
    node.receive('b', heartbeat(1, log(1)));
    node.clear();
    return node;
  }

  it('3.10: stands at once, in the next term, without asking before', () => {
    const node = follower();
    node.receive('b', timeoutNow(1));
    expect([node.core.role, node.core.currentTerm]).toEqual(['candidate', 2]);
    expect(node.sent('voteRequest', 'c')).toEqual([
      { type: 'voteRequest', term: 2, pre: false, invited: true, lastIndex: 1, lastTerm: 1 },
    ]);
  });

  it('stands as any other when it has to stand again', () => {
    const node = follower();
    node.receive('b', timeoutNow(1));
    node.clear();
    node.passElectionTimeout();
    expect(node.core.role).toBe('preCandidate');
    node.receive('c', { type: 'voteResponse', term: 3, pre: true, granted: true });
    expect(node.sent('voteRequest', 'c').at(-1)).toEqual({
      type: 'voteRequest',
      term: 3,
      pre: false,
      lastIndex: 1,
      lastTerm: 1,
    });
  });

  it('does so even while it asks for pre-votes, and never for a leader of an earlier term', () => {
    const node = follower();
    node.passElectionTimeout();
    expect(node.core.role).toBe('preCandidate');
    node.receive('b', timeoutNow(1));
    expect([node.core.role, node.core.currentTerm]).toEqual(['candidate', 2]);
    const ahead = follower();
    ahead.receive('c', heartbeat(5));
    ahead.receive('b', timeoutNow(1));
    expect([ahead.core.role, ahead.core.currentTerm, ahead.core.leaderId]).toEqual(['follower', 5, 'c']);
  });

  it('gets votes from those who hear the leader, which a candidate by itself does not', () => {
    const ask = (more: { invited?: true }): RaftMessage => ({
      type: 'voteRequest',
      term: 2,
      pre: false,
      lastIndex: 1,
      lastTerm: 1,
      ...more,
    });
    const node = follower();
    node.receive('c', ask({}));
    expect([node.core.currentTerm, node.sent('voteResponse')]).toEqual([1, []]);
    node.receive('c', ask({ invited: true }));
    expect(node.sent('voteResponse', 'c')).toMatchObject([{ term: 2, granted: true }]);
  });
});

describe('a group', () => {
  it('3.10: goes from one leader to the other within a round of messages, and loses no proposal', () => {
    const cluster = new BenchCluster(['a', 'b', 'c']);
    const a = cluster.elect('a');
    cluster.pass(60);
    const ref = transfer(a, 'b');
    const input: RaftInput = {
      type: 'PROPOSE',
      proposals: [{ ref: 1, kind: 'command', session: null, command: new Uint8Array([1]), timeoutMs: 5000 }],
    };
    a.input(input);
    cluster.pass(20);
    expect(outcomes(a, ref)).toEqual(['done']);
    expect([...cluster.nodes.values()].map(({ core }) => core.role)).toEqual([
      'follower',
      'leader',
      'follower',
    ]);
    expect(a.of('respond').map(({ answer }) => answer.status)).toEqual(['applied']);
  });
});
