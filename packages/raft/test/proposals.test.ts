/** From a proposal to its answer, whoever leads and whatever gets lost or comes twice. */
import { describe, expect, it } from 'vitest';
import type { RaftMessage } from '../src/index.ts';
import { Bench, BenchCluster } from './support/bench.ts';

type Propose = Extract<RaftMessage, { type: 'propose' }>;

const heartbeat = (term: number) =>
  ({ type: 'append', term, prevIndex: 0, prevTerm: 0, commit: 0, entries: [] }) as const;
const draft = (ref: number, command = 'x') =>
  ({ ref, kind: 'command', session: null, command: new TextEncoder().encode(command) }) as const;

function leader(config: ConstructorParameters<typeof Bench>[0] = {}): Bench {
  const node = new Bench(config);
  node.becomeLeader();
  node.accept('b');
  node.clear();
  return node;
}

/** Follows `b` in term 1. */
function follower(): Bench {
  const node = new Bench();
  node.receive('b', heartbeat(1));
  node.clear();
  return node;
}

const answers = (node: Bench): string[] =>
  node.of('respond').map(({ ref, answer }) => `${ref} ${answer.status}`);
const isCommand = (index: number, node: Bench): boolean => node.core.log.entryAt(index)?.kind === 'command';
const commandCount = (node: Bench): number =>
  Array.from({ length: node.core.lastIndex }, (_, i) => i + 1).filter((index) => isCommand(index, node))
    .length;

describe('at a leader, a proposal', () => {
  it('is answered when it is applied, with its place and the state machine’s result', () => {
    const node = leader();
    const ref = node.propose('x');
    expect(answers(node)).toEqual([]);
    node.accept('b');
    expect(node.of('respond')).toEqual([
      { type: 'respond', ref, answer: { status: 'applied', index: 2, term: 1, result: new Uint8Array([2]) } },
    ]);
  });

  it('is answered though it leads no more, when its entry is committed after all', () => {
    const node = leader();
    const ref = node.propose('x');
    node.receive('b', { type: 'append', term: 2, prevIndex: 2, prevTerm: 1, commit: 2, entries: [] });
    expect(answers(node)).toEqual([`${ref} applied`]);
  });

  it('is made again when another entry took its place', () => {
    const node = leader();
    const ref = node.propose('x');
    const other = { index: 2, term: 2, kind: 'noop', session: null, command: new Uint8Array(0) } as const;
    node.receive('b', { type: 'append', term: 2, prevIndex: 1, prevTerm: 1, commit: 2, entries: [other] });
    expect(answers(node)).toEqual([]);
    const [again] = node.sent('propose', 'b');
    expect(again).toMatchObject({ term: 2, drafts: [{ ref }] });
  });

  it('is made again when a later leader’s entry was committed before its place', () => {
    const node = leader();
    for (let i = 0; i < 5; i++) node.propose(String(i));
    const other = { index: 2, term: 2, kind: 'noop', session: null, command: new Uint8Array(0) } as const;
    node.receive('b', { type: 'append', term: 2, prevIndex: 1, prevTerm: 1, commit: 2, entries: [other] });
    expect(node.sent('propose', 'b').flatMap(({ drafts }) => drafts)).toHaveLength(5);
  });
});

describe('an index of the log', () => {
  it('that is given again in a later term answers both who had it', () => {
    const node = leader();
    const old = ['x', 'y', 'z'].map((command) => node.propose(command));
    const other = { index: 2, term: 2, kind: 'noop', session: null, command: new Uint8Array(0) } as const;
    node.receive('b', { type: 'append', term: 2, prevIndex: 1, prevTerm: 1, commit: 1, entries: [other] });
    node.pass(300);
    node.becomeLeader();
    const again = node.propose('again');
    expect(node.terms).toEqual([1, 2, 3, 3]);
    expect(answers(node)).toEqual([]);
    node.accept('b');
    expect(answers(node)).toEqual([`${again} applied`]);
    node.accept('b');
    expect(answers(node)).toEqual([again, ...old].map((ref) => `${ref} applied`));
  });
});

