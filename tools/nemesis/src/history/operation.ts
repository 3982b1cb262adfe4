/**
 * What a client did to one key of a key-value store, and what it was told.
 *
 * A history is a text of JSON lines, one operation each, in any order: whoever has a checker of their own can read it.
 */
import { ClusterError } from '@cluster/core';

export const operationKinds = ['get', 'put', 'del', 'append', 'cas'] as const;
export type OperationKind = (typeof operationKinds)[number];

/** What a key holds; null: nothing. */
export type Value = string | null;

/**
 * - `ok`: it was answered. A `get` then tells what it read; a `cas` has swapped.
 * - `fail`: it had no effect. A `cas` that fails has compared, and found something else than `expect`.
 * - `info`: nobody knows. It takes effect at some time after its call, however late, or never.
 */
export type OperationStatus = 'ok' | 'fail' | 'info';

export interface Operation {
  /** One thing at a time: a client whose operation ended as `info` never acts again. */
  readonly client: number;
  readonly op: OperationKind;
  readonly key: string;
  /** What was read, written, appended or swapped in. */
  readonly value: Value;
  /** What a `cas` compared with; null for all others, and for a `cas` that creates. */
  readonly expect: Value;
  /** Monotonic nanoseconds of one clock for all clients. */
  readonly call: number;
  /** Null when no answer came. */
  readonly return: number | null;
  readonly status: OperationStatus;
}

export const formatOperation = (operation: Operation): string => `${JSON.stringify(operation)}\n`;

/** @throws ClusterError `NEMESIS_HISTORY_INVALID` naming the first line that is no operation. */
export function parseHistory(text: string): Operation[] {
  const operations: Operation[] = [];
  for (const [at, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const problem = ((): string | null => {
      let parsed: unknown;
      try {
        parsed = JSON.parse(line);
      } catch {
        return 'it is not JSON';
      }
      const wrong = problemOf(parsed);
      if (wrong === null) operations.push(parsed as Operation);
      return wrong;
    })();
    if (problem !== null) throw invalid(at + 1, problem);
  }
  return operations;
}

function problemOf(parsed: unknown): string | null {
  if (typeof parsed !== 'object' || parsed === null) return 'it is no object';
  const { client, op, key, value, expect, call, return: end, status } = parsed as Record<string, unknown>;
  if (!Number.isSafeInteger(client)) return 'client is no integer';
  if (!operationKinds.includes(op as OperationKind)) return `op is none of ${operationKinds.join(', ')}`;
  if (typeof key !== 'string') return 'key is no text';
  if (value !== null && typeof value !== 'string') return 'value is neither text nor null';
  if (expect !== null && typeof expect !== 'string') return 'expect is neither text nor null';
  if (status !== 'ok' && status !== 'fail' && status !== 'info') return 'status is none of ok, fail, info';
  if (op !== 'get' && op !== 'del' && value === null) return `a ${op as string} needs a value`;
  if (typeof call !== 'number' || !Number.isFinite(call)) return 'call is no number';
  if (end === null) return status === 'info' ? null : `what has status ${status} has returned`;
  if (typeof end !== 'number' || !Number.isFinite(end)) return 'return is neither a number nor null';
  return end < call ? 'it returned before its call' : null;
}

export function operationsByKey(operations: Iterable<Operation>): Map<string, Operation[]> {
  const byKey = new Map<string, Operation[]>();
  for (const operation of operations) {
    const ofKey = byKey.get(operation.key);
    if (ofKey === undefined) byKey.set(operation.key, [operation]);
    else ofKey.push(operation);
  }
  return byKey;
}

const invalid = (line: number, problem: string): ClusterError =>
  new ClusterError({
    code: 'NEMESIS_HISTORY_INVALID',
    fault: 'caller',
    message: `Line ${line} is no operation: ${problem}.`,
    advice:
      'Each line is {client, op, key, value, expect, call, return, status}; see the README of the nemesis.',
  });
