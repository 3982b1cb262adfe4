import { describe, expect, it } from 'vitest';
import { RetryBudget } from '../src/core/retry-budget.ts';
import { TokenBuckets } from '../src/core/token-buckets.ts';
import { Sequencer } from '../src/core/sequencer.ts';
import { Deadline } from '../src/deadline.ts';
import { Proposer } from '../src/proposer.ts';
import { encode, failure, FakeLog, ManualClock, rejection } from './fakes.ts';

const setUp = (): { log: FakeLog; clock: ManualClock; proposer: Proposer; deadline: Deadline } => {
  const [log, clock] = [new FakeLog(), new ManualClock()];
  return {
    log,
    clock,
    proposer: new Proposer({ clock, log, attemptTimeoutMs: 1000, self: 'node/n1' }),
    deadline: new Deadline(clock, 5000, undefined),
  };
};

describe('a proposal', () => {
  it('opens one session for all, and numbers the commands', async () => {
    const { log, proposer, deadline } = setUp();
    await Promise.all(['a', 'b', 'c'].map((text) => proposer.propose(encode(text), deadline)));
    expect(log.sessionsOpened).toBe(1);
    expect(log.proposed.map(({ session }) => session)).toEqual(
      [1, 2, 3].map((sequence) => ({ clientId: 100, sequence })),
    );
  });

  it('is repeated with the same mark until it has its result', async () => {
    const { log, clock, proposer, deadline } = setUp();
    let failures = 2;
    log.plan = async (command) => {
      if (failures-- > 0) throw failure('RAFT_NO_LEADER', 'unsafe');
      return { index: 7, term: 2, result: command };
    };
    const done = proposer.propose(encode('a'), deadline);
    await clock.advance(100);
    expect((await done).index).toBe(7);
    expect(new Set(log.proposed.map(({ session }) => JSON.stringify(session))).size).toBe(1);
    expect(log.proposed).toHaveLength(3);
  });

  it('is repeated at once when another leader is heard of, and not when the first is', async () => {
    const { log, clock, proposer, deadline } = setUp();
    const waiting: (() => void)[] = [];
    log.plan = (command, _session, signal) =>
      new Promise((resolve, reject) => {
        signal?.addEventListener('abort', () => reject(failure('RAFT_ABORTED', 'unsafe', 'caller')));
        waiting.push(() => resolve({ index: 1, term: 3, result: command }));
      });
    log.state = { ...log.state, leaderId: null };
    const done = proposer.propose(encode('a'), deadline);
    await clock.advance(1);
    log.lead('n2');
    await clock.advance(30);
    expect(log.proposed).toHaveLength(1);
    waiting.pop()?.();
    await done;

    const next = proposer.propose(encode('b'), deadline);
    await clock.advance(1);
    log.lead('n3');
    await clock.advance(30);
    expect(log.proposed.map(({ text }) => text)).toEqual(['a', 'b', 'b']);
    waiting.pop()?.();
    await next;
  });

  it('ends with its deadline, naming what stood in the way', async () => {
    const { log, clock, proposer, deadline } = setUp();
    log.plan = () => Promise.reject(failure('RAFT_NO_LEADER', 'safe'));
    const done = proposer.propose(encode('a'), deadline);
    const outcome = rejection(done);
    await clock.advance(6000);
    expect(await outcome).toMatchObject({
      code: 'MANAGER_QUERY_TIMEOUT',
      retry: 'unsafe',
      cause: expect.objectContaining({ code: 'RAFT_NO_LEADER' }),
    });
  });

  it('takes a new session when the log forgot the old one, but only if it was never tried before', async () => {
    const { log, clock, proposer, deadline } = setUp();
    log.plan = async (command, session) => {
      if (session?.clientId === 100) throw failure('RAFT_SESSION_EXPIRED', 'useless');
      return { index: 1, term: 1, result: command };
    };
    await proposer.propose(encode('a'), deadline);
    expect(log.proposed.map(({ session }) => session?.clientId)).toEqual([100, 200]);

    let attempts = 0;
    log.plan = async () => {
      throw attempts++ === 0
        ? failure('RAFT_NO_LEADER', 'unsafe')
        : failure('RAFT_SESSION_EXPIRED', 'useless');
    };
    const doubtful = rejection(proposer.propose(encode('b'), deadline));
    await clock.advance(100);
    expect(await doubtful).toMatchObject({
      code: 'MANAGER_SESSION_EXPIRED',
      retry: 'unsafe',
    });
    expect(attempts).toBe(2);
  });

  it('is aborted by its signal', async () => {
    const { log, clock, proposer } = setUp();
    const abort = new AbortController();
    log.plan = () => Promise.reject(failure('RAFT_NO_LEADER', 'safe'));
    const done = rejection(proposer.propose(encode('a'), new Deadline(clock, 5000, abort.signal)));
    await clock.advance(10);
    abort.abort();
    await clock.advance(10);
    expect(await done).toMatchObject({
      code: 'MANAGER_ABORTED',
    });
  });

  it('waits while 256 are in doubt, which is all the log remembers', async () => {
    const { log, clock, proposer, deadline } = setUp();
    const waiting: (() => void)[] = [];
    log.plan = (command) =>
      new Promise((resolve) => {
        waiting.push(() => resolve({ index: 1, term: 1, result: command }));
      });
    const all = Array.from({ length: 300 }, (_, i) => proposer.propose(encode(String(i)), deadline));
    await clock.advance(1);
    expect(log.proposed).toHaveLength(256);
    waiting[1]?.();
    await clock.advance(1);
    expect(log.proposed).toHaveLength(256);
    waiting[0]?.();
    await clock.advance(1);
    expect(log.proposed).toHaveLength(258);
    for (let i = 2; i < 300; i++) {
      waiting[i]?.();
      await clock.advance(0);
    }
    await Promise.all(all);
  });
});