describe('at a follower, a proposal', () => {
  it('goes to the leader, and is answered by it', () => {
    const node = follower();
    const ref = node.propose('x');
    const [sent] = node.sent('propose', 'b');
    expect(sent).toMatchObject({ term: 1, drafts: [{ ref, kind: 'command' }] });
    const result = new Uint8Array([7]);
    node.receive('b', {
      type: 'proposed',
      term: 1,
      boot: sent?.boot ?? 0,
      ref,
      asked: 1,
      verdict: { status: 'applied', index: 9, term: 1, result },
    });
    expect(node.of('respond')).toEqual([
      { type: 'respond', ref, answer: { status: 'applied', index: 9, term: 1, result } },
    ]);
  });

  it('goes to the leader again when no answer comes, and only then', () => {
    const node = follower();
    node.propose('x');
    for (let i = 0; i < 4; i++) {
      node.pass(50);
      node.receive('b', heartbeat(1));
    }
    expect(node.sent('propose')).toHaveLength(1);
    node.pass(50);
    node.receive('b', heartbeat(1));
    node.pass(50);
    expect(node.sent('propose')).toHaveLength(2);
  });

  it('waits for a leader, and goes to it as soon as one is known', () => {
    const node = new Bench();
    const ref = node.propose('x');
    expect(node.of('send')).toEqual([]);
    node.receive('c', heartbeat(4));
    expect(node.sent('propose', 'c')).toMatchObject([{ term: 4, drafts: [{ ref }] }]);
  });

  it('is proposed here when this node becomes the leader', () => {
    const node = new Bench();
    const ref = node.propose('x');
    node.becomeLeader();
    node.accept('b');
    expect(answers(node)).toEqual([`${ref} applied`]);
  });

  it('ends without a leader as one that was never made', () => {
    const node = new Bench({ voters: ['a', 'b', 'c'] });
    const ref = node.propose('x', { timeoutMs: 1000 });
    node.pass(1100);
    expect(node.of('respond')).toEqual([
      { type: 'respond', ref, answer: { status: 'timeout', submitted: false } },
    ]);
  });

  it('that has no answer in time may have been made', () => {
    const node = follower();
    const ref = node.propose('x', { timeoutMs: 200 });
    node.pass(250);
    expect(node.of('respond')).toEqual([
      { type: 'respond', ref, answer: { status: 'timeout', submitted: true } },
    ]);
  });

  it('that is abandoned says whether it was made', () => {
    const waiting = new Bench();
    waiting.input({ type: 'ABANDON', ref: waiting.propose('x') });
    const forwarded = follower();
    forwarded.input({ type: 'ABANDON', ref: forwarded.propose('x') });
    expect([waiting, forwarded].map((node) => node.of('respond')[0]?.answer)).toEqual([
      { status: 'abandoned', submitted: false },
      { status: 'abandoned', submitted: true },
    ]);
  });

  it('is not made twice over a change of leader: it ends as unknown', () => {
    const node = follower();
    const ref = node.propose('x');
    node.clear();
    node.receive('c', heartbeat(2));
    expect(node.sent('propose')).toEqual([]);
    expect(node.of('respond')).toEqual([
      { type: 'respond', ref, answer: { status: 'unknown', submitted: true } },
    ]);
  });

  it('is made again over a change of leader where that does no harm', () => {
    const node = follower();
    node.propose('x', { session: { clientId: 1, sequence: 1 } });
    node.propose('', { kind: 'barrier' });
    node.propose('', { kind: 'openSession' });
    node.clear();
    node.receive('c', heartbeat(2));
    expect(node.sent('propose', 'c').flatMap(({ drafts }) => drafts.map(({ kind }) => kind))).toEqual([
      'command',
      'barrier',
      'openSession',
    ]);
    expect(node.of('respond')).toEqual([]);
  });

  it('refused by who leads no more waits for who does', () => {
    const node = follower();
    const ref = node.propose('x');
    const boot = node.sent('propose')[0]?.boot ?? 0;
    node.receive('b', { type: 'proposed', term: 1, boot, ref, asked: 1, verdict: { status: 'notLeader' } });
    expect(answers(node)).toEqual([]);
    node.clear();
    node.receive('c', heartbeat(2));
    expect(node.sent('propose', 'c')).toMatchObject([{ drafts: [{ ref }] }]);
    // The old leader's word, once more, is not about this request.
    node.receive('b', { type: 'proposed', term: 2, boot, ref, asked: 1, verdict: { status: 'notLeader' } });
    node.clear();
    node.receive('b', { type: 'voteResponse', term: 3, pre: false, granted: false });
    node.receive('b', heartbeat(3));
    expect(node.sent('propose')).toEqual([]);
    expect(answers(node)).toEqual([`${ref} unknown`]);
  });

  it('ignores an answer that was meant for the incarnation before', () => {
    const node = follower();
    const ref = node.propose('x');
    const boot = (node.sent('propose')[0]?.boot ?? 0) + 1;
    node.receive('b', {
      type: 'proposed',
      term: 1,
      boot,
      ref,
      asked: 1,
      verdict: { status: 'applied', index: 1, term: 1, result: new Uint8Array(0) },
    });
    expect(answers(node)).toEqual([]);
  });
});

