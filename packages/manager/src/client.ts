/**
 * A process outside the cluster that queries it. It knows some nodes, asks one of them, and goes on to the next when that one
 * fails; a write carries the same (client id, sequence) wherever it is sent, so it happens once.
 */
import type { Clock } from '@cluster/core';
import { MessageCodec } from './codec.ts';
import type { MessengerComponent } from './components.ts';
import { Deadline } from './deadline.ts';
import { managerError } from './errors.ts';
import { controlTypeIds, messageTypeIds } from './messages.ts';
import type { QueryOptions } from './query-service.ts';
import { type RemotePort, RemoteQueries } from './remote.ts';
import { decodeSessionAnswer } from './session-wire.ts';
import type { QueryResult } from './sql.ts';
import type { CallOptions } from './types.ts';

export interface ClientQueryOptions extends QueryOptions {
  /** Executes on the node that is asked, without routing it on. Default false. */
  readonly local?: boolean;
}

export interface ClusterClientParts {
  readonly clock: Clock;
  /** One that dials only. */
  readonly messenger: Pick<MessengerComponent, 'request' | 'close' | 'ping'>;
  readonly nodes: readonly string[];
  readonly queryTimeoutMs: number;
  readonly attemptTimeoutMs: number;
}

export class ClusterClient implements AsyncDisposable {
  readonly #parts: ClusterClientParts;
  readonly #remote: RemoteQueries;
  #closed = false;

  /** For composers; applications call `connect()` of `@cluster/manager/node`. */
  constructor(parts: ClusterClientParts) {
    this.#parts = parts;
    this.#remote = new RemoteQueries({
      clock: parts.clock,
      attemptTimeoutMs: parts.attemptTimeoutMs,
      port: remotePort(parts),
    });
  }

  /**
   * Runs one statement: a write exactly once, a read wherever the node that is asked routes it.
   * @param options deadline default `queryTimeoutMs` of `connect` (10 s).
   * @throws ClusterError `MANAGER_QUERY_TIMEOUT` (a write may have been applied), `MANAGER_SESSION_EXPIRED`, or the database's.
   */
  async query(sql: string, options: ClientQueryOptions = {}): Promise<QueryResult> {
    const {
      params = [],
      consistency = 'stale',
      key = null,
      minIndex = 0,
      local = false,
      session,
      priority,
    } = options;
    const deadline = this.#deadline(options);
    return this.#remote.ask(
      { sql, params, consistency, key, minIndex, routed: local, actor: null },
      session,
      priority,
      deadline,
    );
  }

  /** A session whose sequences the caller keeps, e.g. to repeat a write after a restart of its own. */
  async openSession(options: CallOptions = {}): Promise<number> {
    return this.#remote.openSession(null, this.#deadline(options));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#parts.messenger.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #deadline({ timeoutMs, signal }: CallOptions): Deadline {
    if (this.#closed) throw managerError('MANAGER_STOPPED', 'The client is closed.');
    const deadline = new Deadline(this.#parts.clock, timeoutMs ?? this.#parts.queryTimeoutMs, signal);
    deadline.check('MANAGER_QUERY_TIMEOUT');
    return deadline;
  }
}

function remotePort({ messenger, nodes }: ClusterClientParts): RemotePort {
  const codec = new MessageCodec();
  return {
    targets: () => nodes,
    query: async (to, { params, ...query }, call) => {
      const timeoutMs = Math.max(1, Math.ceil(call.timeoutMs));
      const bytes = codec.encode({ ...query, kind: 'Query', params: [...params], timeoutMs });
      const answer = await messenger.request(to, messageTypeIds.Query, bytes, { ...call, failFast: true });
      if (answer[0] !== messageTypeIds.QueryResult) {
        throw managerError('MANAGER_MESSAGE_REFUSED', `${to} answered a query with something else.`);
      }
      return codec.decode('QueryResult', answer.subarray(1));
    },
    openSession: async (to, _owner, call) =>
      decodeSessionAnswer(
        await messenger.request(to, controlTypeIds.openSession, new Uint8Array(0), {
          ...call,
          failFast: true,
        }),
      ),
  };
}
