/**
 * Queries asked of other nodes by one that cannot answer them: a client outside the cluster, or a node that does not vote.
 *
 * Any node will do. When one fails, the next is asked with the same session and sequence, so that a write whose answer was lost
 * with a node is not done twice.
 */
import { type Clock, ClusterError } from '@cluster/core';
import type { Deadline } from './deadline.ts';
import { asClusterError, managerError } from './errors.ts';
import type { MessageOf } from './messages.ts';
import type { SessionMark } from './ports.ts';
import { SessionKeeper } from './session-keeper.ts';
import type { QueryResult, SqlValue } from './sql.ts';
import type { Priority } from './types.ts';

const pauseMs = 25;

export interface RemoteCall {
  readonly priority?: Priority | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs: number;
}

export interface RemotePort {
  /** Nodes to ask. */
  targets(): readonly string[];
  query(to: string, message: QueryToSend, call: RemoteCall): Promise<MessageOf<'QueryResult'>>;
  /** @param owner whom it is for; null = this process itself. */
  openSession(to: string, owner: string | null, call: RemoteCall): Promise<number>;
}

export interface QueryToSend {
  readonly sql: string;
  readonly params: readonly SqlValue[];
  readonly consistency: 'stale' | 'linearizable';
  readonly session: SessionMark | null;
  /** Whom this process asks for; null = for itself. */
  readonly actor: string | null;
  readonly key: string | null;
  readonly minIndex: number;
  readonly routed: boolean;
}

export interface RemoteOptions {
  readonly clock: Clock;
  readonly port: RemotePort;
  /** How long one node may take to answer. */
  readonly attemptTimeoutMs: number;
}

// Only saves a mark: a node that sees a write without one says so, and it is sent again with one.
const looksReadOnly = (sql: string): boolean => /^\s*(select|values|explain)\b/i.test(sql);

export class RemoteQueries {
  readonly #options: RemoteOptions;
  readonly #sessions: SessionKeeper;
  #preferred = 0;

  constructor(options: RemoteOptions) {
    this.#options = options;
    this.#sessions = new SessionKeeper(options.clock, (deadline) => this.openSession(null, deadline));
  }

  async ask(
    query: Omit<QueryToSend, 'session'>,
    session: SessionMark | undefined,
    priority: Priority | undefined,
    deadline: Deadline,
  ): Promise<QueryResult> {
    if (session !== undefined) return this.#askAs({ ...query, session }, priority, deadline);
    if (looksReadOnly(query.sql)) {
      try {
        return await this.#askAs({ ...query, session: null }, priority, deadline);
      } catch (error) {
        if (!ClusterError.is(error) || error.code !== 'MANAGER_SESSION_REQUIRED') throw error;
      }
    }
    return this.#sessions.use(deadline, (mark) =>
      this.#askAs({ ...query, session: mark }, priority, deadline),
    );
  }

  openSession(owner: string | null, deadline: Deadline): Promise<number> {
    return this.#failover(deadline, (to, timeoutMs) =>
      this.#options.port.openSession(to, owner, { signal: deadline.signal, timeoutMs }),
    );
  }

  async #askAs(
    message: QueryToSend,
    priority: Priority | undefined,
    deadline: Deadline,
  ): Promise<QueryResult> {
    const answer = await this.#failover(deadline, async (to, timeoutMs, attempt) => {
      const result = await this.#options.port.query(to, message, {
        priority,
        signal: deadline.signal,
        timeoutMs,
      });
      if (result.failure === null) return result;
      const failure = new ClusterError(result.failure);
      if (failure.code !== 'MANAGER_SESSION_EXPIRED' || attempt === 1) throw failure;
      // An earlier attempt may have done it before the session was forgotten.
      throw managerError('MANAGER_SESSION_EXPIRED', failure.message, { cause: failure, retry: 'unsafe' });
    });
    const { columns, rows, rowsAffected, lastInsertRowid, nodeId, index } = answer;
    return { columns, rows, rowsAffected, lastInsertRowid, nodeId, index };
  }

  /** Asks one node after the other until one answers for good. */
  async #failover<T>(
    deadline: Deadline,
    ask: (to: string, timeoutMs: number, attempt: number) => Promise<T>,
  ): Promise<T> {
    let last: ClusterError | undefined;
    for (let attempt = 1; ; attempt++) {
      deadline.check('MANAGER_QUERY_TIMEOUT', last);
      const targets = this.#options.port.targets();
      const at = this.#preferred;
      const to = targets[at % Math.max(1, targets.length)];
      try {
        if (to === undefined)
          throw managerError('MANAGER_NO_ENDPOINT', 'No node is known that could be asked.');
        const timeoutMs = Math.min(this.#options.attemptTimeoutMs, deadline.leftMs);
        return await ask(to, Math.max(1, Math.ceil(timeoutMs)), attempt);
      } catch (error) {
        last = asClusterError(error, 'MANAGER_QUERY_FAILED');
        if (saidBy(error) === 'MANAGER_RATE_LIMITED')
          throw managerError('MANAGER_RATE_LIMITED', last.message, { cause: last });
        if (isFinal(last)) throw last;
        if (this.#preferred === at) this.#preferred = (at + 1) % Math.max(1, targets.length);
        // A full round has failed: whatever it is needs time.
        if (attempt % Math.max(1, targets.length) === 0) await deadline.sleep(pauseMs);
      }
    }
  }
}

/** The code of the remote handler's error. */
const saidBy = (error: unknown): unknown => (error as { readonly remoteCode?: unknown }).remoteCode;

/** The statement's or the caller's own fault: asking elsewhere would change nothing. */
const isFinal = (error: ClusterError): boolean =>
  error.code === 'MANAGER_SESSION_EXPIRED' || (error.retry === 'useless' && error.fault === 'caller');