describe('a forwarded proposal', () => {
  const forward = (node: Bench, ...refs: number[]): Propose => ({
    type: 'propose',
    term: node.core.currentTerm,
    boot: 5,
    drafts: refs.map((ref) => draft(ref)),
  });

  it('is put into the log once, however often it comes, and answered each time', () => {
    const node = leader();
    node.receive('c', forward(node, 1));
    node.receive('c', forward(node, 1));
    expect(commandCount(node)).toBe(1);
    expect(node.sent('proposed')).toEqual([]);
    node.accept('b');
    expect(node.sent('proposed', 'c')).toMatchObject([
      { ref: 1, boot: 5, asked: 1, verdict: { status: 'applied', index: 2 } },
    ]);
    node.receive('c', forward(node, 1));
    expect(commandCount(node)).toBe(1);
    expect(node.sent('proposed', 'c')).toHaveLength(2);
    expect(node.sent('proposed', 'c')[1]).toMatchObject({ verdict: { status: 'applied', index: 2 } });
  });

  it('of another incarnation is another', () => {
    const node = leader();
    node.receive('c', forward(node, 1));
    node.receive('c', { ...forward(node, 1), boot: 6 });
    expect(commandCount(node)).toBe(2);
  });

  it('that fell out of what is remembered is never taken again', () => {
    const node = leader({ pendingProposalsMax: 2 });
    node.receive('c', forward(node, 1, 2, 3));
    node.receive('c', forward(node, 1));
    expect(commandCount(node)).toBe(3);
    expect(node.sent('proposed', 'c')).toMatchObject([{ ref: 1, verdict: { status: 'unknown' } }]);
  });

  it('meant for an earlier lead is refused only if it certainly was not taken', () => {
    const node = leader();
    const early = forward(node, 1);
    node.receive('c', early);
    node.receive('b', heartbeat(2));
    node.clear();
    // In the log without a verdict: nothing can be said.
    node.receive('c', early);
    expect(node.sent('proposed')).toEqual([]);
    node.receive('c', { ...early, drafts: [draft(2)] });
    expect(node.sent('proposed')).toMatchObject([{ ref: 2, asked: 1, verdict: { status: 'notLeader' } }]);
    const restarted = new Bench({}, { hardState: { term: 1, vote: 'a' } });
    restarted.receive('c', early);
    expect(restarted.sent('proposed')).toMatchObject([{ ref: 1, verdict: { status: 'unknown' } }]);
  });

  it('larger than a command may be is refused as impossible', () => {
    const node = leader({ commandBytesMax: 10 });
    node.receive('c', { ...forward(node), drafts: [draft(1, 'far too large a command')] });
    expect(node.of('rejected')).toMatchObject([{ reason: 'commandTooLarge' }]);
    expect(commandCount(node)).toBe(0);
  });

  it('is refused as busy beyond the cap, for good: its caller makes it anew under another ref', () => {
    const node = leader({ uncommittedBytesMax: 100 });
    node.receive('c', forward(node, 1, 2, 3, 4));
    expect(node.sent('proposed', 'c').map(({ ref, verdict }) => `${ref} ${verdict.status}`)).toEqual([
      '4 busy',
    ]);
    node.accept('b');
    node.clear();
    node.receive('c', forward(node, 4));
    expect(node.sent('proposed', 'c').map(({ ref, verdict }) => `${ref} ${verdict.status}`)).toEqual([
      '4 busy',
    ]);
    expect(commandCount(node)).toBe(3);
    node.receive('c', forward(node, 5));
    expect(commandCount(node)).toBe(4);
  });

  it('goes in messages of bounded size', () => {
    const cluster = new BenchCluster(['a', 'b', 'c'], { appendBytesMax: 1000 });
    const node = cluster.node('b');
    const sizes: number[] = [];
    for (let i = 0; i < 6; i++) node.propose('x'.repeat(400));
    cluster.elect('a', ({ message }) => message.type !== 'propose');
    cluster.pass(400, ({ from, message }) => {
      if (message.type === 'propose' && from === 'b') sizes.push(message.drafts.length);
      return true;
    });
    expect(Math.max(...sizes)).toBe(2);
    expect(answers(node)).toHaveLength(6);
  });
});

