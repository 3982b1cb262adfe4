/**
 * Queries: a write goes through the replicated log, a read to the replica the balancer likes best, this node included.
 *
 * Any node takes a query and finds the right place for it (gateway); a query that another node has already routed here is
 * executed here and never sent on, so it cannot go round in circles. Every answer carries the answering node's load, which is
 * what keeps the balancer's picture fresh (gossip of loads would be a second old).
 */
import { type Clock, ClusterError } from '@cluster/core';
import type { BalancerComponent, LogComponent, PeerContext, Route } from './components.ts';
import type { RetryBudget } from './core/retry-budget.ts';
import { Deadline } from './deadline.ts';
import { asClusterError, managerError } from './errors.ts';
import type { LoadMeter } from './load.ts';
import type { ClusterMessageInput, MessageOf } from './messages.ts';
import type { ManagerMetrics } from './metrics.ts';
import type { Database, SessionMark } from './ports.ts';
import type { Proposer } from './proposer.ts';
import type { RemoteQueries } from './remote.ts';
import { identityOf } from './session-wire.ts';
import type { QueryResult, SqlValue } from './sql.ts';
import type { CallOptions, LoadReport, Priority } from './types.ts';

export interface QueryOptions extends CallOptions {
  readonly params?: readonly SqlValue[];
  /** A read's freshness: `stale` (default) = any replica as it is; `linearizable` = all that was acknowledged before. */
  readonly consistency?: 'stale' | 'linearizable';
  /** A stale read waits until its replica has applied this log index: give a write's `index` to read it back anywhere. */
  readonly minIndex?: number;
  /** Exactly-once mark of a write; default: the manager keeps one. */
  readonly session?: SessionMark;
  /** Data it touches, for locality. */
  readonly key?: string;
  /** Default `Normal`. */
  readonly priority?: Priority;
}

export interface QueryServiceOptions {
  readonly nodeId: string;
  readonly clock: Clock;
  readonly database: Database | null;
  readonly log: LogComponent | null;
  readonly proposer: Proposer | null;
  readonly remote: RemoteQueries;
  readonly balancer: BalancerComponent;
  readonly budget: RetryBudget;
  readonly load: LoadMeter;
  readonly metrics: ManagerMetrics;
  readonly queryTimeoutMs: number;
  readonly attemptTimeoutMs: number;
  readonly maxPending: number;
  /** Nodes that hold the data. */
  readonly replicas: () => readonly string[];
  /** Whether this node's replica may serve stale reads. */
  readonly isFresh: () => boolean;
  readonly send: (
    to: string,
    message: ClusterMessageInput,
    options: { readonly priority?: Priority; readonly signal?: AbortSignal; readonly timeoutMs: number },
  ) => Promise<MessageOf<'QueryResult'>>;
}

interface ReadRequest {
  readonly sql: string;
  readonly params: readonly SqlValue[];
  readonly consistency: 'stale' | 'linearizable';
  readonly minIndex: number;
  readonly key: string | undefined;
  readonly priority: Priority | undefined;
}

/** A query and whom it is executed for. */
interface Asked extends QueryOptions {
  readonly actor?: string;
}

type LocalRead = Pick<ReadRequest, 'sql' | 'params' | 'consistency' | 'minIndex'>;

const applyPollMs = 2;
/** How long a replica that said it is behind is not asked again, and how soon when all are. */
const behindPauseMs = 500;
const allBehindPauseMs = 10;

/** The replica is behind altogether, not just short of the index that was asked for. */
const isStale = ({ code }: ClusterError, { consistency, minIndex }: ReadRequest): boolean =>
  code === 'MANAGER_REPLICA_BEHIND' && consistency === 'stale' && minIndex === 0;

export class QueryService {
  readonly #options: QueryServiceOptions;
  /** Replicas that said they are behind, and until when that is believed; as many as there are replicas. */
  readonly #behind = new Map<string, number>();
  #pending = 0;

  constructor(options: QueryServiceOptions) {
    this.#options = options;
  }

