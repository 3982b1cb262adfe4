import { ClusterError } from '@cluster/core';
import { describe, expect, it } from 'vitest';
import type { PeerContext } from '../src/components.ts';
import { RetryBudget } from '../src/core/retry-budget.ts';
import { Deadline } from '../src/deadline.ts';
import { LoadMeter } from '../src/load.ts';
import { type ClusterMessageInput, type MessageOf, querySchema, queryResultSchema } from '../src/messages.ts';
import { ManagerMetrics } from '../src/metrics.ts';
import { MetricsRegistry } from '@cluster/core';
import { Proposer } from '../src/proposer.ts';
import { QueryService } from '../src/query-service.ts';
import { type QueryToSend, RemoteQueries } from '../src/remote.ts';
import { failure, FakeBalancer, FakeDatabase, FakeLog, ManualClock, rejection } from './fakes.ts';

const context: PeerContext = { from: 'n2', role: 'node', signal: new AbortController().signal };

type Answer = (to: string, message: ClusterMessageInput) => Promise<MessageOf<'QueryResult'>>;

const answerFrom = (nodeId: string, more: Partial<ClusterMessageInput> = {}): MessageOf<'QueryResult'> =>
  queryResultSchema.parse({ kind: 'QueryResult', nodeId, columns: ['value'], rows: [['remote']], ...more });

function setUp(
  options: { database?: FakeDatabase | null; voting?: boolean; answer?: Answer; ratio?: number } = {},
) {
  const {
    database = new FakeDatabase(),
    voting = true,
    answer = async (to) => answerFrom(to),
    ratio = 1,
  } = options;
  const [clock, log, balancer] = [new ManualClock(), new FakeLog(), new FakeBalancer(['n2', 'n3', 'n1'])];
  const state = { fresh: true };
  const sent: { readonly to: string; readonly message: ClusterMessageInput }[] = [];
  const metrics = new ManagerMetrics(new MetricsRegistry());
  const asked: { readonly to: string; readonly message: QueryToSend }[] = [];
  const remote = new RemoteQueries({
    clock,
    attemptTimeoutMs: 1000,
    port: {
      targets: () => ['n2', 'n3'],
      openSession: async () => 500,
      query: async (to, message) => {
        asked.push({ to, message });
        return answerFrom(to);
      },
    },
  });
  const service = new QueryService({
    nodeId: 'n1',
    clock,
    database,
    log: voting ? log : null,
    proposer: voting ? new Proposer({ clock, log, attemptTimeoutMs: 1000, self: 'node/n1' }) : null,
    remote,
    balancer,
    metrics,
    budget: new RetryBudget({ ratio, perSecond: 0 }, 0),
    load: new LoadMeter(database, () => 0.25),
    queryTimeoutMs: 5000,
    attemptTimeoutMs: 1000,
    maxPending: 4,
    replicas: () => ['n1', 'n2', 'n3'],
    isFresh: () => state.fresh,
    send: (to, message) => {
      sent.push({ to, message });
      return answer(to, message);
    },
  });
  const query = (more: Record<string, unknown>): MessageOf<'Query'> =>
    querySchema.parse({ kind: 'Query', ...more });
  return { service, state, clock, log, balancer, sent, asked, metrics, database, query };
}

