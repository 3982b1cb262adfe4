/** Keeps the incarnation in one small file of a disk, replaced whole so that a crash leaves the old or the new one. */
import { ClusterError, type Disk, type DiskFile, type Done, runTask, type Task, wait } from '@cluster/core';
import { incarnationDamaged } from './errors.ts';
import type { IncarnationStore } from './ports.ts';
import { crc32 } from './wire/crc32.ts';

const fileBytes = 8;

/** @param folder made if it is not there. */
export function diskIncarnations(disk: Disk, folder: string): IncarnationStore {
  const path = `${folder}/incarnation`;
  return {
    load: (done: Done<number>) => runTask(load(disk, path), done),
    store: (incarnation: number, done: Done<void>) => runTask(store(disk, folder, path, incarnation), done),
  };
}

function* load(disk: Disk, path: string): Task<number> {
  let file: DiskFile;
  try {
    file = yield* wait<DiskFile>((done) => disk.open(path, { create: false }, done));
  } catch (error) {
    if (ClusterError.is(error) && error.code === 'DISK_NOT_FOUND') return 0;
    throw error;
  }
  const bytes = yield* wait<Uint8Array>((done) => file.read(0, fileBytes + 1, done));
  yield* wait<void>((done) => file.close(done));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length !== fileBytes || view.getUint32(4) !== crc32(bytes.subarray(0, 4)))
    throw incarnationDamaged(path);
  return view.getUint32(0);
}

function* store(disk: Disk, folder: string, path: string, incarnation: number): Task<void> {
  const bytes = new Uint8Array(fileBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, incarnation);
  view.setUint32(4, crc32(bytes.subarray(0, 4)));
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
