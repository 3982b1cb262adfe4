/**
 * Snapshots as files of a folder (thesis 5.1): written beside, synced, renamed, and the folder synced. A file that has its name is
 * whole, whenever the power went; anything under another name is a leftover and goes.
 */
import { type Disk, type DiskFile, type Done, runTask, type Task, wait } from '@cluster/core';
import type { SnapshotId, SnapshotMeta } from '../core/types.ts';
import { crc32c } from '../crc32c.ts';
import { groupInUse, snapshotDamaged } from '../errors.ts';
import type { ByteSource, SnapshotStorage, StoredSnapshot } from '../ports.ts';
import type { Flush } from '../wal/flushing.ts';
import { encodeHead, encodeTrailer, trailerBytes } from './format.ts';
import { checkWhole, imageOf, inspect } from './reading.ts';

export interface SnapshotFilesOptions {
  readonly disk: Disk;
  /** Default: `snapshots`. */
  readonly directory?: string | undefined;
  /** Told of each flush just before it is made: for tests and tools. */
  readonly onFlush?: Flush | undefined;
}

interface Incoming {
  readonly id: SnapshotId;
  readonly file: DiskFile;
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');

const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

export class SnapshotFiles implements SnapshotStorage {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #flush: Flush;
  readonly #recovered = new Set<number>();
  readonly #incoming = new Map<number, Incoming>();

  constructor({ disk, directory = 'snapshots', onFlush }: SnapshotFilesOptions) {
    this.#disk = disk;
    this.#directory = directory;
    this.#flush = (purpose, path) => onFlush?.(purpose, path);
  }

  recover(groupId: number, done: Done<StoredSnapshot | null>): void {
    if (this.#recovered.has(groupId)) return done({ ok: false, error: groupInUse(groupId) });
    this.#recovered.add(groupId);
    runTask(this.#recover(groupId), done);
  }

  save(groupId: number, meta: SnapshotMeta, image: ByteSource, done: Done<StoredSnapshot>): void {
    runTask(this.#save(groupId, meta, image), (outcome) => {
      image.close();
      done(outcome);
    });
  }

  read(groupId: number, id: SnapshotId, offset: number, length: number, done: Done<Uint8Array>): void {
    runTask(
      this.#withFile(this.#path(groupId, id), false, (file) =>
        wait<Uint8Array>((read) => file.read(offset, length, read)),
      ),
      done,
    );
  }

  open(groupId: number, id: SnapshotId, done: Done<ByteSource>): void {
    this.#disk.open(this.#path(groupId, id), { create: false }, (opened) =>
      done(opened.ok ? { ok: true, value: imageOf(opened.value, groupId, id) } : opened),
    );
  }