describe('the sequencer', () => {
  it('hands out no number that the log might have forgotten', () => {
    const sequencer = new Sequencer(1, 3);
    expect([sequencer.take(), sequencer.take(), sequencer.take(), sequencer.take()]).toEqual([1, 2, 3, null]);
    sequencer.settle(2);
    expect(sequencer.take()).toBeNull();
    sequencer.settle(1);
    expect([sequencer.take(), sequencer.take(), sequencer.take()]).toEqual([4, 5, null]);
    expect(sequencer.inDoubt).toBe(3);
  });
});

describe('the retry budget', () => {
  it('allows a fifth of the first tries and ten a second, of the last ten seconds', () => {
    const budget = new RetryBudget({ ratio: 0.2, perSecond: 10 }, 0);
    let allowed = 0;
    while (budget.withdraw(0)) allowed++;
    expect(allowed).toBe(100);
    for (let i = 0; i < 50; i++) budget.deposit(1);
    allowed = 0;
    while (budget.withdraw(2)) allowed++;
    expect(allowed).toBe(10);
    expect(budget.withdraw(500)).toBe(false);
    // Each second a slot is new; after ten the whole floor is back, and no more than that.
    allowed = 0;
    while (budget.withdraw(100_000)) allowed++;
    expect(allowed).toBe(100);
  });

  it('gives no retries that were not earned when there is no floor', () => {
    const budget = new RetryBudget({ ratio: 0.2, perSecond: 0 }, 0);
    expect(budget.withdraw(0)).toBe(false);
    for (let i = 0; i < 5; i++) budget.deposit(10);
    expect(budget.withdraw(20)).toBe(true);
    expect(budget.withdraw(20)).toBe(false);
    for (let i = 0; i < 50; i++) budget.deposit(30);
    expect(budget.withdraw(11_000)).toBe(false);
  });
});

describe('a session', () => {
  const code = async (work: Promise<unknown>): Promise<unknown> =>
    ((await rejection(work)) as { code?: unknown }).code;

  it('that this node opens is its own, another is whose name it was opened in', async () => {
    const { log, proposer, deadline } = setUp();
    await proposer.propose(encode('a'), deadline);
    const clientId = await proposer.openSession('client/app', deadline);
    expect([...log.owners.values()]).toEqual(['node/n1', 'client/app']);
    await proposer.authorize({ clientId, sequence: 1 }, 'client/app', deadline);
  });

  it('is refused to everybody else, a node of the same name included', async () => {
    const { proposer, deadline } = setUp();
    const mark = { clientId: await proposer.openSession('client/app', deadline), sequence: 1 };
    for (const actor of ['client/other', 'node/app', 'app', '', 'client/app ']) {
      expect(await code(proposer.authorize(mark, actor, deadline))).toBe('MANAGER_SESSION_FORBIDDEN');
    }
  });

  it('whose owner the state machine has forgotten serves nobody', async () => {
    const { log, proposer, deadline } = setUp();
    log.owners.set(7, '');
    expect(await code(proposer.authorize({ clientId: 7, sequence: 1 }, 'client/app', deadline))).toBe(
      'MANAGER_SESSION_FORBIDDEN',
    );
  });

  it('that was opened behind what this replica has applied is waited for, though not for ever', async () => {
    const { log, clock, proposer, deadline } = setUp();
    const mark = { clientId: 50, sequence: 1 };
    const soon = proposer.authorize(mark, 'client/app', deadline);
    await clock.advance(20);
    log.owners.set(50, 'client/app');
    log.state = { ...log.state, appliedIndex: 50 };
    await clock.advance(2);
    await soon;
    const never = code(proposer.authorize({ clientId: 99, sequence: 1 }, 'client/app', deadline));
    await clock.advance(600);
    expect(await never).toBe('MANAGER_REPLICA_BEHIND');
  });

  it('that the log has closed is told so', async () => {
    const { log, proposer, deadline } = setUp();
    log.state = { ...log.state, appliedIndex: 50 };
    expect(
      await rejection(proposer.authorize({ clientId: 50, sequence: 1 }, 'client/app', deadline)),
    ).toMatchObject({
      code: 'MANAGER_SESSION_EXPIRED',
      retry: 'safe',
    });
  });
});

describe('a token bucket', () => {
  it('allows a burst, then a rate, to each name by itself', () => {
    const buckets = new TokenBuckets({ perSecond: 2, burst: 3, namesMax: 10 });
    const taken = (name: string, nowMs: number): number =>
      [1, 2, 3, 4, 5].filter(() => buckets.take(name, nowMs)).length;
    expect(taken('a', 0)).toBe(3);
    expect(taken('b', 0)).toBe(3);
    expect(taken('a', 499)).toBe(0);
    expect(taken('a', 1000)).toBe(2);
    expect(taken('a', 1_000_000)).toBe(3);
  });

  it('remembers a bounded number of names, and forgets the one unused for the longest', () => {
    const buckets = new TokenBuckets({ perSecond: 1, burst: 1, namesMax: 2 });
    for (const name of ['a', 'b', 'a', 'c']) buckets.take(name, 0);
    expect(buckets.size).toBe(2);
    expect(['a', 'c', 'b'].map((name) => buckets.take(name, 0))).toEqual([false, false, true]);
  });
});
