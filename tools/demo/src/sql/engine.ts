/**
 * The embedded database of one node: SQL executed in log order, with the applied index and the clients' results written in the
 * same transaction, so that a crash leaves either all three or none and a restart continues where the data stands.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { describeError, packPlain, unpackPlain } from '@cluster/core';
import Libsql from 'libsql';
import type { SqlValue } from '@cluster/manager';
import type { Statement } from './statement.ts';

/** What a statement gave: rows for a query, counts for a change, or the database's own refusal (a constraint, a missing table). */
export type SqlResult =
  | {
      readonly ok: true;
      readonly columns: readonly string[];
      readonly rows: readonly (readonly SqlValue[])[];
      readonly rowsAffected: number;
      readonly lastInsertRowid: number | bigint | null;
    }
  | { readonly ok: false; readonly error: string };

export interface LogEntry {
  readonly index: number;
  readonly command: Uint8Array;
  readonly session: { readonly clientId: number; readonly sequence: number } | null;
}

export interface SessionChange {
  readonly type: 'open' | 'close';
  readonly clientId: number;
  readonly index: number;
  readonly owner?: string;
}

export interface Batch {
  readonly entries: readonly LogEntry[];
  readonly sessions: readonly SessionChange[];
  readonly lastIndex: number;
}

export interface SessionRow {
  readonly clientId: number;
  readonly lastIndex: number;
  readonly owner: string;
  readonly results: readonly { readonly sequence: number; readonly result: Uint8Array }[];
}

interface Prepared {
  run(...params: unknown[]): { changes: number; lastInsertRowid: number | bigint };
  all(...params: unknown[]): unknown[];
  raw(on: boolean): Prepared;
  safeIntegers(on: boolean): Prepared;
  columns(): { name: string }[];
  readonly reader: boolean;
}

// Results kept per client, as many as the log's own window of a session.
const sessionWindow = 256;
const preparedMax = 256;

const schema = `
  CREATE TABLE IF NOT EXISTS _cluster_meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS _cluster_sessions (
    client_id INTEGER PRIMARY KEY, last_index INTEGER NOT NULL, owner TEXT NOT NULL
  );
  CREATE TABLE IF NOT EXISTS _cluster_results (
    client_id INTEGER NOT NULL, sequence INTEGER NOT NULL, result BLOB NOT NULL, PRIMARY KEY (client_id, sequence)
  ) WITHOUT ROWID;`;

