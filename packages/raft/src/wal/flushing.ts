/** Flushes, each of which says what it is for. */
import { type DiskFile, type Task, wait } from '@cluster/core';

/** Why a flush is made; each is needed, and the simulator shows it by leaving one out. */
export type FlushPurpose =
  /** A frame, with everything that queued for it. */
  | 'commit'
  /** The name of a new segment, with its first frame. */
  | 'segmentName'
  /** What an earlier process wrote and may not have synced, and the removal of what it left unfinished. */
  | 'recoveredFrame'
  /** The names of segments that an earlier process made, and the removal of an unfinished one. */
  | 'recoveredNames'
  /** The name of the log's folder. */
  | 'folderName'
  /** The removal of a segment that nobody needs any more, or its new name, before the next one goes. */
  | 'removedName'
  /** Zeros over what a segment held, before it may become the next one. */
  | 'spareZeros'
  /** The bytes of a snapshot, before it gets its name. */
  | 'snapshotData'
  /** The name of a snapshot, before anything rests on it. */
  | 'snapshotName';

export type Flush = (purpose: FlushPurpose, path: string) => void;

/** @param note told just before the flush. */
export function* writeDurably(
  file: DiskFile,
  offset: number,
  bytes: Uint8Array,
  note: () => void,
): Task<void> {
  if (file.writeDurably !== undefined) {
    note();
    return yield* wait<void>((done) => file.writeDurably?.(offset, bytes, done));
  }
  yield* wait<void>((done) => file.write(offset, bytes, done));
  note();
  yield* wait<void>((done) => file.sync(done));
}
