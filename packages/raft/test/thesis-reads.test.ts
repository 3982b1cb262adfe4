/** Linearizable reads without an entry in the log: one test per claim of thesis section 6.4, and what the core adds to it. */
import { describe, expect, it } from 'vitest';
import { RaftCore, type RaftMessage } from '../src/index.ts';
import { Bench, defaults, log, type Past } from './support/bench.ts';

function leader(past: Past = {}, config: Partial<typeof defaults> = {}): Bench {
  const node = new Bench(config, past);
  node.becomeLeader();
  return node;
}

/** A leader whose no-op a majority has. */
function steady(past: Past = {}): Bench {
  const node = leader(past);
  node.accept('b');
  node.clear();
  return node;
}

/** A follower of `b` in term 1. */
function follower(): Bench {
  const node = new Bench();
  node.receive('b', heartbeat());
  node.clear();
  return node;
}

const heartbeat = (term = 1): RaftMessage => ({
  type: 'append',
  term,
  prevIndex: 0,
  prevTerm: 0,
  commit: 0,
  entries: [],
});

let refs = 1_000_000;
function read(node: Bench, timeoutMs = 5000): number {
  const ref = ++refs;
  node.input({ type: 'READ', reads: [{ ref, timeoutMs }] });
  return ref;
}

const answerTo = (node: Bench, ref: number) =>
  node.of('respond').find((effect) => effect.ref === ref)?.answer;
const roundOf = (node: Bench): number => node.sent('confirm').at(-1)?.round ?? 0;
const confirm = (node: Bench, from: string, round = roundOf(node), term = node.core.currentTerm): void =>
  node.receive(from, { type: 'confirmed', term, round });

