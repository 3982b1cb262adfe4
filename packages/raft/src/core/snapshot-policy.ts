/** When a snapshot is taken by itself, and what of the log stays although one covers it. */
import type { Shared } from './state.ts';
import type { LogBase, SnapshotId } from './types.ts';

/** So much has been applied since the one before that another is due. */
export function hasGrown({ log, config }: Shared, appliedIndex: number, latest: SnapshotId | null): boolean {
  const since = Math.max(latest?.index ?? 0, log.base.index);
  if (appliedIndex - since >= config.snapshotEntries) return true;
  return log.bytesAfter(since) - log.bytesAfter(appliedIndex) >= config.snapshotBytes;
}

/**
 * Where the log begins once there is this snapshot: behind it, except for a tail that lets slow followers go on without one, and what the
 * followers will need that are being brought back, that up to the bound on the log. Null when it begins there already.
 *
 * @param needed indexes behind which somebody will need the log.
 */
export function shortenedTo(
  { log, config }: Shared,
  latest: SnapshotId,
  needed: readonly number[],
): LogBase | null {
  let index = Math.max(log.base.index, latest.index - config.logTailEntries);
  while (index < latest.index && log.bytesAfter(index) - log.bytesAfter(latest.index) > config.logTailBytes)
    index++;
  if (log.bytesAfter(log.base.index) <= config.logBytesMax) {
    for (const place of needed) index = Math.min(index, place);
  }
  const term = log.termAt(index);
  return index > log.base.index && term !== undefined ? { index, term } : null;
}