  receive(groupId: number, id: SnapshotId, offset: number, bytes: Uint8Array, done: Done<void>): void {
    runTask(this.#receive(groupId, id, offset, bytes), done);
  }

  accept(groupId: number, id: SnapshotId, done: Done<StoredSnapshot>): void {
    runTask(this.#accept(groupId, id), done);
  }

  keepOnly(groupId: number, ids: readonly SnapshotId[], done: Done<void>): void {
    runTask(this.#keepOnly(groupId, ids), done);
  }

  *#recover(groupId: number): Task<StoredSnapshot | null> {
    const disk = this.#disk;
    yield* wait<void>((done) => disk.makeDirectory(this.#directory, done));
    let newest: string | null = null;
    for (const name of yield* this.#namesOf(groupId)) {
      if (name.endsWith('.snap')) newest = name;
      else yield* wait<void>((done) => disk.remove(`${this.#directory}/${name}`, done));
    }
    // A process that was killed may have named one without syncing the name.
    yield* this.#syncNames();
    for (let folder = this.#directory; folder !== ''; folder = parentOf(folder)) {
      this.#flush('folderName', parentOf(folder));
      yield* wait<void>((done) => disk.syncDirectory(parentOf(folder), done));
    }
    if (newest === null) return null;
    const path = `${this.#directory}/${newest}`;
    return yield* this.#withFile(path, false, (file) => inspect(file, groupId));
  }

  *#save(groupId: number, meta: SnapshotMeta, image: ByteSource): Task<StoredSnapshot> {
    const part = `${this.#directory}/${hex(groupId, 8)}.part`;
    const id = yield* this.#withFile(part, true, (file) => this.#fill(file, groupId, meta, image));
    yield* this.#name(part, groupId, id);
    return { id, meta };
  }

  *#fill(file: DiskFile, groupId: number, meta: SnapshotMeta, image: ByteSource): Task<SnapshotId> {
    yield* wait<void>((done) => file.truncate(0, done));
    let bytes = 0;
    let crc = 0;
    let piece: Uint8Array | null = encodeHead(groupId, meta);
    while (piece !== null) {
      const written: Uint8Array = piece;
      crc = crc32c(written, crc);
      yield* wait<void>((done) => file.write(bytes, written, done));
      bytes += written.length;
      piece = yield* wait<Uint8Array | null>((done) => image.next(done));
    }
    yield* wait<void>((done) => file.write(bytes, encodeTrailer(crc), done));
    yield* this.#sync(file);
    return { index: meta.index, term: meta.term, bytes: bytes + trailerBytes, crc };
  }

  *#receive(groupId: number, id: SnapshotId, offset: number, bytes: Uint8Array): Task<void> {
    if (offset === 0) {
      yield* this.#forgetIncoming(groupId);
      const path = this.#incomingPath(groupId);
      const file = yield* wait<DiskFile>((done) => this.#disk.open(path, { create: true }, done));
      this.#incoming.set(groupId, { id, file });
      yield* wait<void>((done) => file.truncate(0, done));
    }
    const { file } = this.#incomingOf(groupId, id);
    yield* wait<void>((done) => file.write(offset, bytes, done));
  }

  *#accept(groupId: number, id: SnapshotId): Task<StoredSnapshot> {
    const { file } = this.#incomingOf(groupId, id);
    try {
      // The bytes first: what is checked then is what will be there.
      yield* this.#sync(file);
      const stored = yield* checkWhole(file, groupId, id);
      yield* this.#name(file.path, groupId, id);
      return stored;
    } finally {
      yield* this.#forgetIncoming(groupId);
    }
  }

  *#keepOnly(groupId: number, ids: readonly SnapshotId[]): Task<void> {
    const kept = ids.map((id) => this.#path(groupId, id)).sort();
    for (const name of yield* this.#namesOf(groupId)) {
      const path = `${this.#directory}/${name}`;
      // It got its name after the caller had decided.
      const isNewer = path > (kept.at(-1) ?? '');
      if (!name.endsWith('.snap') || kept.includes(path) || isNewer) continue;
      yield* wait<void>((done) => this.#disk.remove(path, done));
    }
  }

  /** Oldest first: the names sort as their indexes do. */
  *#namesOf(groupId: number): Task<readonly string[]> {
    const names = yield* wait<readonly string[]>((done) => this.#disk.list(this.#directory, done));
    return names.filter((name) => name.startsWith(hex(groupId, 8))).sort();
  }

  *#name(from: string, groupId: number, id: SnapshotId): Task<void> {
    yield* wait<void>((done) => this.#disk.rename(from, this.#path(groupId, id), done));
    yield* this.#syncNames();
  }

  *#sync(file: DiskFile): Task<void> {
    this.#flush('snapshotData', file.path);
    yield* wait<void>((done) => file.sync(done));
  }

  *#syncNames(): Task<void> {
    this.#flush('snapshotName', this.#directory);
    yield* wait<void>((done) => this.#disk.syncDirectory(this.#directory, done));
  }

  *#withFile<T>(path: string, create: boolean, body: (file: DiskFile) => Task<T>): Task<T> {
    const file = yield* wait<DiskFile>((done) => this.#disk.open(path, { create }, done));
    try {
      return yield* body(file);
    } finally {
      yield* wait<void>((done) => file.close(done));
    }
  }

  /** The file stays where it is: the next one begins it anew, and a restart removes it. */
  *#forgetIncoming(groupId: number): Task<void> {
    const incoming = this.#incoming.get(groupId);
    this.#incoming.delete(groupId);
    if (incoming !== undefined) yield* wait<void>((done) => incoming.file.close(done));
  }

  #incomingOf(groupId: number, id: SnapshotId): Incoming {
    const incoming = this.#incoming.get(groupId);
    if (incoming?.id.crc === id.crc && incoming.id.index === id.index) return incoming;
    throw snapshotDamaged(`of index ${id.index}`, 'its beginning has not been received');
  }

  #incomingPath(groupId: number): string {
    return `${this.#directory}/${hex(groupId, 8)}.incoming`;
  }

  #path(groupId: number, { index, term }: SnapshotId): string {
    return `${this.#directory}/${hex(groupId, 8)}-${hex(index, 16)}-${hex(term, 16)}.snap`;
  }
}