describe('a linearizable read at the leader', () => {
  it('6.4: waits for a quorum round after a commit of the current term', () => {
    const node = leader({ entries: log(1, 1) });
    const ref = read(node);
    expect(node.sent('confirm')).toEqual([]);
    node.accept('b');
    expect(node.sent('confirm')).toHaveLength(2);
    expect(answerTo(node, ref)).toBeUndefined();
    confirm(node, 'b');
    expect(answerTo(node, ref)).toMatchObject({ status: 'applied', index: 3, term: 2 });
  });

  it('6.4: is answered with what was committed when its round began, and by a majority only', () => {
    const node = leader({}, { voters: ['a', 'b', 'c', 'd', 'e'] });
    for (const from of ['b', 'c']) node.accept(from);
    const ref = read(node);
    const round = roundOf(node);
    node.propose('later');
    for (const from of ['b', 'c']) node.accept(from);
    confirm(node, 'b', round);
    confirm(node, 'b', round);
    expect(answerTo(node, ref)).toBeUndefined();
    confirm(node, 'd', round);
    expect(answerTo(node, ref)).toMatchObject({ index: 1 });
  });

  it('6.4: is not answered by a confirmation of a round before it', () => {
    const node = steady();
    read(node);
    const first = roundOf(node);
    confirm(node, 'b');
    const ref = read(node);
    confirm(node, 'c', first);
    expect(answerTo(node, ref)).toBeUndefined();
    confirm(node, 'c');
    expect(answerTo(node, ref)).toMatchObject({ status: 'applied' });
  });

  it('6.4: is never served by a leader that was deposed', () => {
    const node = steady();
    const ref = read(node);
    const round = roundOf(node);
    node.receive('c', { type: 'confirmed', term: 2, round });
    expect(node.core.role).toBe('follower');
    confirm(node, 'b', round, 1);
    confirm(node, 'b', round, 2);
    expect(answerTo(node, ref)).toBeUndefined();
    node.receive('c', heartbeat(2));
    expect(node.sent('readRequest', 'c')).toHaveLength(1);
  });

  it('shares one round with all reads that came before it began, and the next with those that came after', () => {
    const node = steady();
    const first = read(node);
    const others = [read(node), read(node), read(node)];
    expect(node.core.readRounds).toBe(1);
    confirm(node, 'b');
    expect(answerTo(node, first)).toMatchObject({ index: 1 });
    expect(others.map((ref) => answerTo(node, ref))).toEqual([undefined, undefined, undefined]);
    expect(node.core.readRounds).toBe(2);
    confirm(node, 'b');
    expect(others.map((ref) => answerTo(node, ref)?.status)).toEqual(['applied', 'applied', 'applied']);
    expect(node.core.readRounds).toBe(2);
    expect(node.core.pendingReads).toBe(0);
  });

  it('asks those again with each heartbeat who have not confirmed, and not those who have', () => {
    const node = new Bench({ voters: ['a', 'b', 'c', 'd', 'e'] });
    node.becomeLeader();
    for (const from of ['b', 'c']) node.accept(from);
    read(node);
    confirm(node, 'b');
    node.clear();
    node.pass(50);
    expect(node.sent('confirm', 'b')).toEqual([]);
    for (const to of ['c', 'd', 'e']) expect(node.sent('confirm', to)).toHaveLength(1);
    confirm(node, 'c');
    node.clear();
    node.pass(50);
    expect(node.sent('confirm')).toEqual([]);
  });

  describe('asks few', () => {
    const askedBy = (node: Bench): string[] => {
      node.clear();
      read(node);
      return node
        .of('send')
        .filter(({ message }) => message.type === 'confirm')
        .map(({ to }) => to);
    };
    /** Who was asked first has confirmed, and `c` was the first to. */
    const prompt = (): Bench => {
      const node = steady();
      read(node);
      confirm(node, 'c');
      return node;
    };

    it('until the next heartbeat: those that were the first to confirm after the last', () => {
      const node = new Bench({ voters: ['a', 'b', 'c', 'd', 'e'] });
      node.becomeLeader();
      for (const from of ['b', 'c']) node.accept(from);
      expect(askedBy(node)).toEqual(['b', 'c', 'd', 'e']);
      for (const from of ['d', 'b', 'c']) confirm(node, from);
      for (let i = 0; i < 3; i++) {
        expect(askedBy(node)).toEqual(['d', 'b']);
        confirm(node, 'd');
        expect(node.core.pendingReads).toBe(1);
        confirm(node, 'b');
        expect(node.core.pendingReads).toBe(0);
      }
      node.pass(50);
      expect(askedBy(node)).toEqual(['b', 'c', 'd', 'e']);
    });

    it('and everybody when one of them is late by a tenth of a heartbeat, and then until the next', () => {
      const node = prompt();
      expect(askedBy(node)).toEqual(['c']);
      node.pass(4);
      expect(node.sent('confirm', 'b')).toEqual([]);
      node.pass(1);
      expect(node.sent('confirm', 'b')).toHaveLength(1);
      confirm(node, 'b');
      expect(node.core.pendingReads).toBe(0);
      expect(askedBy(node)).toEqual(['b', 'c']);
      confirm(node, 'b');
      expect(askedBy(node)).toEqual(['b', 'c']);
      node.pass(50);
      confirm(node, 'b');
      expect(askedBy(node)).toEqual(['b']);
    });

    it('and waits for them no longer than two tenths, however many rounds there were before', () => {
      const node = prompt();
      expect(askedBy(node)).toEqual(['c']);
      confirm(node, 'c');
      node.pass(4);
      expect(askedBy(node)).toEqual(['c']);
      node.pass(5);
      expect(node.sent('confirm', 'b')).toEqual([]);
      node.pass(1);
      expect(node.sent('confirm', 'b')).toHaveLength(1);
    });

    it('unless they are no majority of the members any more', () => {
      const node = prompt();
      const changes = [{ nodeId: 'c', becomes: 'removed' }] as const;
      node.input({ type: 'CHANGE', ref: 1, changes, transition: 'auto', timeoutMs: 1000 });
      expect(askedBy(node)).toEqual(['b']);
    });

    it('of whom it knew in its own lead', () => {
      const node = prompt();
      node.receive('b', heartbeat(5));
      node.becomeLeader();
      node.accept('b');
      expect(askedBy(node)).toEqual(['b', 'c']);
    });
  });

  it('waits until what it was told is applied here', () => {
    const node = steady();
    node.applies = false;
    node.propose('x');
    node.accept('b');
    const ref = read(node);
    confirm(node, 'b');
    expect(answerTo(node, ref)).toBeUndefined();
    node.apply();
    expect(answerTo(node, ref)).toMatchObject({ status: 'applied', index: 2 });
  });

  it('needs nobody where there is one voter', () => {
    const node = new Bench({ voters: ['a'] });
    const early = read(node);
    node.becomeLeader();
    const late = read(node);
    for (const ref of [early, late])
      expect(answerTo(node, ref)).toMatchObject({ status: 'applied', index: 1 });
  });
});