  get pending(): number {
    return this.#pending;
  }

  async query(sql: string, options: Asked = {}): Promise<QueryResult> {
    const { clock, maxPending, queryTimeoutMs } = this.#options;
    const { params = [], consistency = 'stale', minIndex = 0, key, priority } = options;
    if (this.#pending >= maxPending) {
      throw managerError('MANAGER_OVERLOADED', `${maxPending} queries are under way already.`);
    }
    const deadline = new Deadline(clock, options.timeoutMs ?? queryTimeoutMs, options.signal);
    const startMs = clock.nowMs();
    this.#pending++;
    try {
      const { readOnly } = this.#database().classify(sql, params);
      deadline.check('MANAGER_QUERY_TIMEOUT');
      const result = readOnly
        ? await this.#read({ sql, params, consistency, minIndex, key, priority }, deadline)
        : await this.#write(sql, params, options, deadline);
      this.#options.metrics.queryTook(clock.nowMs() - startMs);
      return result;
    } catch (error) {
      this.#options.metrics.add('queries_failed');
      throw error;
    } finally {
      this.#pending--;
    }
  }

  /** A Query from the network. A failed statement is an answer like any other; the load goes with it. */
  async serve(message: MessageOf<'Query'>, context: PeerContext): Promise<ClusterMessageInput> {
    const { clock, nodeId, load } = this.#options;
    try {
      const deadline = new Deadline(clock, message.timeoutMs, context.signal);
      const sender = identityOf(context.role, context.from);
      const actor = context.role === 'node' ? (message.actor ?? sender) : sender;
      const result = message.routed
        ? await this.#executeHere(message, actor, deadline)
        : await this.#gateway(message, actor, deadline);
      return {
        ...result,
        columns: [...result.columns],
        rows: result.rows.map((row) => [...row]),
        kind: 'QueryResult',
        load: load.report(),
      };
    } catch (error) {
      const {
        code,
        fault,
        message: text,
        advice,
        retry,
        stateChanged,
      } = asClusterError(error, 'MANAGER_QUERY_FAILED');
      return {
        kind: 'QueryResult',
        nodeId,
        failure: { code, fault, message: text, advice, retry, stateChanged },
        load: load.report(),
      };
    }
  }

  /** @returns null when the node that would be picked is none. */
  pick(request: {
    readonly key?: string | undefined;
    readonly readOnly: boolean;
    readonly exclude?: readonly string[];
  }): Route | null {
    const { balancer, log, database, replicas } = this.#options;
    const { key, readOnly, exclude = [] } = request;
    const leaderId = log?.status().leaderId ?? null;
    const choose = (candidates: readonly string[] | undefined): Route | null =>
      balancer.pick({
        readOnly,
        exclude,
        ...(key === undefined ? {} : { key }),
        ...(candidates === undefined ? {} : { candidates }),
      });
    const all = !readOnly && leaderId !== null ? [leaderId] : database === null ? undefined : replicas();
    // Those that are behind only when there is no other.
    const fresh = readOnly ? all?.filter((id) => !this.#isBehind(id)) : all;
    const route = choose(fresh) ?? (fresh?.length === all?.length ? null : choose(all));
    if (route !== null) this.#options.metrics.add('routes_given');
    return route;
  }

  #isBehind(id: string): boolean {
    const { clock, nodeId, isFresh } = this.#options;
    if (id === nodeId) return !isFresh();
    const untilMs = this.#behind.get(id);
    if (untilMs === undefined || untilMs > clock.nowMs()) return untilMs !== undefined;
    this.#behind.delete(id);
    return false;
  }