describe('a barrier', () => {
  it('at a follower is through when its place is applied there', () => {
    const node = follower();
    const ref = node.propose('', { kind: 'barrier' });
    const boot = node.sent('propose')[0]?.boot ?? 0;
    node.receive('b', {
      type: 'proposed',
      term: 1,
      boot,
      ref,
      asked: 1,
      verdict: { status: 'applied', index: 1, term: 1, result: new Uint8Array(0) },
    });
    expect(answers(node)).toEqual([]);
    const entry = { index: 1, term: 1, kind: 'barrier', session: null, command: new Uint8Array(0) } as const;
    node.receive('b', { type: 'append', term: 1, prevIndex: 0, prevTerm: 0, commit: 1, entries: [entry] });
    expect(answers(node)).toEqual([`${ref} applied`]);
  });
});

describe('6.3: a retried command', () => {
  it('is applied once across changes of leader', () => {
    const cluster = new BenchCluster(['a', 'b', 'c']);
    cluster.elect('a');
    const open = cluster.node('a').propose('', { kind: 'openSession' });
    cluster.pass(100);
    const opened = cluster
      .node('a')
      .of('respond')
      .find(({ ref }) => ref === open)?.answer;
    const clientId = opened?.status === 'applied' ? opened.index : 0;
    for (let round = 0; round < 6; round++) {
      const alone = ['a', 'b', 'c'][round % 3];
      for (const name of ['a', 'b', 'c'])
        cluster.node(name).propose('once', { session: { clientId, sequence: 1 } });
      cluster.pass(800, ({ from, to }) => from !== alone && to !== alone);
    }
    cluster.pass(2000);
    for (const node of cluster.nodes.values()) {
      expect(node.applied.flatMap(({ entries }) => entries)).toHaveLength(1);
      const results = node
        .of('respond')
        .flatMap(({ answer }) =>
          answer.status === 'applied' && answer.result.length > 0 ? [String(answer.result)] : [],
        );
      expect(new Set(results).size).toBe(1);
      expect(results.length).toBeGreaterThan(3);
    }
  });
});