describe('a linearizable read at a follower', () => {
  it('asks the leader once for all reads that wait, and waits until the index is applied here', () => {
    const node = follower();
    const refs = [read(node), read(node), read(node)];
    const [request, ...more] = node.sent('readRequest', 'b');
    expect(more).toEqual([]);
    if (request === undefined) throw new Error('nothing was asked');
    node.receive('b', { ...request, type: 'readAnswer', index: 2 });
    expect(node.sent('readRequest', 'b')).toHaveLength(2);
    expect(node.of('respond')).toEqual([]);
    node.receive('b', { ...heartbeat(), type: 'append', commit: 2, entries: log(1, 1) } as RaftMessage);
    expect(answerTo(node, refs[0] ?? 0)).toMatchObject({ status: 'applied', index: 2 });
    const next = node.sent('readRequest', 'b').at(-1);
    if (next === undefined) throw new Error('nothing more was asked');
    expect(next.request).toBeGreaterThan(request.request);
    node.receive('b', { ...next, type: 'readAnswer', index: 1 });
    expect(node.of('respond')).toHaveLength(3);
  });

  it('takes no answer to a request of another incarnation or to an earlier one', () => {
    const node = follower();
    read(node);
    const [request] = node.sent('readRequest');
    if (request === undefined) throw new Error('nothing was asked');
    node.receive('b', { ...request, type: 'readAnswer', boot: request.boot ^ 1, index: 0 });
    node.receive('b', { ...request, type: 'readAnswer', request: request.request - 1, index: 0 });
    expect(node.of('respond')).toEqual([]);
    node.receive('b', { ...request, type: 'readAnswer', index: 0 });
    expect(node.of('respond')).toHaveLength(1);
  });

  it('gives incarnations with one seed different names', () => {
    const boots = [0, 1000].map((nowMs) => {
      const sent: RaftMessage[] = [];
      const core = new RaftCore(defaults, 1);
      const out = {
        observer: null,
        emit: (effect: { type: string }) => {
          if ('message' in effect) sent.push(effect.message as RaftMessage);
        },
      };
      const hardState = { term: 0, vote: null };
      const base = { index: 0, term: 0 };
      const nothing = { entries: [], appliedIndex: 0, sessions: [], snapshot: null, configuration: null };
      core.handle({ type: 'START', hardState, base, ...nothing }, nowMs, out);
      core.handle({ type: 'MESSAGE', from: 'b', message: { ...heartbeat(), term: 0 } }, nowMs, out);
      core.handle({ type: 'READ', reads: [{ ref: 1, timeoutMs: 9 }] }, nowMs, out);
      return sent.find(({ type }) => type === 'readRequest');
    });
    expect(boots[0]).toMatchObject({ type: 'readRequest', request: 1 });
    expect(boots[1]).not.toEqual(boots[0]);
  });

  it('asks again when the answer stays out, and the next leader when there is one', () => {
    const node = follower();
    read(node);
    const again = (ms: number): number => {
      node.clear();
      for (let passed = 0; passed < ms; passed += 50) {
        node.pass(50);
        node.receive('b', heartbeat());
      }
      return node.sent('readRequest', 'b').length;
    };
    expect(again(200)).toBe(0);
    expect(again(100)).toBe(1);
    expect(again(150)).toBe(0);
    node.receive('c', heartbeat(2));
    expect(node.sent('readRequest', 'c')).toHaveLength(1);
  });

  it('asks once there is a leader', () => {
    const node = new Bench();
    const ref = read(node);
    expect(node.of('send')).toEqual([]);
    node.receive('b', heartbeat());
    const [request] = node.sent('readRequest', 'b');
    if (request === undefined) throw new Error('nothing was asked');
    node.receive('b', { ...request, type: 'readAnswer', index: 0 });
    expect(answerTo(node, ref)).toMatchObject({ status: 'applied', index: 0 });
  });
});

