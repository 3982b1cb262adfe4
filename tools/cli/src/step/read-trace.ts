import { readFileSync } from 'node:fs';
import { ClusterError, decodeTrace, describeError } from '@cluster/core';
import { TraceCursor } from './trace-cursor.ts';

/** @throws ClusterError `TRACE_UNREADABLE` in one line. */
export function readTrace(path: string): TraceCursor {
  const { header, records } = decodeTrace(readText(path));
  const cursor = new TraceCursor(header, records);
  if (cursor.length === 0) throw unreadable(path, 'it holds no step');
  return cursor;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw unreadable(path, describeError(error));
  }
}

const unreadable = (path: string, why: string): ClusterError =>
  new ClusterError({
    code: 'TRACE_UNREADABLE',
    fault: 'caller',
    message: `The trace ${path} cannot be read: ${why}.`,
    advice: 'Give a .cltrace file, e.g. one that `sim --trace DIR` has written.',
  });
