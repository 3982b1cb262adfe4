/**
 * What a statement is, read from its tokens before it is proposed.
 *
 * Every node executes the log by itself, so a statement whose result is not determined by the log (`random()`, the time of day)
 * would make the copies differ; it is refused here, at the gate, together with what belongs to a connection rather than to the
 * data (`PRAGMA`, `ATTACH`, transaction control). Strings, quoted names and comments are skipped, so `'random()'` is just text.
 * A statement taken for a read runs on a read-only connection: a mistake here can cost an error, never a difference.
 */
import { ClusterError } from '@cluster/core';
import type { SqlValue } from '@cluster/manager';

export interface Statement {
  readonly sql: string;
  readonly params: readonly SqlValue[];
}

type Token =
  | { readonly kind: 'word' | 'sign'; readonly text: string }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'name'; readonly text: string };

// One alternative per kind; sticky, so that a character no alternative takes is a sign of its own.
const pattern =
  /(?<space>\s+|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|(?<string>'(?:[^']|'')*')|(?<name>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])|(?<word>[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)|(?<sign>[\s\S])/gy;

function tokenize(sql: string): Token[] {
  const tokens: Token[] = [];
  for (const { groups } of sql.matchAll(pattern)) {
    if (groups?.['string'] !== undefined)
      tokens.push({ kind: 'string', text: groups['string'].slice(1, -1) });
    else if (groups?.['name'] !== undefined) tokens.push({ kind: 'name', text: groups['name'].slice(1, -1) });
    else if (groups?.['word'] !== undefined)
      tokens.push({ kind: 'word', text: groups['word'].toLowerCase() });
    else if (groups?.['sign'] !== undefined) tokens.push({ kind: 'sign', text: groups['sign'] });
  }
  return tokens;
}

const reads = new Set(['select', 'values', 'explain']);
const changes = new Set(['insert', 'update', 'delete', 'replace']);
const writes = new Set([...changes, 'create', 'drop', 'alter', 'with', 'reindex', 'analyze']);
const drawn = new Set(['random', 'randomblob', 'current_timestamp', 'current_date', 'current_time']);
// A statement's own counters depend on what else the connection has done.
const connectionBound = new Set(['last_insert_rowid', 'changes', 'total_changes']);
const clocked = new Set(['date', 'time', 'datetime', 'julianday', 'unixepoch', 'strftime', 'timediff']);
const reserved = '_cluster_';

export const refuse = (code: string, message: string, advice: string): ClusterError =>
  new ClusterError({ code, fault: 'caller', message, advice });

/**
 * @throws ClusterError `SQL_EMPTY`, `SQL_MULTIPLE`, `SQL_NOT_ALLOWED`, `SQL_NOT_DETERMINED` (writes only).
 */
export function classify({ sql, params }: Statement): { readonly readOnly: boolean } {
  const tokens = tokenize(sql);
  const end = tokens.findIndex((token) => token.kind === 'sign' && token.text === ';');
  const body = end === -1 ? tokens : tokens.slice(0, end);
  // The body of a trigger holds semicolons of its own, up to its END.
  const isTrigger =
    body[0]?.text === 'create' && body.some((token) => token.kind === 'word' && token.text === 'trigger');
  if (end !== -1 && !isTrigger && tokens.slice(end).some((token) => token.text !== ';')) {
    throw refuse('SQL_MULTIPLE', 'More than one statement was given.', 'Send one statement at a time.');
  }
  const [first] = body;
  if (first === undefined) throw refuse('SQL_EMPTY', 'The statement is empty.', 'Send one SQL statement.');
  const words = new Set(tokens.filter((token) => token.kind === 'word').map((token) => token.text));
  if (tokens.some((token) => token.kind !== 'string' && token.text.toLowerCase().startsWith(reserved))) {
    throw refuse(
      'SQL_NOT_ALLOWED',
      `Names that begin with ${reserved} belong to the cluster.`,
      'Use another name.',
    );
  }
  const changesData = [...changes].some((word) => words.has(word));
  const isRead = reads.has(first.text) || (first.text === 'with' && !changesData);
  if (first.kind === 'word' && isRead) return { readOnly: true };
  if (first.kind !== 'word' || !writes.has(first.text)) {
    throw refuse(
      'SQL_NOT_ALLOWED',
      `A statement cannot begin with ${first.text.toUpperCase()}.`,
      'Queries, data changes and schema changes are replicated; connection settings and transactions are not.',
    );
  }
  assertDetermined(tokens, params);
  return { readOnly: false };
}

function assertDetermined(tokens: readonly Token[], params: readonly SqlValue[]): void {
  for (const [at, token] of tokens.entries()) {
    if (token.kind !== 'word') continue;
    const isCall = tokens[at + 1]?.text === '(' && tokens[at + 1]?.kind === 'sign';
    const isDrawn = drawn.has(token.text) && (isCall || token.text.startsWith('current_'));
    if (
      isDrawn ||
      (isCall && connectionBound.has(token.text)) ||
      (isCall && readsClock(tokens, at, params))
    ) {
      throw refuse(
        'SQL_NOT_DETERMINED',
        `${token.text}() gives another result on every node.`,
        'Compute the value first and pass it as a parameter.',
      );
    }
  }
}

/** `datetime()` and `datetime('now')` read the clock; `datetime(column)` does not. A parameter could hold 'now'. */
function readsClock(tokens: readonly Token[], at: number, params: readonly SqlValue[]): boolean {
  const name = tokens[at]?.text ?? '';
  if (!clocked.has(name)) return false;
  let depth = 0;
  let commas = 0;
  let isEmpty = true;
  for (const token of tokens.slice(at + 1)) {
    if (token.kind === 'sign' && token.text === '(') depth++;
    else if (token.kind === 'sign' && token.text === ')') {
      if (--depth === 0) break;
    } else {
      isEmpty = false;
      if (token.kind === 'sign' && token.text === ',' && depth === 1) commas++;
      if (token.kind === 'string' && token.text.trim().toLowerCase() === 'now') return true;
      const mayBeNow = params.some(
        (value) => typeof value === 'string' && value.trim().toLowerCase() === 'now',
      );
      if (token.kind === 'sign' && '?:@$'.includes(token.text) && mayBeNow) return true;
    }
  }
  // strftime's first argument is the format: with nothing behind it, it means now.
  return isEmpty || (name === 'strftime' && commas === 0);
}
