/** Reading a snapshot's file: what it is about, whether it is whole, and the image in it. */
import { type DiskFile, type Done, runTask, type Task, wait } from '@cluster/core';
import type { SnapshotId, SnapshotMeta } from '../core/types.ts';
import { crc32c } from '../crc32c.ts';
import { snapshotDamaged } from '../errors.ts';
import type { ByteSource, StoredSnapshot } from '../ports.ts';
import { decodeHead, decodeTrailer, headBytes, preambleBytes, trailerBytes } from './format.ts';

const pieceBytes = 256 * 1024;

interface Head {
  readonly meta: SnapshotMeta;
  readonly bytes: Uint8Array;
}

/** What a file that has its name is about; the image is not read. @throws ClusterError `RAFT_SNAPSHOT_DAMAGED` */
export function* inspect(file: DiskFile, groupId: number): Task<StoredSnapshot> {
  const { meta, bytes: head } = yield* readHead(file, groupId);
  const bytes = yield* wait<number>((done) => file.size(done));
  const trailer = yield* wait<Uint8Array>((done) => file.read(bytes - trailerBytes, trailerBytes, done));
  const crc = decodeTrailer(trailer);
  if (crc === null || bytes < head.length + trailerBytes)
    throw snapshotDamaged(file.path, 'its end is missing');
  return { id: { index: meta.index, term: meta.term, bytes, crc }, meta };
}

/** Reads all of it. @throws ClusterError `RAFT_SNAPSHOT_DAMAGED` */
export function* checkWhole(file: DiskFile, groupId: number, id: SnapshotId): Task<StoredSnapshot> {
  const { meta } = yield* readHead(file, groupId);
  if (meta.index !== id.index || meta.term !== id.term)
    throw snapshotDamaged(file.path, `it is of index ${meta.index}, not ${id.index}`);
  const image = imageOf(file, groupId, id, () => undefined);
  while ((yield* wait<Uint8Array | null>((done) => image.next(done))) !== null);
  return { id, meta };
}

function* readHead(file: DiskFile, groupId: number): Task<Head> {
  const length = headBytes(yield* wait<Uint8Array>((done) => file.read(0, preambleBytes, done)));
  const size = yield* wait<number>((done) => file.size(done));
  // A length that turned over, or lies, may be a gigabyte: nobody makes room for what is not there.
  const isThere = length !== null && length <= size;
  const bytes = isThere ? yield* wait<Uint8Array>((done) => file.read(0, length, done)) : null;
  const meta = bytes === null ? null : decodeHead(groupId, bytes);
  if (bytes === null || meta === null) throw snapshotDamaged(file.path, 'its beginning is not readable');
  return { meta, bytes };
}

/** The image within a file, which it closes; the end comes only when the checksum over everything is right. */
export function imageOf(
  file: DiskFile,
  groupId: number,
  id: SnapshotId,
  close: () => void = () => file.close(() => undefined),
): ByteSource {
  const imageEnd = id.bytes - trailerBytes;
  let at: number | null = null;
  let crc = 0;
  const next = function* next(): Task<Uint8Array | null> {
    if (at === null) {
      const { bytes } = yield* readHead(file, groupId);
      crc = crc32c(bytes);
      at = bytes.length;
    }
    if (at < imageEnd) {
      const from = at;
      const length = Math.min(pieceBytes, imageEnd - from);
      const piece = yield* wait<Uint8Array>((done) => file.read(from, length, done));
      if (piece.length < length) throw snapshotDamaged(file.path, 'it is cut short');
      crc = crc32c(piece, crc);
      at += length;
      return piece;
    }
    const trailer = yield* wait<Uint8Array>((done) => file.read(imageEnd, trailerBytes, done));
    if (crc !== id.crc || decodeTrailer(trailer) !== crc)
      throw snapshotDamaged(file.path, 'its checksum is wrong');
    return null;
  };
  return { next: (done: Done<Uint8Array | null>) => runTask(next(), done), close };
}