describe('a read', () => {
  it('goes where the balancer says, marked as routed, and tells it how that went', async () => {
    const { service, sent, balancer } = setUp();
    const result = await service.query('read a', { params: [1], key: 'k' });
    expect(result).toMatchObject({ nodeId: 'n2', rows: [['remote']] });
    expect(sent).toHaveLength(1);
    expect(sent[0]?.message).toMatchObject({
      kind: 'Query',
      sql: 'read a',
      params: [1],
      key: 'k',
      routed: true,
    });
    expect(balancer.outcomes).toEqual([{ nodeId: 'n2', ok: true }]);
  });

  it('is executed here when this node is the one', async () => {
    const { service, sent, balancer, database } = setUp();
    balancer.nodes = ['n1'];
    const result = await service.query('read a');
    expect(result).toEqual({
      columns: ['value'],
      rows: [['read a']],
      rowsAffected: 0,
      lastInsertRowid: null,
      nodeId: 'n1',
      index: null,
    });
    expect([sent.length, database?.reads]).toEqual([0, 1]);
  });

  it('is tried on another replica when one fails, never on the same', async () => {
    const { service, sent, balancer, metrics } = setUp({
      answer: async (to) => {
        if (to === 'n2') throw failure('TRANSPORT_CONNECTION_LOST', 'unsafe');
        return answerFrom(to);
      },
    });
    expect((await service.query('read a')).nodeId).toBe('n3');
    expect(sent.map(({ to }) => to)).toEqual(['n2', 'n3']);
    expect(balancer.outcomes).toEqual([
      { nodeId: 'n2', ok: false },
      { nodeId: 'n3', ok: true },
    ]);
    expect(metrics.value('queries_retried')).toBe(1);
  });

  it('is not tried again beyond the budget', async () => {
    const { service, sent, metrics } = setUp({
      ratio: 0,
      answer: () => Promise.reject(failure('TRANSPORT_CONNECTION_LOST', 'unsafe')),
    });
    await expect(service.query('read a')).rejects.toMatchObject({ code: 'TRANSPORT_CONNECTION_LOST' });
    expect(sent).toHaveLength(1);
    expect(metrics.value('retries_refused')).toBe(1);
  });

  it('that is wrong in itself fails at once, and is no mark against the node', async () => {
    const nothing = {
      code: 'SQL_NO_SUCH_TABLE',
      fault: 'caller',
      message: 'm',
      advice: 'a',
      retry: 'useless',
      stateChanged: false,
    };
    const { service, sent, balancer } = setUp({
      answer: async (to) => answerFrom(to, { failure: nothing } as never),
    });
    await expect(service.query('read nothing')).rejects.toMatchObject({
      code: 'SQL_NO_SUCH_TABLE',
      fault: 'caller',
    });
    expect(sent).toHaveLength(1);
    expect(balancer.outcomes).toEqual([{ nodeId: 'n2', ok: true }]);
  });

  it('says that nobody can serve it', async () => {
    const { service, balancer } = setUp();
    balancer.nodes = ['stranger'];
    await expect(service.query('read a')).rejects.toMatchObject({ code: 'MANAGER_NO_ENDPOINT' });
  });

  it('that is linearizable passes a barrier on the replica that serves it', async () => {
    const { service, log, balancer } = setUp();
    balancer.nodes = ['n1'];
    expect((await service.query('read a', { consistency: 'linearizable' })).index).toBe(1);
    expect(log.barriers).toBe(1);
    await service.query('read a');
    expect(log.barriers).toBe(1);
  });

  it('waits for the write it names, and gives up on a replica that is too far behind', async () => {
    const { service, log, clock, balancer } = setUp();
    balancer.nodes = ['n1'];
    const read = service.query('read a', { minIndex: 3 });
    await clock.advance(100);
    log.state = { ...log.state, appliedIndex: 3 };
    await clock.advance(10);
    expect((await read).index).toBe(3);
    const late = rejection(service.query('read a', { minIndex: 9 }));
    await clock.advance(1000);
    expect(await late).toMatchObject({
      code: 'MANAGER_REPLICA_BEHIND',
    });
  });
});

