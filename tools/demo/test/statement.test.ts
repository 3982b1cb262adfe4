import { describe, expect, it } from 'vitest';
import type { SqlValue } from '@cluster/manager';
import { classify } from '../src/sql/statement.ts';

const kind = (sql: string, params: readonly SqlValue[] = []): string => {
  try {
    return classify({ sql, params }).readOnly ? 'read' : 'write';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('classifying a statement', () => {
  it.each([
    ['SELECT 1', 'read'],
    ['  -- a comment\n select * from t', 'read'],
    ['WITH a AS (SELECT 1) SELECT * FROM a', 'read'],
    ['WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a', 'write'],
    ['INSERT INTO t VALUES (?)', 'write'],
    ['CREATE TABLE t (a)', 'write'],
    ['SELECT random()', 'read'],
    ["INSERT INTO t VALUES ('random() now; drop')", 'write'],
    ['INSERT INTO t (random) VALUES (1)', 'write'],
    ["INSERT INTO t VALUES (datetime('2026-01-01'))", 'write'],
    ["INSERT INTO t VALUES (strftime('%s', made))", 'write'],
    ['CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t; DELETE FROM u; END', 'write'],
    ['SELECT 1;', 'read'],
  ])('takes %s as a %s', (sql, expected) => {
    expect(kind(sql)).toBe(expected);
  });

  it.each([
    ['', 'SQL_EMPTY'],
    ['/* nothing */', 'SQL_EMPTY'],
    ['SELECT 1; SELECT 2', 'SQL_MULTIPLE'],
    ['PRAGMA journal_mode = off', 'SQL_NOT_ALLOWED'],
    ["ATTACH 'x' AS y", 'SQL_NOT_ALLOWED'],
    ['BEGIN', 'SQL_NOT_ALLOWED'],
    ['VACUUM', 'SQL_NOT_ALLOWED'],
    ['SELECT * FROM _cluster_meta', 'SQL_NOT_ALLOWED'],
    ['DELETE FROM "_cluster_meta"', 'SQL_NOT_ALLOWED'],
    ['INSERT INTO t VALUES (RANDOM())', 'SQL_NOT_DETERMINED'],
    ['INSERT INTO t VALUES (random /* hm */ ())', 'SQL_NOT_DETERMINED'],
    ['CREATE TABLE t (a DEFAULT CURRENT_TIMESTAMP)', 'SQL_NOT_DETERMINED'],
    ["UPDATE t SET a = datetime('now', '+1 day')", 'SQL_NOT_DETERMINED'],
    ['UPDATE t SET a = unixepoch()', 'SQL_NOT_DETERMINED'],
    ["UPDATE t SET a = strftime('%s')", 'SQL_NOT_DETERMINED'],
    ['INSERT INTO t VALUES (last_insert_rowid())', 'SQL_NOT_DETERMINED'],
  ])('refuses %s with %s', (sql, code) => {
    expect(kind(sql)).toBe(code);
  });

  it('refuses a clock function whose parameter says now', () => {
    expect(kind('UPDATE t SET a = datetime(?)', ['now'])).toBe('SQL_NOT_DETERMINED');
    expect(kind('UPDATE t SET a = datetime(?)', ['2026-01-01'])).toBe('write');
  });
});
