import { type ClusterError, type Disk, diskError, type DiskFile, type Done, type Prng } from '@cluster/core';

type Change =
  | { readonly type: 'write'; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly type: 'length'; readonly length: number };

const sector = 512;

class File {
  current: Uint8Array = new Uint8Array(0);
  durable: Uint8Array = new Uint8Array(0);
  pending: Change[] = [];

  apply(change: Change): void {
    this.current = changed(this.current, change);
    this.pending.push(change);
  }

  sync(): void {
    for (const change of this.pending) this.durable = changed(this.durable, change);
    this.pending = [];
  }

  power(prng: Prng): void {
    const prefix = prng.chance(0.5) ? prng.between(0, this.pending.length) : null;
    for (const [at, change] of this.pending.entries()) {
      const kept = prefix === null ? prng.chance(0.5) : at < prefix;
      if (kept) this.durable = changed(this.durable, change);
      else if (change.type === 'write' && prng.chance(0.5)) this.#tear(change, prng);
    }
    this.pending = [];
    this.current = this.durable.slice();
  }

  /** Some of the sectors get there. */
  #tear({ offset, bytes }: Extract<Change, { type: 'write' }>, prng: Prng): void {
    for (let at = 0; at < bytes.length;) {
      const end = Math.min(bytes.length, at + sector - ((offset + at) % sector));
      if (prng.chance(0.5))
        this.durable = changed(this.durable, {
          type: 'write',
          offset: offset + at,
          bytes: bytes.slice(at, end),
        });
      at = end;
    }
  }
}

function changed(bytes: Uint8Array, change: Change): Uint8Array {
  const length =
    change.type === 'length' ? change.length : Math.max(bytes.length, change.offset + change.bytes.length);
  const next = new Uint8Array(length);
  next.set(bytes.subarray(0, length));
  if (change.type === 'write') next.set(change.bytes, change.offset);
  return next;
}

interface NameChange {
  readonly path: string;
  readonly entry: File | 'folder' | null;
  /** A name that goes with the same change. */
  readonly also?: string;
}

const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

/**
 * A disk that keeps apart what was written and what is on the medium. Operations complete at once; a process can be cut off after
 * any number of them, and then the power with it or not.
 */
export class TornDisk {
  names = new Map<string, File | 'folder'>([['', 'folder']]);
  #durableNames = new Map(this.names);
  #pendingNames: NameChange[] = [];
  /** Operations the process still gets to make. */
  left = Infinity;
  /** Every operation made, e.g. `sync wal/1.wal`. */
  readonly operations: string[] = [];
  /** Syncs that report success and do nothing. */
  skipNextSync = false;
  /** Fails the next sync, which leaves the system believing that everything was written. */
  failNextSync = false;
  #session = 0;

  /** The disk as the next process sees it; the one before is gone. */
  port(): Disk {
    const session = ++this.#session;
    const run = <T>(what: string, done: Done<T>, body: () => T | ClusterError): void => {
      if (session !== this.#session || this.left <= 0) return;
      this.left--;
      this.operations.push(what);
      const value = body();
      // The last operation is made, but nobody hears of it.
      if (this.left <= 0) return;
      done(value instanceof Error ? { ok: false, error: value } : { ok: true, value });
    };
    return {
      makeDirectory: (path, done) =>
        run(`mkdir ${path}`, done, () => {
          const parts = path.split('/');
          for (let i = 1; i <= parts.length; i++) {
            const folder = parts.slice(0, i).join('/');
            if (!this.names.has(folder)) this.#name({ path: folder, entry: 'folder' });
          }
          return undefined;
        }),
      list: (path, done) =>
        run(`list ${path}`, done, () =>
          [...this.names.keys()]
            .filter((name) => name !== '' && parentOf(name) === path)
            .map((name) => name.slice(path.length + 1))
            .sort(),
        ),
      open: (path, { create }, done) =>
        run(`open ${path}`, done, () => {
          let file = this.names.get(path);
          if (file === undefined && create) this.#name({ path, entry: (file = new File()) });
          if (file === undefined || file === 'folder') return diskError('DISK_NOT_FOUND', path);
          return this.#open(path, file, run);
        }),
      rename: (from, to, done) =>
        run(`rename ${from} ${to}`, done, () => {
          const file = this.names.get(from);
          if (file === undefined || file === 'folder') return diskError('DISK_NOT_FOUND', from);
          // One step, on the medium too: a journal keeps both names or neither.
          this.#name({ path: to, entry: file, also: from });
          return undefined;
        }),
      remove: (path, done) => run(`remove ${path}`, done, () => this.#name({ path, entry: null })),
      syncDirectory: (path, done) =>
        run(`syncDirectory ${path}`, done, () => {
          if (this.#skips()) return undefined;
          for (const change of this.#pendingNames)
            if (parentOf(change.path) === path) set(this.#durableNames, change);
          this.#pendingNames = this.#pendingNames.filter((change) => parentOf(change.path) !== path);
          return undefined;
        }),
    };
  }

  /** The process is killed: what it wrote stays visible. */
  kill(): void {
    this.#session++;
    this.left = Infinity;
  }

  /** The machine loses its power: what was not synced got to the medium or not, whole or in parts. */
  power(prng: Prng): void {
    this.kill();
    const files = new Set([...this.names.values(), ...this.#durableNames.values()]);
    for (const file of files) if (file !== 'folder') file.power(prng);
    for (const change of this.#pendingNames) if (prng.chance(0.5)) set(this.#durableNames, change);
    this.#pendingNames = [];
    for (const path of [...this.#durableNames.keys()].sort()) {
      if (path !== '' && !this.#durableNames.has(parentOf(path))) this.#durableNames.delete(path);
    }
    this.names = new Map(this.#durableNames);
  }

  file(path: string): File {
    const file = this.names.get(path);
    if (file === undefined || file === 'folder') throw new Error(`no file ${path}`);
    return file;
  }

  #name(change: NameChange): undefined {
    set(this.names, change);
    this.#pendingNames.push(change);
  }

  #skips(): boolean {
    const skips = this.skipNextSync;
    this.skipNextSync = false;
    return skips;
  }

  #open(
    path: string,
    file: File,
    run: <T>(what: string, done: Done<T>, body: () => T | ClusterError) => void,
  ): DiskFile {
    return {
      path,
      size: (done) => run(`size ${path}`, done, () => file.current.length),
      read: (offset, length, done) =>
        run(`read ${path}`, done, () => file.current.slice(offset, offset + length)),
      write: (offset, bytes, done) =>
        run(`write ${path}`, done, () => {
          file.apply({ type: 'write', offset, bytes: bytes.slice() });
          return undefined;
        }),
      sync: (done) =>
        run(`sync ${path}`, done, () => {
          if (this.failNextSync) {
            this.failNextSync = false;
            // Marked clean without having been written.
            file.pending = [];
            return diskError('DISK_IO', `Cannot sync ${path}`);
          }
          if (!this.#skips()) file.sync();
          return undefined;
        }),
      allocate: (length, done) =>
        run(`allocate ${path}`, done, () => {
          if (length > file.current.length) file.apply({ type: 'length', length });
          return undefined;
        }),
      truncate: (length, done) =>
        run(`truncate ${path}`, done, () => {
          file.apply({ type: 'length', length });
          return undefined;
        }),
      close: (done) => run(`close ${path}`, done, () => undefined),
    };
  }
}

function set(names: Map<string, File | 'folder'>, { path, entry, also }: NameChange): void {
  if (also !== undefined) names.delete(also);
  if (entry === null) names.delete(path);
  else names.set(path, entry);
}