describe('a replica that is behind', () => {
  const behind = (nodeId: string) =>
    answerFrom(nodeId, {
      failure: {
        code: 'MANAGER_REPLICA_BEHIND',
        fault: 'environment',
        message: 'm',
        advice: 'a',
        retry: 'safe',
        stateChanged: false,
      },
    });

  it('is left out of its own reads, and refuses those that others route to it', async () => {
    const { service, state, balancer, database, query, metrics } = setUp();
    balancer.nodes = ['n1', 'n2'];
    state.fresh = false;
    expect((await service.query('read a')).nodeId).toBe('n2');
    expect(await service.serve(query({ sql: 'read a', routed: true }), context)).toMatchObject({
      failure: { code: 'MANAGER_REPLICA_BEHIND', fault: 'environment', retry: 'safe' },
    });
    expect([database?.reads, metrics.value('reads_behind')]).toEqual([0, 1]);
    state.fresh = true;
    expect((await service.query('read a')).nodeId).toBe('n1');
  });

  it('still serves what asks for a point in the log, and waits for it', async () => {
    const { service, state, log, query } = setUp();
    state.fresh = false;
    for (const more of [{ consistency: 'linearizable' }, { minIndex: 1 }]) {
      const answer = await service.serve(query({ sql: 'read a', routed: true, ...more }), context);
      expect(answer).toMatchObject({ rows: [['read a']] });
    }
    expect(log.barriers).toBe(1);
  });

  it('costs no retry, counts neither for nor against the node, and is not asked again for a while', async () => {
    const { service, sent, balancer, clock, metrics } = setUp({
      ratio: 0,
      answer: async (to) => (to === 'n2' ? behind('n2') : answerFrom(to)),
    });
    for (let i = 0; i < 3; i++) expect((await service.query('read a')).nodeId).toBe('n3');
    expect(sent.map(({ to }) => to)).toEqual(['n2', 'n3', 'n3', 'n3']);
    expect(balancer.outcomes.filter(({ nodeId }) => nodeId === 'n2')).toEqual([{ nodeId: 'n2', ok: true }]);
    expect(metrics.value('queries_retried')).toBe(0);
    await clock.advance(500);
    await service.query('read a');
    expect(sent.slice(4).map(({ to }) => to)).toEqual(['n2', 'n3']);
  });

  it('is waited for when there is no other, until the deadline', async () => {
    const { service, state, balancer, clock } = setUp();
    balancer.nodes = ['n1'];
    state.fresh = false;
    const soon = service.query('read a');
    await clock.advance(30);
    state.fresh = true;
    await clock.advance(20);
    expect((await soon).nodeId).toBe('n1');
    state.fresh = false;
    const never = rejection(service.query('read a', { timeoutMs: 100 }));
    await clock.advance(200);
    expect(await never).toMatchObject({ code: 'MANAGER_QUERY_TIMEOUT' });
  });
});

describe('a write', () => {
  it('is proposed in the session given, or in one of our own', async () => {
    const { service, log } = setUp();
    log.owners.set(9, 'node/n1');
    await service.query('write a', { session: { clientId: 9, sequence: 4 } });
    expect(await service.query('write b')).toMatchObject({ rowsAffected: 1, nodeId: 'n1', index: 1 });
    expect(log.proposed).toEqual([
      { text: 'write a', session: { clientId: 9, sequence: 4 } },
      { text: 'write b', session: { clientId: 100, sequence: 1 } },
    ]);
  });

  it('goes through a voter when this node is none', async () => {
    const { service, asked } = setUp({ voting: false });
    expect((await service.query('write a')).nodeId).toBe('n2');
    expect(asked).toMatchObject([
      { to: 'n2', message: { routed: true, session: { clientId: 500, sequence: 1 } } },
    ]);
  });
});

