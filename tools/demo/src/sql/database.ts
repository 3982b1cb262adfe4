/** The manager's database port on an embedded libsql database in a worker thread. */
import { Worker } from 'node:worker_threads';
import { ClusterError, type Done, packPlain, unpackPlain } from '@cluster/core';
import type { Batch, SessionRow, SqlResult } from './engine.ts';
import type { WorkerReply, WorkerRequest } from './sql-worker.ts';
import { classify, type SqlValue, type Statement } from './statement.ts';

type RequestBody = WorkerRequest extends infer R ? (R extends WorkerRequest ? Omit<R, 'id'> : never) : never;

/** A refusal by the database itself (a constraint, a missing table): the same on every node. */
export const rejected = (error: string): ClusterError =>
  new ClusterError({
    code: 'SQL_REJECTED',
    fault: 'caller',
    message: `The database refused the statement: ${error}.`,
    advice: 'Correct the statement or its values.',
  });

const failed = (why: string): ClusterError =>
  new ClusterError({
    code: 'SQL_DATABASE_FAILED',
    fault: 'environment',
    message: `The database of this node failed: ${why}.`,
    advice: 'Check the data folder and its free space, then restart the node.',
    retry: 'unsafe',
  });

export class LibsqlDatabase {
  readonly #worker: Worker;
  readonly #pending = new Map<number, (reply: WorkerReply) => void>();
  #nextId = 1;
  #failure: string | null = null;

  /**
   * @param path the database file; its folder is made when absent.
   * @param workerUrl the bundled program of `sql-worker.ts`.
   */
  constructor(path: string, workerUrl: URL) {
    this.#worker = new Worker(workerUrl, { workerData: { path } });
    this.#worker.on('message', (reply: WorkerReply) => {
      this.#pending.get(reply.id)?.(reply);
      this.#pending.delete(reply.id);
    });
    this.#worker.on('error', (error) => this.#fail(error.message));
    this.#worker.on('exit', () => this.#fail('its thread has ended'));
  }

  /** Statements in flight: the load this node reports. */
  get pending(): number {
    return this.#pending.size;
  }

  /** @throws ClusterError `SQL_*` for what cannot be replicated. */
  classify(sql: string, params: readonly SqlValue[] = []): { readonly readOnly: boolean } {
    return classify({ sql, params });
  }

  encodeWrite(sql: string, params: readonly SqlValue[] = []): Uint8Array {
    return packPlain({ sql, params } satisfies Statement);
  }

  /** @throws ClusterError `SQL_REJECTED` for a statement the database refused. */
  decodeResult(bytes: Uint8Array): Extract<SqlResult, { ok: true }> {
    return accepted(unpackPlain(bytes) as SqlResult);
  }

  async read(sql: string, params: readonly SqlValue[] = []): Promise<Extract<SqlResult, { ok: true }>> {
    const result = await new Promise<SqlResult>((resolve, reject) => {
      this.#call<SqlResult>({ kind: 'read', statement: { sql, params } }, (outcome) =>
        outcome.ok ? resolve(outcome.value) : reject(outcome.error),
      );
    });
    return accepted(result);
  }

  /** The replicated state machine of the log. */
  readonly stateMachine = {
    restore: (done: Done<{ appliedIndex: number; sessions: readonly SessionRow[] }>): void =>
      this.#call({ kind: 'restore' }, done),
    apply: (batch: Batch, done: Done<readonly Uint8Array[]>): void =>
      this.#call({ kind: 'apply', batch }, done),
  };

  /** Finishes what is in flight and closes the file. */
  async close(): Promise<void> {
    if (this.#failure !== null) return;
    const ended = new Promise<void>((resolve) => {
      this.#worker.once('exit', () => resolve());
    });
    this.#call({ kind: 'close' }, () => undefined);
    await ended;
  }

  #call<T>(body: RequestBody, done: Done<T>): void {
    if (this.#failure !== null) {
      done({ ok: false, error: failed(this.#failure) });
      return;
    }
    const id = this.#nextId++;
    this.#pending.set(id, (reply) =>
      done(reply.ok ? { ok: true, value: reply.value as T } : { ok: false, error: failed(reply.error) }),
    );
    this.#worker.postMessage({ ...body, id });
  }

  #fail(why: string): void {
    this.#failure ??= why;
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    for (const settle of waiting) settle({ id: 0, ok: false, error: why });
  }
}

function accepted(result: SqlResult): Extract<SqlResult, { ok: true }> {
  if (!result.ok) throw rejected(result.error);
  return result;
}
