/** What else a history tells: writes that were acknowledged and are gone, and how long nothing was acknowledged. */
import { type Operation, operationsByKey } from './operation.ts';

/**
 * Acknowledged writes that a later read missed. Counted where it needs no search: on keys that were written once, by a `put`.
 * (On all other keys a lost write shows as a violation of linearizability.)
 */
export function countLostWrites(operations: readonly Operation[]): number {
  let lost = 0;
  for (const ofKey of operationsByKey(operations).values()) {
    const [write, ...others] = ofKey.filter(({ op, status }) => op !== 'get' && status !== 'fail');
    if (write === undefined || others.length > 0) continue;
    const { op, status, value, return: acknowledged } = write;
    if (op !== 'put' || status !== 'ok' || acknowledged === null) continue;
    const missed = ofKey.some(
      (read) => read.op === 'get' && read.status === 'ok' && read.call > acknowledged && read.value !== value,
    );
    if (missed) lost++;
  }
  return lost;
}

export const isAcknowledgedWrite = ({ op, status }: Operation): boolean => op !== 'get' && status === 'ok';

/** The longest time without an acknowledged write between the first and the last, in ms; null with fewer than two. */
export function longestInterruptionMs(operations: readonly Operation[]): number | null {
  const times = operations
    .filter(isAcknowledgedWrite)
    .map((operation) => operation.return ?? operation.call)
    .sort((a, b) => a - b);
  if (times.length < 2) return null;
  const longest = times.reduce((most, at, i) => Math.max(most, at - (times[i - 1] ?? at)), 0);
  return Math.round(longest / 1e6);
}