  #database(): Database {
    const { database } = this.#options;
    if (database === null) throw managerError('MANAGER_DATABASE_REQUIRED', 'There is no database to query.');
    return database;
  }

  async #gateway(message: MessageOf<'Query'>, actor: string, deadline: Deadline): Promise<QueryResult> {
    const { sql, params, session, key, consistency, minIndex } = message;
    // The sender repeats what fails, and only its own mark makes that safe.
    if (session === null && !this.#database().classify(sql, params).readOnly) {
      throw managerError('MANAGER_SESSION_REQUIRED', 'A write came without a session.');
    }
    return this.query(sql, {
      params,
      consistency,
      minIndex,
      actor,
      timeoutMs: Math.max(1, deadline.leftMs),
      signal: deadline.signal,
      ...(session === null ? {} : { session }),
      ...(key === null ? {} : { key }),
    });
  }

  async #executeHere(message: MessageOf<'Query'>, actor: string, deadline: Deadline): Promise<QueryResult> {
    const { sql, params, session } = message;
    if (this.#database().classify(sql, params).readOnly) return this.#readHere(message, deadline);
    if (session === null) throw managerError('MANAGER_SESSION_REQUIRED', 'A write came without a session.');
    if (this.#options.proposer === null) throw managerError('MANAGER_NOT_VOTER', 'This node holds no log.');
    return this.#write(sql, params, { session, actor }, deadline);
  }

  async #write(
    sql: string,
    params: readonly SqlValue[],
    { session, priority, actor }: Pick<Asked, 'session' | 'priority' | 'actor'>,
    deadline: Deadline,
  ): Promise<QueryResult> {
    const { nodeId, proposer, remote, replicas } = this.#options;
    const database = this.#database();
    const command = database.encodeWrite(sql, params);
    if (proposer === null) {
      if (replicas().length === 0)
        throw managerError('MANAGER_VOTERS_REQUIRED', 'This node knows no voters to write through.');
      const query = {
        sql,
        params,
        consistency: 'stale',
        key: null,
        minIndex: 0,
        routed: true,
        // A session of its own this node uses as itself, whoever asked.
        actor: session === undefined ? null : (actor ?? null),
      } as const;
      return remote.ask(query, session, priority, deadline);
    }
    if (session !== undefined)
      await proposer.authorize(session, actor ?? identityOf('node', nodeId), deadline);
    this.#options.metrics.add('writes_proposed');
    const { index, result } =
      session === undefined
        ? await proposer.propose(command, deadline)
        : await proposer.proposeAs(command, session, deadline);
    return { ...database.decodeResult(result), nodeId, index };
  }

  async #read(request: ReadRequest, deadline: Deadline): Promise<QueryResult> {
    const { budget, clock } = this.#options;
    budget.deposit(clock.nowMs());
    const failed: string[] = [];
    let last: ClusterError | undefined;
    for (;;) {
      deadline.check('MANAGER_QUERY_TIMEOUT', last);
      const route = this.pick({ key: request.key, readOnly: true, exclude: failed });
      if (route === null) {
        if (last !== undefined && isStale(last, request)) {
          // Nobody is fresh, e.g. all have just started: that passes.
          failed.length = 0;
          await deadline.sleep(allBehindPauseMs);
          continue;
        }
        throw last ?? managerError('MANAGER_NO_ENDPOINT', 'No replica is alive and connected.');
      }
      try {
        return await this.#readAt(route, request, deadline);
      } catch (error) {
        last = asClusterError(error, 'MANAGER_QUERY_FAILED');
        // The statement's own fault: another node would say the same.
        if (last.fault === 'caller') throw last;
        failed.push(route.nodeId);
        // It has done nothing, and says so at once: asking another is no load upon load.
        if (isStale(last, request)) {
          this.#behind.set(route.nodeId, clock.nowMs() + behindPauseMs);
          continue;
        }
      }
      if (!budget.withdraw(clock.nowMs())) {
        this.#options.metrics.add('retries_refused');
        throw last;
      }
      this.#options.metrics.add('queries_retried');
    }
  }

  async #readAt(route: Route, request: ReadRequest, deadline: Deadline): Promise<QueryResult> {
    const { clock, nodeId, attemptTimeoutMs } = this.#options;
    const startMs = clock.nowMs();
    const done = (ok: boolean, load: LoadReport | null): void =>
      route.done({ ok, latencyMs: clock.nowMs() - startMs, ...(load === null ? {} : { load }) });
    try {
      if (route.nodeId === nodeId) {
        const result = await this.#readHere(request, deadline);
        done(true, this.#options.load.report());
        return result;
      }
      const { sql, params, consistency, minIndex, key, priority } = request;
      const timeoutMs = Math.max(1, Math.ceil(Math.min(attemptTimeoutMs, deadline.leftMs)));
      const message = {
        sql,
        params: [...params],
        consistency,
        minIndex,
        key: key ?? null,
        routed: true,
        timeoutMs,
      };
      const answer = await this.#options.send(
        route.nodeId,
        { kind: 'Query', ...message },
        {
          timeoutMs,
          ...(priority === undefined ? {} : { priority }),
          ...(deadline.signal === undefined ? {} : { signal: deadline.signal }),
        },
      );
      const { failure, load, columns, rows, rowsAffected, lastInsertRowid, index } = answer;
      // A statement that fails by its own fault is no mark against the node; nor is being behind, which says nothing of its speed.
      if (failure?.code !== 'MANAGER_REPLICA_BEHIND')
        done(failure === null || failure.fault === 'caller', load);
      if (failure !== null) throw new ClusterError(failure);
      return { columns, rows, rowsAffected, lastInsertRowid, index, nodeId: route.nodeId };
    } catch (error) {
      if (ClusterError.is(error) && error.code === 'MANAGER_REPLICA_BEHIND') {
        route[Symbol.dispose]();
        throw error;
      }
      // The first word counts: after an answer this changes nothing.
      done(ClusterError.is(error) && error.fault === 'caller', null);
      throw error;
    }
  }

  #readHere(request: LocalRead, deadline: Deadline): Promise<QueryResult> {
    return this.#options.load.count(() => this.#readFresh(request, deadline));
  }

  async #readFresh(request: LocalRead, deadline: Deadline): Promise<QueryResult> {
    const { clock, log, metrics, nodeId } = this.#options;
    const database = this.#database();
    let index: number | null = null;
    // Without its log the data here would grow old unnoticed.
    if (log === null) throw managerError('MANAGER_REPLICA_BEHIND', 'This node has no running replica.');
    if (request.consistency === 'stale' && request.minIndex === 0 && !this.#options.isFresh()) {
      metrics.add('reads_behind');
      throw managerError('MANAGER_REPLICA_BEHIND', 'This replica is behind by more than maxStalenessMs.');
    }
    if (request.consistency === 'linearizable') {
      index = await log.barrier({ timeoutMs: deadline.leftMs, signal: deadline.signal });
    } else if (request.minIndex > 0) {
      index = await this.#applied(request.minIndex, deadline);
    }
    const timer = new AbortController();
    const limit = clock.setTimer(deadline.leftMs, () => timer.abort());
    try {
      const signals = deadline.signal === undefined ? [timer.signal] : [timer.signal, deadline.signal];
      const { columns, rows } = await database.read(request.sql, request.params, AbortSignal.any(signals));
      metrics.add('queries_served');
      return { columns, rows, rowsAffected: 0, lastInsertRowid: null, nodeId, index };
    } finally {
      limit.cancel();
    }
  }

  /** Waits until this replica has applied `minIndex`. */
  async #applied(minIndex: number, deadline: Deadline): Promise<number> {
    const { log, attemptTimeoutMs, clock } = this.#options;
    const giveUpMs = clock.nowMs() + attemptTimeoutMs / 2;
    for (;;) {
      const applied = log?.status().appliedIndex ?? 0;
      if (applied >= minIndex) return applied;
      if (clock.nowMs() > giveUpMs || deadline.leftMs <= 0) {
        throw managerError('MANAGER_REPLICA_BEHIND', `This replica has applied ${applied} of ${minIndex}.`);
      }
      await deadline.sleep(applyPollMs);
      deadline.check('MANAGER_QUERY_TIMEOUT');
    }
  }
}
