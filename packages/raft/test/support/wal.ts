import type { ClusterError, Disk, Outcome } from '@cluster/core';
import {
  type Entry,
  type FlushPurpose,
  type LogStorage,
  type LogWrite,
  type RecoveredLog,
  WriteAheadLog,
} from '../../src/index.ts';

/** Small segments, so that a few entries fill one. */
export const small = { segmentBytes: 4096, growthBytes: 4096 } as const;

export const openWal = (disk: Disk, onFlush?: (purpose: FlushPurpose, path: string) => void): WriteAheadLog =>
  new WriteAheadLog({ disk, ...small, onFlush });

export const entry = (index: number, term = 1, command = `command ${index}`): Entry => ({
  index,
  term,
  kind: 'command',
  session: index % 3 === 0 ? { clientId: 7, sequence: index } : null,
  command: new TextEncoder().encode(command),
});

export const write = (more: Partial<LogWrite>): LogWrite => ({
  hardState: null,
  base: null,
  truncateAfter: null,
  entries: [],
  ...more,
});

/** Completes within the call on the disks of these tests; undefined when it does not. */
export function recover(storage: LogStorage, groupId = 0): Outcome<RecoveredLog> | undefined {
  let result: Outcome<RecoveredLog> | undefined;
  storage.recover(groupId, (outcome) => (result = outcome));
  return result;
}

export function recovered(storage: LogStorage, groupId = 0): RecoveredLog {
  const outcome = recover(storage, groupId);
  if (outcome === undefined) throw new Error('the log is still being read');
  if (!outcome.ok) throw outcome.error;
  return outcome.value;
}

export function recoveryError(storage: LogStorage): ClusterError {
  const outcome = recover(storage);
  if (outcome === undefined || outcome.ok) throw new Error('the log opened');
  return outcome.error;
}

export function put(storage: LogStorage, more: Partial<LogWrite>, groupId = 0): Outcome<void> | undefined {
  let result: Outcome<void> | undefined;
  storage.write(groupId, write(more), (outcome) => (result = outcome));
  return result;
}
