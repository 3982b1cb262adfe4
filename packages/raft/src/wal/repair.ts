/**
 * Looking into a damaged write-ahead log, and cutting it off where the damage begins: for a person, never for a node.
 *
 * A log that is damaged in its middle is not opened, because what it has lost may have been acknowledged: a vote, or an entry that
 * was committed with it. Cutting makes it open again and does not bring that back. It is safe only for a node that does not vote with
 * what is left: one that is removed from its group and joins again under a new name, or one whose data somebody wants to read.
 */
import { ClusterError, type Disk, type DiskFile, type Task, wait } from '@cluster/core';
import { frameOverheadBytes, readRecords, segmentHeaderBytes, segmentNumber } from './format.ts';
import { Groups } from './groups.ts';
import { type ScannedSegment, scanSegment } from './segment-scan.ts';

export interface WalSegmentReport {
  readonly path: string;
  /** Sound frames from its beginning. */
  readonly frames: number;
  /** Where the last of them ends. */
  readonly soundBytes: number;
  readonly bytes: number;
  /** What is wrong behind that; null for a segment that is sound, or torn at the end of the log. */
  readonly damage: string | null;
}

export interface WalReport {
  /** Oldest first, up to the first one that is damaged; what lies behind that cannot be judged. */
  readonly segments: readonly WalSegmentReport[];
  /** Names behind a damaged segment. */
  readonly behindDamage: readonly string[];
  /** What does not fit together though each segment is sound, e.g. a first one that is missing. */
  readonly problem: string | null;
}

/** Reads a log without changing anything. Nobody else may have it open. */
export function* inspectWal(disk: Disk, directory: string): Task<WalReport> {
  const names = yield* wait<readonly string[]>((done) => disk.list(directory, done));
  const paths = names
    .filter((name) => segmentNumber(name) !== undefined)
    .map((name) => `${directory}/${name}`);
  const groups = new Groups();
  const segments: WalSegmentReport[] = [];
  let before: ScannedSegment | null = null;
  for (const [at, path] of paths.entries()) {
    const inspected: Inspected = yield* inspectSegment(disk, path, {
      chain: before?.chain ?? null,
      isLast: at === paths.length - 1,
      groups,
    });
    segments.push(inspected.report);
    if (inspected.report.damage !== null) {
      return { segments, behindDamage: paths.slice(at + 1), problem: null };
    }
    before = inspected.scanned;
  }
  return { segments, behindDamage: [], problem: groups.problem ?? groups.missing() };
}

/**
 * Cuts a damaged log off where the damage begins. What is cut off is kept beside it, under names that end in `.damaged`. Read first
 * what that means: the head of this file, or the README.
 *
 * @returns the report it went by; nothing is changed when that shows no damage.
 */
export function* cutWal(disk: Disk, directory: string): Task<WalReport> {
  const report = yield* inspectWal(disk, directory);
  const damaged = report.segments.find(({ damage }) => damage !== null);
  if (damaged === undefined) return report;
  // The latest first, so that a crash on the way leaves no gap.
  for (const path of report.behindDamage.toReversed()) yield* setAside(disk, path);
  yield* copyAside(disk, damaged);
  yield* wait<void>((done) => disk.syncDirectory(directory, done));
  if (damaged.frames === 0) yield* wait<void>((done) => disk.remove(damaged.path, done));
  else yield* truncate(disk, damaged);
  yield* wait<void>((done) => disk.syncDirectory(directory, done));
  return report;
}

interface Inspected {
  readonly report: WalSegmentReport;
  readonly scanned: ScannedSegment | null;
}

function* inspectSegment(
  disk: Disk,
  path: string,
  { chain, isLast, groups }: { chain: ScannedSegment['chain'] | null; isLast: boolean; groups: Groups },
): Task<Inspected> {
  const file = yield* wait<DiskFile>((done) => disk.open(path, { create: false }, done));
  const number = segmentNumber(path.slice(path.lastIndexOf('/') + 1)) ?? 0;
  let frames = 0;
  let soundBytes = 0;
  const onFrame = (records: Uint8Array, offset: number): void => {
    readRecords(records, groups);
    frames++;
    soundBytes = offset + records.length + frameOverheadBytes;
  };
  let scanned: ScannedSegment | null = null;
  let damage: string | null = null;
  try {
    scanned = yield* scanSegment({ file, number, chain, isLast, onFrame });
  } catch (error) {
    if (!ClusterError.is(error) || error.code !== 'RAFT_LOG_DAMAGED') throw error;
    damage = error.message;
  }
  const bytes = yield* wait<number>((done) => file.size(done));
  yield* wait<void>((done) => file.close(done));
  return { report: { path, frames, soundBytes, bytes, damage }, scanned };
}

function* setAside(disk: Disk, path: string): Task<void> {
  yield* wait<void>((done) => disk.rename(path, `${path}.damaged`, done));
}

const copyBytes = 1024 * 1024;

function* copyAside(disk: Disk, { path, bytes }: WalSegmentReport): Task<void> {
  const from = yield* wait<DiskFile>((done) => disk.open(path, { create: false }, done));
  const to = yield* wait<DiskFile>((done) => disk.open(`${path}.damaged`, { create: true }, done));
  for (let at = 0; at < bytes; at += copyBytes) {
    const piece = yield* wait<Uint8Array>((done) => from.read(at, copyBytes, done));
    yield* wait<void>((done) => to.write(at, piece, done));
  }
  yield* wait<void>((done) => to.sync(done));
  yield* wait<void>((done) => to.close(done));
  yield* wait<void>((done) => from.close(done));
}

function* truncate(disk: Disk, { path, soundBytes }: WalSegmentReport): Task<void> {
  const file = yield* wait<DiskFile>((done) => disk.open(path, { create: false }, done));
  yield* wait<void>((done) => file.truncate(Math.max(soundBytes, segmentHeaderBytes), done));
  yield* wait<void>((done) => file.sync(done));
  yield* wait<void>((done) => file.close(done));
}
