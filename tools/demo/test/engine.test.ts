import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packPlain, unpackPlain } from '@cluster/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LogEntry, SqlEngine, type SqlResult } from '../src/sql/engine.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cluster-sql-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const entry = (
  index: number,
  sql: string,
  params: readonly unknown[] = [],
  session: LogEntry['session'] = null,
): LogEntry => ({
  index,
  command: packPlain({ sql, params }),
  session,
});
const open = (): SqlEngine => new SqlEngine(join(folder, 'node', 'data.db'));

describe('the embedded database', () => {
  it('keeps rows, applied index and session results in one transaction across a restart', () => {
    const before = open();
    before.apply({
      entries: [entry(1, 'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)')],
      sessions: [],
      lastIndex: 1,
    });
    before.apply({
      entries: [entry(3, 'INSERT INTO t VALUES (?, ?)', [7, 'seven'], { clientId: 2, sequence: 1 })],
      sessions: [{ type: 'open', clientId: 2, index: 2, owner: 'client/app' }],
      lastIndex: 3,
    });
    before.close();
    const after = open();
    const { appliedIndex, sessions } = after.restore();
    expect(appliedIndex).toBe(3);
    expect(sessions).toMatchObject([
      { clientId: 2, lastIndex: 3, owner: 'client/app', results: [{ sequence: 1 }] },
    ]);
    expect(unpackPlain(sessions[0]?.results[0]?.result as Uint8Array)).toMatchObject({
      ok: true,
      rowsAffected: 1,
    });
    expect(after.read({ sql: 'SELECT * FROM t', params: [] })).toMatchObject({
      rows: [[7, 'seven']],
      columns: ['id', 'v'],
    });
    after.close();
  });

  it('turns a refused statement into a result, undoes it wholly, and goes on', () => {
    const engine = open();
    const results = engine
      .apply({
        entries: [
          entry(1, 'CREATE TABLE t (id INTEGER PRIMARY KEY)'),
          entry(2, 'INSERT INTO t VALUES (1)'),
          entry(3, 'INSERT INTO t VALUES (2), (1)'),
          entry(4, 'INSERT INTO t VALUES (3)'),
        ],
        sessions: [],
        lastIndex: 4,
      })
      .map((bytes) => unpackPlain(bytes) as SqlResult);
    expect(results.map((result) => result.ok)).toEqual([true, true, false, true]);
    expect(engine.read({ sql: 'SELECT id FROM t ORDER BY id', params: [] })).toMatchObject({
      rows: [[1], [3]],
    });
    engine.close();
  });

  it('refuses to write on the read connection', () => {
    const engine = open();
    engine.apply({ entries: [entry(1, 'CREATE TABLE t (id)')], sessions: [], lastIndex: 1 });
    expect(engine.read({ sql: 'INSERT INTO t VALUES (1)', params: [] })).toMatchObject({ ok: false });
    expect(engine.read({ sql: 'SELECT count(*) FROM t', params: [] })).toMatchObject({ rows: [[0]] });
    engine.close();
  });

  it('keeps 64-bit integers whole and bytes as bytes', () => {
    const engine = open();
    const big = 9_007_199_254_740_993n;
    engine.apply({ entries: [entry(1, 'CREATE TABLE t (a, b)')], sessions: [], lastIndex: 1 });
    engine.apply({
      entries: [entry(2, 'INSERT INTO t VALUES (?, ?)', [big, new Uint8Array([1, 2])])],
      sessions: [],
      lastIndex: 2,
    });
    const result = engine.read({ sql: 'SELECT a, b, 5 FROM t', params: [] });
    expect(result).toMatchObject({ rows: [[big, new Uint8Array([1, 2]), 5]] });
    engine.close();
  });

  it('forgets a closed session and results beyond the window', () => {
    const engine = open();
    engine.apply({ entries: [entry(1, 'CREATE TABLE t (id)')], sessions: [], lastIndex: 1 });
    engine.apply({
      entries: [1, 300].map((sequence) =>
        entry(sequence + 3, 'INSERT INTO t VALUES (1)', [], { clientId: 2, sequence }),
      ),
      sessions: [{ type: 'open', clientId: 2, index: 2 }],
      lastIndex: 303,
    });
    expect(engine.restore().sessions[0]?.results.map((r) => r.sequence)).toEqual([300]);
    engine.apply({ entries: [], sessions: [{ type: 'close', clientId: 2, index: 304 }], lastIndex: 304 });
    expect(engine.restore().sessions).toEqual([]);
    engine.close();
  });
});
