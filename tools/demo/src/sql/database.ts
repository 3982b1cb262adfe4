/** The manager's database port on an embedded libsql database in a worker thread. */
import { Worker } from 'node:worker_threads';
import { ClusterError, type Done, packPlain, toPromise, unpackPlain } from '@cluster/core';
import type { Database, SqlValue, StateMachine, StatementResult } from '@cluster/manager';
import type { SqlResult } from './engine.ts';
import type { WorkerReply, WorkerRequest } from './sql-worker.ts';
import { classify, type Statement } from './statement.ts';

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

export class LibsqlDatabase implements Database {
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

  /** @throws ClusterError `SQL_*` for what cannot be replicated. */
  classify(sql: string, params: readonly SqlValue[] = []): { readonly readOnly: boolean } {
    return classify({ sql, params });
  }

  encodeWrite(sql: string, params: readonly SqlValue[] = []): Uint8Array {
    return packPlain(statement(sql, params));
  }

  /** @throws ClusterError `SQL_REJECTED` for a statement the database refused. */
  decodeResult(bytes: Uint8Array): StatementResult {
    return accepted(unpackPlain(bytes) as SqlResult);
  }

  async read(sql: string, params: readonly SqlValue[] = []): Promise<StatementResult> {
    const result = await toPromise<SqlResult>((done) =>
      this.#call({ kind: 'read', statement: statement(sql, params) }, done),
    );
    return accepted(result);
  }

  /** One statement is executed at a time; the others wait in the thread's queue. */
  load(): { readonly queueDepth: number; readonly utilization: number } {
    return { queueDepth: Math.max(0, this.#pending.size - 1), utilization: this.#pending.size > 0 ? 1 : 0 };
  }

  /** The replicated state machine of the log. */
  readonly stateMachine: StateMachine = {
    restore: (done) => this.#call({ kind: 'restore' }, done),
    apply: (batch, done) => this.#call({ kind: 'apply', batch }, done),
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

function accepted(result: SqlResult): StatementResult {
  if (!result.ok) throw rejected(result.error);
  const { columns, rows, rowsAffected, lastInsertRowid } = result;
  return { columns, rows, rowsAffected, lastInsertRowid };
}

/** SQLite has no booleans: they are the integers 1 and 0. */
const statement = (sql: string, params: readonly SqlValue[]): Statement => ({
  sql,
  params: params.map((value) => (typeof value === 'boolean' ? Number(value) : value)),
});
