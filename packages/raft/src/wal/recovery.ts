/**
 * Opening a write-ahead log: reads all segments, drops what was being written when the last process ended, and makes sure that
 * everything it reports as recovered is durable before it says so. That last part is needed because a process that was killed may
 * have written what it never synced: the operating system still shows it, and a loss of power would take it away again.
 */
import { type Disk, type DiskFile, type Task, wait } from '@cluster/core';
import { logDamaged } from '../errors.ts';
import type { Highest } from './coverage.ts';
import { type Chain, readRecords, type RecordVisitor, segmentNumber } from './format.ts';
import type { Flush } from './flushing.ts';
import { Groups } from './groups.ts';
import { type ScannedSegment, scanSegment } from './segment-scan.ts';
import { spareName } from './spare.ts';

export interface Segment {
  readonly number: number;
  readonly path: string;
  readonly highest: Highest;
}

export interface OpenSegment extends Segment {
  readonly file: DiskFile;
  end: number;
  size: number;
}

export interface RecoveredWal {
  readonly groups: Groups;
  readonly chain: Chain;
  /** Oldest first, the current one included. */
  readonly segments: readonly Segment[];
  readonly current: OpenSegment | null;
}

const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

/** @throws ClusterError `RAFT_LOG_DAMAGED`, or the disk's; nothing stays open then. */
export function* recoverWal(disk: Disk, directory: string, flush: Flush): Task<RecoveredWal> {
  const open = new Set<DiskFile>();
  try {
    return yield* readAll(disk, directory, flush, open);
  } catch (error) {
    for (const file of open) file.close(() => undefined);
    throw error;
  }
}

function* readAll(disk: Disk, directory: string, flush: Flush, open: Set<DiskFile>): Task<RecoveredWal> {
  yield* wait<void>((done) => disk.makeDirectory(directory, done));
  const segments = yield* listSegments(disk, directory);
  const groups = new Groups();
  let chain: Chain | null = null;
  let current: OpenSegment | null = null;
  let last: ScannedSegment | null = null;
  for (const [place, segment] of segments.entries()) {
    const { path, number } = segment;
    const isLast = place === segments.length - 1;
    const file = yield* wait<DiskFile>((done) => disk.open(path, { create: false }, done));
    open.add(file);
    const visitor = noting(segment.highest, groups);
    const onFrame = (records: Uint8Array, offset: number): void => {
      if (!readRecords(records, visitor))
        throw logDamaged(path, offset, 'a frame holds records of an unknown kind');
      if (groups.problem !== null) throw logDamaged(path, offset, groups.problem);
    };
    const scanned: ScannedSegment | null = yield* scanSegment({ file, number, chain, isLast, onFrame });
    if (scanned === null) {
      yield* close(file, open);
      yield* wait<void>((done) => disk.remove(path, done));
      continue;
    }
    chain = scanned.chain;
    if (current !== null) yield* close(current.file, open);
    current = { ...segment, file, end: scanned.end, size: scanned.size };
    last = scanned;
  }
  const missing = groups.missing();
  if (missing !== null) throw logDamaged(segments[0]?.path ?? directory, 0, missing);
  if (current !== null && last !== null) yield* secure(current, last, flush);
  flush('recoveredNames', directory);
  yield* wait<void>((done) => disk.syncDirectory(directory, done));
  for (let folder = directory; folder !== ''; folder = parentOf(folder)) {
    flush('folderName', parentOf(folder));
    yield* wait<void>((done) => disk.syncDirectory(parentOf(folder), done));
  }
  const newest = current?.number ?? 0;
  const sound = segments.filter(({ number }) => number <= newest);
  return { groups, chain: chain ?? { crc: 0, sequence: 0 }, segments: sound, current };
}

/** Passes records on, and notes how far the entries among them go. */
const noting = (highest: Highest, groups: Groups): RecordVisitor => ({
  hardState: (groupId, hardState) => groups.hardState(groupId, hardState),
  base: (groupId, base) => groups.base(groupId, base),
  truncate: (groupId, after) => groups.truncate(groupId, after),
  entry: (groupId, entry) => {
    highest.set(groupId, Math.max(entry.index, highest.get(groupId) ?? 0));
    groups.entry(groupId, entry);
  },
});

function* listSegments(disk: Disk, directory: string): Task<readonly Segment[]> {
  const names = yield* wait<readonly string[]>((done) => disk.list(directory, done));
  const segments: Segment[] = [];
  for (const name of names) {
    if (name === spareName) yield* wait<void>((done) => disk.remove(`${directory}/${name}`, done));
    const number = segmentNumber(name);
    if (number === undefined) continue;
    const path = `${directory}/${name}`;
    const before = segments.at(-1);
    if (before !== undefined && number !== before.number + 1) {
      throw logDamaged(path, 0, `the segment before it is missing; ${before.path} is the last one there`);
    }
    segments.push({ number, path, highest: new Map() });
  }
  return segments;
}

/**
 * Clears a torn frame away and writes the last good one once more, as it is: after a sync that failed, the system may take it for
 * written though it never got to the medium, and a further sync alone would not bring it there.
 */
function* secure(
  segment: OpenSegment,
  { lastFrameAt, end, isTorn }: ScannedSegment,
  flush: Flush,
): Task<void> {
  const { file, path } = segment;
  if (isTorn) {
    yield* wait<void>((done) => file.truncate(end, done));
    segment.size = end;
  }
  const start = lastFrameAt ?? end;
  const frame = yield* wait<Uint8Array>((done) => file.read(start, end - start, done));
  yield* wait<void>((done) => file.write(start, frame, done));
  flush('recoveredFrame', path);
  yield* wait<void>((done) => file.sync(done));
}

function* close(file: DiskFile, open: Set<DiskFile>): Task<void> {
  open.delete(file);
  yield* wait<void>((done) => file.close(done));
}