describe('a node that is asked', () => {
  it('confirms the leader of its term, which counts as hearing it', () => {
    const node = follower();
    node.pass(200);
    node.receive('b', { type: 'confirm', term: 1, round: 7 });
    expect(node.sent('confirmed', 'b')).toEqual([{ type: 'confirmed', term: 1, round: 7 }]);
    node.pass(240);
    expect(node.core.role).toBe('follower');
  });

  it('follows who asks in its term or a later one, once that term is on its disk', () => {
    const node = follower();
    node.syncs = false;
    node.receive('c', { type: 'confirm', term: 2, round: 1 });
    expect(node.core.leaderId).toBe('c');
    expect(node.sent('confirmed')).toEqual([]);
    node.sync();
    expect(node.sent('confirmed', 'c')).toEqual([{ type: 'confirmed', term: 2, round: 1 }]);
  });

  it('tells who asks in an earlier term that it is over, and confirms nothing', () => {
    const node = follower();
    node.receive('c', heartbeat(3));
    node.clear();
    node.receive('b', { type: 'confirm', term: 1, round: 7 });
    expect(node.sent('confirmed', 'b')).toEqual([{ type: 'confirmed', term: 3, round: 0 }]);
    expect(node.core.leaderId).toBe('c');
  });

  it('tells a follower how far the log is after a round, and the latest request of an incarnation only', () => {
    const node = steady();
    const ask = (request: number, boot = 9, term = 1): void =>
      node.receive('c', { type: 'readRequest', term, boot, request });
    ask(1);
    ask(3);
    ask(2);
    confirm(node, 'b');
    confirm(node, 'b');
    expect(node.sent('readAnswer', 'c').map(({ request, index }) => [request, index])).toEqual([
      [1, 1],
      [3, 1],
    ]);
    node.clear();
    ask(1, 10);
    confirm(node, 'c');
    expect(node.sent('readAnswer', 'c')).toEqual([
      { type: 'readAnswer', term: 1, boot: 10, request: 1, index: 1 },
    ]);
    node.clear();
    ask(4, 10, 0);
    follower().receive('c', { type: 'readRequest', term: 1, boot: 1, request: 1 });
    expect(node.sent('confirm')).toEqual([]);
  });

  it('forgets who asked when its lead ends', () => {
    const node = steady();
    node.receive('c', { type: 'readRequest', term: 1, boot: 9, request: 1 });
    node.receive('c', { type: 'readRequest', term: 1, boot: 9, request: 2 });
    node.receive('b', heartbeat(2));
    node.passElectionTimeout();
    node.clear();
    node.becomeLeader();
    node.accept('b');
    confirm(node, 'b');
    expect(node.sent('confirm')).toEqual([]);
    expect(node.sent('readAnswer')).toEqual([]);
  });

  it('asks nobody when it follows', () => {
    const node = follower();
    node.receive('c', { type: 'readRequest', term: 1, boot: 9, request: 1 });
    expect(node.of('send')).toEqual([]);
  });
});