describe('the query service', () => {
  it('needs a database', async () => {
    const { service } = setUp({ database: null });
    await expect(service.query('read a')).rejects.toMatchObject({ code: 'MANAGER_DATABASE_REQUIRED' });
  });

  it('refuses more queries than it may have under way', async () => {
    const { service, clock } = setUp({ answer: () => new Promise(() => undefined) });
    for (let i = 0; i < 4; i++) void service.query('read a').catch(() => undefined);
    await expect(service.query('read a')).rejects.toMatchObject({ code: 'MANAGER_OVERLOADED' });
    expect(service.pending).toBe(4);
    await clock.advance(0);
  });

  it('answers another node from here, whatever the balancer thinks, with its load', async () => {
    const { service, sent, query } = setUp();
    const answer = await service.serve(query({ sql: 'read a', routed: true }), context);
    expect(answer).toMatchObject({
      nodeId: 'n1',
      rows: [['read a']],
      load: { inFlight: 0, utilization: 0.25 },
    });
    expect(sent).toHaveLength(0);
  });

  it('is a gateway for a client', async () => {
    const { service, sent, log, query } = setUp();
    expect(await service.serve(query({ sql: 'read a' }), { ...context, role: 'client' })).toMatchObject({
      nodeId: 'n2',
    });
    expect(sent).toHaveLength(1);
    log.owners.set(3, 'node/n2');
    await service.serve(query({ sql: 'write a', session: { clientId: 3, sequence: 1 } }), context);
    expect(log.proposed).toEqual([{ text: 'write a', session: { clientId: 3, sequence: 1 } }]);
  });

  it('lets a session serve its owner only, routed or not; a node may ask for another, a client may not', async () => {
    const { service, log, query } = setUp();
    log.owners.set(3, 'client/app');
    const ask = async (from: string, role: 'node' | 'client', more: object = {}): Promise<unknown> => {
      const session = { clientId: 3, sequence: 1 };
      const answer = await service.serve(query({ sql: 'write a', session, ...more }), {
        ...context,
        from,
        role,
      });
      return answer.kind === 'QueryResult' ? (answer.failure?.code ?? null) : 'no answer';
    };
    for (const routed of [false, true]) {
      expect(await ask('app', 'client', { routed })).toBeNull();
      expect(await ask('n2', 'node', { routed, actor: 'client/app' })).toBeNull();
      expect(log.proposed.splice(0)).toHaveLength(2);
      expect(await ask('other', 'client', { routed })).toBe('MANAGER_SESSION_FORBIDDEN');
      expect(await ask('other', 'client', { routed, actor: 'client/app' })).toBe('MANAGER_SESSION_FORBIDDEN');
      expect(await ask('app', 'node', { routed })).toBe('MANAGER_SESSION_FORBIDDEN');
      expect(log.proposed).toHaveLength(0);
    }
    await expect(service.query('write a', { session: { clientId: 3, sequence: 1 } })).rejects.toMatchObject({
      code: 'MANAGER_SESSION_FORBIDDEN',
    });
  });

  it('passes on for whom it asks when it votes on nothing, and uses a session of its own as itself', async () => {
    const { service, asked, query } = setUp({ voting: false });
    const client: PeerContext = { ...context, from: 'app', role: 'client' };
    await service.serve(query({ sql: 'write a', session: { clientId: 3, sequence: 1 } }), client);
    await service.query('write b');
    expect(asked.map(({ message }) => message.actor)).toEqual(['client/app', null]);
  });

  it('takes no write without a mark from the network: the sender could not repeat it safely', async () => {
    const { service, log, query } = setUp();
    for (const routed of [true, false]) {
      const answer = await service.serve(query({ sql: 'write a', routed }), context);
      expect(answer).toMatchObject({ failure: { code: 'MANAGER_SESSION_REQUIRED' } });
    }
    expect(log.proposed).toHaveLength(0);
  });

  it('gives a failed statement as an answer, with its fault', async () => {
    const { service, query } = setUp();
    const answer = await service.serve(query({ sql: 'read nothing', routed: true }), context);
    expect(answer).toMatchObject({
      failure: { code: 'SQL_NO_SUCH_TABLE', fault: 'caller', retry: 'useless' },
    });
  });
});