export class SqlEngine {
  readonly #writer: Libsql.Database;
  readonly #reader: Libsql.Database;
  readonly #prepared = new Map<string, Prepared>();
  readonly #readPrepared = new Map<string, Prepared>();

  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true });
    this.#writer = new Libsql(path);
    // The log is what is durable: after a power cut the database may be older than the log, and replays what is missing.
    this.#writer.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
    this.#writer.exec(schema);
    this.#reader = new Libsql(path);
    this.#reader.exec('PRAGMA query_only = ON;');
  }

  restore(): { readonly appliedIndex: number; readonly sessions: readonly SessionRow[] } {
    const meta = this.#writer.prepare("SELECT value FROM _cluster_meta WHERE key = 'applied'").get() as
      | { value: number }
      | undefined;
    const sessions = this.#writer
      .prepare('SELECT client_id, last_index, owner FROM _cluster_sessions')
      .all() as { client_id: number; last_index: number; owner: string }[];
    const results = this.#writer.prepare(
      'SELECT sequence, result FROM _cluster_results WHERE client_id = ? ORDER BY sequence',
    );
    return {
      appliedIndex: meta?.value ?? 0,
      sessions: sessions.map((session) => ({
        clientId: session.client_id,
        lastIndex: session.last_index,
        owner: session.owner,
        results: (results.all(session.client_id) as { sequence: number; result: Uint8Array }[]).map(
          ({ sequence, result }) => ({ sequence, result: new Uint8Array(result) }),
        ),
      })),
    };
  }

  /** Executes a batch of the log in one transaction; one result per entry. */
  apply({ entries, sessions, lastIndex }: Batch): Uint8Array[] {
    this.#writer.exec('BEGIN IMMEDIATE');
    try {
      for (const change of sessions) this.#changeSession(change);
      const results = entries.map((entry) => this.#applyEntry(entry));
      this.#own("INSERT OR REPLACE INTO _cluster_meta VALUES ('applied', ?)").run(lastIndex);
      this.#writer.exec('COMMIT');
      return results;
    } catch (error) {
      this.#writer.exec('ROLLBACK');
      throw error;
    }
  }

  /** Executes a query on a connection that cannot write. */
  read(statement: Statement): SqlResult {
    return this.#execute(this.#reader, this.#readPrepared, statement);
  }

  close(): void {
    this.#reader.close();
    this.#writer.close();
  }

  #applyEntry({ index, command, session }: LogEntry): Uint8Array {
    const statement = unpackPlain(command) as Statement;
    // A statement that fails half-way leaves nothing behind; the failure itself is a result like any other.
    this.#writer.exec('SAVEPOINT entry');
    const result = this.#execute(this.#writer, this.#prepared, statement);
    this.#writer.exec(result.ok ? 'RELEASE entry' : 'ROLLBACK TO entry; RELEASE entry');
    const bytes = packPlain(result);
    if (session !== null) {
      this.#own('UPDATE _cluster_sessions SET last_index = ? WHERE client_id = ?').run(
        index,
        session.clientId,
      );
      this.#own('INSERT OR REPLACE INTO _cluster_results VALUES (?, ?, ?)').run(
        session.clientId,
        session.sequence,
        bytes,
      );
      const floor = session.sequence - sessionWindow;
      if (floor > 0)
        this.#own('DELETE FROM _cluster_results WHERE client_id = ? AND sequence <= ?').run(
          session.clientId,
          floor,
        );
    }
    return bytes;
  }

  #changeSession({ type, clientId, index, owner = '' }: SessionChange): void {
    if (type === 'open') {
      this.#own('INSERT OR REPLACE INTO _cluster_sessions VALUES (?, ?, ?)').run(clientId, index, owner);
      return;
    }
    this.#own('DELETE FROM _cluster_sessions WHERE client_id = ?').run(clientId);
    this.#own('DELETE FROM _cluster_results WHERE client_id = ?').run(clientId);
  }

  #own(sql: string): Prepared {
    return prepare(this.#writer, this.#prepared, sql);
  }

  #execute(connection: Libsql.Database, cache: Map<string, Prepared>, { sql, params }: Statement): SqlResult {
    try {
      const prepared = prepare(connection, cache, sql);
      if (!prepared.reader) {
        const { changes, lastInsertRowid } = prepared.run(...params);
        return { ok: true, columns: [], rows: [], rowsAffected: changes, lastInsertRowid };
      }
      const columns = prepared.columns().map((column) => column.name);
      const rows = prepared
        .safeIntegers(true)
        .raw(true)
        .all(...params) as SqlValue[][];
      return {
        ok: true,
        columns,
        rows: rows.map((row) => row.map(plainValue)),
        rowsAffected: 0,
        lastInsertRowid: null,
      };
    } catch (error) {
      return { ok: false, error: describeError(error) };
    }
  }
}

/** Buffers become Uint8Arrays, and integers numbers where a number holds them exactly. */
function plainValue(value: SqlValue): SqlValue {
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (typeof value === 'bigint' && BigInt.asIntN(54, value) === value) return Number(value);
  return value;
}

function prepare(connection: Libsql.Database, cache: Map<string, Prepared>, sql: string): Prepared {
  let prepared = cache.get(sql);
  if (prepared === undefined) {
    if (cache.size >= preparedMax) cache.clear();
    prepared = connection.prepare(sql) as unknown as Prepared;
    cache.set(sql, prepared);
  }
  return prepared;
}
