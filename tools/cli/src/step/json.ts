/** Steps as JSON for other tools: plain values, bytes as base64, and what JSON lacks as text. */
import { toBase64 } from '@cluster/core';
import type { TraceCursor } from './trace-cursor.ts';

export function jsonOf(cursor: TraceCursor, indices: readonly number[]): string {
  return JSON.stringify(
    { header: cursor.header, steps: indices.map((index) => cursor.view(index)) },
    replace,
  );
}

function replace(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return toBase64(value);
  if (value instanceof Map || value instanceof Set) return [...value];
  if (value instanceof Error) return { code: (value as { code?: unknown }).code, message: value.message };
  if (typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value)))
    return String(value);
  return value;
}