describe('queries asked of other nodes', () => {
  const remoteWith = (
    answer: (to: string, message: QueryToSend, attempt: number) => Promise<MessageOf<'QueryResult'>>,
  ) => {
    const clock = new ManualClock();
    const asked: { readonly to: string; readonly session: unknown }[] = [];
    let sessions = 0;
    const remote = new RemoteQueries({
      clock,
      attemptTimeoutMs: 1000,
      port: {
        targets: () => ['n1', 'n2', 'n3'],
        openSession: async () => ++sessions,
        query: (to, message) => {
          asked.push({ to, session: message.session });
          return answer(to, message, asked.length);
        },
      },
    });
    const ask = (sql: string) => {
      const query = {
        sql,
        params: [],
        consistency: 'stale',
        key: null,
        minIndex: 0,
        routed: false,
        actor: null,
      } as const;
      return remote.ask(query, undefined, undefined, new Deadline(clock, 5000, undefined));
    };
    return { ask, asked, clock };
  };
  const refusal = (code: string, retry: string): object => ({
    failure: { code, fault: 'caller', message: 'm', advice: 'a', retry, stateChanged: false },
  });

  it('go to the next node with the same mark when one fails, and stay with the one that answered', async () => {
    const { ask, asked } = remoteWith(async (to) => {
      if (to === 'n1') throw failure('TRANSPORT_CONNECTION_LOST', 'unsafe');
      return answerFrom(to);
    });
    expect((await ask('INSERT INTO t VALUES (1)')).nodeId).toBe('n2');
    await ask('INSERT INTO t VALUES (2)');
    expect(asked.map(({ to }) => to)).toEqual(['n1', 'n2', 'n2']);
    expect(asked.map(({ session }) => session)).toEqual([
      { clientId: 1, sequence: 1 },
      { clientId: 1, sequence: 1 },
      { clientId: 1, sequence: 2 },
    ]);
  });

  it('carry no mark when they look like reads, and one when the node says it was a write', async () => {
    const { ask, asked } = remoteWith(async (to, { session }) =>
      session === null ? answerFrom(to, refusal('MANAGER_SESSION_REQUIRED', 'useless')) : answerFrom(to),
    );
    await ask('SELECT set_something()');
    expect(asked.map(({ session }) => session)).toEqual([null, { clientId: 1, sequence: 1 }]);
  });

  it('are not repeated elsewhere when the statement is at fault', async () => {
    const { ask, asked } = remoteWith(async (to) => answerFrom(to, refusal('SQL_NONSENSE', 'useless')));
    await expect(ask('nonsense')).rejects.toMatchObject({ code: 'SQL_NONSENSE' });
    expect(asked).toHaveLength(1);
  });

  it('end in doubt when the session was forgotten after a first attempt, in a new session when it was not', async () => {
    const expired = (retry: string) => refusal('MANAGER_SESSION_EXPIRED', retry) as never;
    const first = remoteWith(async (to, { session }) =>
      session?.clientId === 1 ? answerFrom(to, expired('safe')) : answerFrom(to),
    );
    expect((await first.ask('INSERT')).nodeId).toBe('n1');
    expect(first.asked.map(({ session }) => (session as { clientId: number }).clientId)).toEqual([1, 2]);
    const later = remoteWith(async (to, _message, attempt) => {
      if (attempt === 1) throw failure('TRANSPORT_CONNECTION_LOST', 'unsafe');
      return answerFrom(to, expired('safe'));
    });
    await expect(later.ask('INSERT')).rejects.toMatchObject({
      code: 'MANAGER_SESSION_EXPIRED',
      retry: 'unsafe',
    });
  });

  it('end with the deadline when nobody answers', async () => {
    const { ask, clock, asked } = remoteWith(() =>
      Promise.reject(failure('TRANSPORT_CONNECT_FAILED', 'safe')),
    );
    const end = rejection(ask('SELECT 1'));
    await clock.advance(6000);
    expect(await end).toSatisfy(
      (error) =>
        ClusterError.is(error) && error.code === 'MANAGER_QUERY_TIMEOUT' && ClusterError.is(error.cause),
    );
    expect(new Set(asked.map(({ to }) => to)).size).toBe(3);
  });
});
