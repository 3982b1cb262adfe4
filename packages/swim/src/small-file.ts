/** A small file that is read and replaced as a whole: a crash leaves the old content or the new, and damage is seen. */
import { ClusterError, type Disk, type DiskFile, type Task, wait } from '@cluster/core';
import { crc32 } from './wire/crc32.ts';

const checksumBytes = 4;

/** Null when there is no such file; undefined when what is in it is not what was written. */
export function* readSmallFile(disk: Disk, path: string): Task<Uint8Array | null | undefined> {
  let file: DiskFile;
  try {
    file = yield* wait<DiskFile>((done) => disk.open(path, { create: false }, done));
  } catch (error) {
    if (ClusterError.is(error) && error.code === 'DISK_NOT_FOUND') return null;
    throw error;
  }
  const size = yield* wait<number>((done) => file.size(done));
  const bytes = yield* wait<Uint8Array>((done) => file.read(0, size, done));
  yield* wait<void>((done) => file.close(done));
  if (bytes.length < checksumBytes) return undefined;
  const content = bytes.subarray(0, bytes.length - checksumBytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view.getUint32(content.length) === crc32(content) ? content : undefined;
}

/** One at a time for each path. @param folder made if it is not there. */
export function* replaceSmallFile(disk: Disk, folder: string, name: string, content: Uint8Array): Task<void> {
  const bytes = new Uint8Array(content.length + checksumBytes);
  bytes.set(content);
  new DataView(bytes.buffer).setUint32(content.length, crc32(content));
  const path = `${folder}/${name}`;
  const next = `${path}.new`;
  yield* wait<void>((done) => disk.makeDirectory(folder, done));
  const file = yield* wait<DiskFile>((done) => disk.open(next, { create: true }, done));
  yield* wait<void>((done) => file.truncate(0, done));
  yield* wait<void>((done) => file.write(0, bytes, done));
  // Renamed only once it is on the medium: the name must never point at less than a whole record.
  yield* wait<void>((done) => file.sync(done));
  yield* wait<void>((done) => file.close(done));
  yield* wait<void>((done) => disk.rename(next, path, done));
  // The folder's own name and those above it count as well: a file in a folder that is gone after a crash is gone.
  for (let parent = folder; ; parent = parent.slice(0, Math.max(0, parent.lastIndexOf('/')))) {
    yield* wait<void>((done) => disk.syncDirectory(parent, done));
    if (parent === '') return;
  }
}