describe('a read without an answer', () => {
  it('ends at its deadline, each at its own', () => {
    const node = new Bench();
    const [short, long] = [read(node, 100), read(node, 300)];
    node.pass(150);
    expect(answerTo(node, short)).toEqual({ status: 'timeout', submitted: false });
    expect(answerTo(node, long)).toBeUndefined();
    node.pass(250);
    expect(answerTo(node, long)).toEqual({ status: 'timeout', submitted: false });
    expect(node.timers.has('reads')).toBe(false);
  });

  it('asks nothing any more once all that waited have ended', () => {
    const node = follower();
    const early = read(node, 50);
    node.clear();
    node.pass(100);
    expect(answerTo(node, early)?.status).toBe('timeout');
    read(node);
    expect(node.sent('readRequest')).toHaveLength(1);
  });

  it('ends when nobody wants it any more, without a word about it later', () => {
    const node = steady();
    const ref = read(node);
    node.input({ type: 'ABANDON', ref });
    expect(answerTo(node, ref)).toEqual({ status: 'abandoned', submitted: false });
    confirm(node, 'b');
    expect(node.of('respond')).toHaveLength(1);
  });

  it('is refused when too many wait', () => {
    const node = new Bench({ pendingProposalsMax: 2 });
    const refs = [read(node), read(node), read(node)];
    expect(refs.map((ref) => answerTo(node, ref))).toEqual([
      undefined,
      undefined,
      { status: 'tooManyPending', submitted: false },
    ]);
  });

  it('goes on from a checkpoint wherever it was', () => {
    const confirmed = steady();
    read(confirmed);
    confirm(confirmed, 'c');
    const late = steady();
    read(late);
    confirm(late, 'c');
    read(late);
    late.pass(5);
    confirm(late, 'b');
    for (const node of [steady(), confirmed, late, follower(), new Bench()]) {
      const refs = [read(node), read(node)];
      const core = new RaftCore(node.config, 1);
      const bytes = node.core.checkpoint();
      core.restore(bytes);
      expect(core.checkpoint()).toEqual(bytes);
      expect([core.pendingReads, core.readRounds]).toEqual([refs.length, node.core.readRounds]);
    }
  });
});

describe('a read that may be stale', () => {
  const staleRead = (node: Bench, staleMsMax: number): number => {
    const ref = ++refs;
    node.input({ type: 'READ', reads: [{ ref, timeoutMs: 5000, staleMsMax }] });
    return ref;
  };
  const requests = (node: Bench) => node.sent('readRequest', 'b');
  /** A follower that asked at 0 ms, and was answered 30 ms later. */
  const informed = (index = 0): Bench => {
    const node = follower();
    read(node);
    const asked = requests(node).at(-1) as Extract<RaftMessage, { type: 'readRequest' }>;
    node.pass(30);
    node.receive('b', { ...asked, type: 'readAnswer', index });
    return node;
  };

  it('is answered at once, without a message, while the last question is no older than its bound', () => {
    const node = informed();
    node.pass(69);
    expect(answerTo(node, staleRead(node, 100))).toMatchObject({ status: 'applied', index: 0 });
    expect(requests(node)).toHaveLength(1);
  });

  it('asks the leader as any other when that was longer ago, counted from the question and not from the answer', () => {
    const node = informed();
    node.pass(70);
    const ref = staleRead(node, 100);
    expect([answerTo(node, ref), requests(node).length]).toEqual([undefined, 2]);
  });

  it('needs no leader for it', () => {
    const node = informed();
    node.pass(470);
    expect(node.core.leaderId).toBeNull();
    expect(answerTo(node, staleRead(node, 600))).toMatchObject({ status: 'applied' });
    expect(answerTo(node, read(node))).toBeUndefined();
  });

  it('waits until what the leader told of is applied here', () => {
    const node = informed(1);
    const ref = staleRead(node, 100);
    expect(answerTo(node, ref)).toBeUndefined();
    node.receive('b', { ...heartbeat(), entries: log(1), commit: 1 } as RaftMessage);
    expect(answerTo(node, ref)).toMatchObject({ index: 1 });
  });

  it('rests on nothing from before a doubt about the clock, nor on what was asked before it', () => {
    const node = informed();
    node.input({ type: 'CLOCK_DOUBTED' });
    const first = staleRead(node, 100);
    expect(answerTo(node, first)).toBeUndefined();
    const asked = requests(node).at(-1) as Extract<RaftMessage, { type: 'readRequest' }>;
    node.input({ type: 'CLOCK_DOUBTED' });
    node.receive('b', { ...asked, type: 'readAnswer', index: 0 });
    expect(answerTo(node, first)).toBeDefined();
    expect(answerTo(node, staleRead(node, 100))).toBeUndefined();
  });
});
