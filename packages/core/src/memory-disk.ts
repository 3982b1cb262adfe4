/**
 * A disk in memory: for browsers, examples and tests that want no faults. Everything is durable at once and completes before
 * the call returns; the simulator has the disk that loses, tears and reorders.
 */
import { type DiskErrorCode, diskError } from './port-errors.ts';
import type { Disk, DiskFile, Done } from './ports.ts';

interface Contents {
  bytes: Uint8Array;
  size: number;
}

const fail = (done: Done<never>, code: DiskErrorCode, message: string): void =>
  done({ ok: false, error: diskError(code, message) });
const succeed = (done: Done<void>): void => done({ ok: true, value: undefined });

/** `a//b/./c` becomes `a/b/c`; null when it leaves the root. */
export function normalizePath(path: string): string | null {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') {
      if (parts.pop() === undefined) return null;
    } else if (part !== '' && part !== '.') parts.push(part);
  }
  return path.startsWith('/') ? null : parts.join('/');
}

const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

export function memoryDisk(): Disk {
  const files = new Map<string, Contents>();
  const folders = new Set<string>(['']);

  /** Runs `body` with the normal form of a path inside the root. */
  const inside = (path: string, done: Done<never>, body: (normal: string) => void): void => {
    const normal = normalizePath(path);
    if (normal === null) fail(done, 'DISK_PATH_OUTSIDE', `The path ${path} leaves the disk's root.`);
    else body(normal);
  };

  return {
    makeDirectory: (path, done) =>
      inside(path, done, (folder) => {
        const parts = folder.split('/');
        const chain = parts.map((_, i) => parts.slice(0, i + 1).join('/'));
        if (chain.some((name) => files.has(name))) {
          return fail(done, 'DISK_WRONG_KIND', `There is a file in the way of the folder ${path}.`);
        }
        for (const name of chain) folders.add(name);
        succeed(done);
      }),

    list: (path, done) =>
      inside(path, done, (folder) => {
        if (!folders.has(folder)) return fail(done, 'DISK_NOT_FOUND', `There is no folder ${path}.`);
        const names = [...files.keys(), ...folders].filter(
          (name) => name !== '' && parentOf(name) === folder,
        );
        done({
          ok: true,
          value: names.map((name) => name.slice(folder === '' ? 0 : folder.length + 1)).sort(),
        });
      }),

    open: (path, { create }, done) =>
      inside(path, done, (name) => {
        if (folders.has(name)) return fail(done, 'DISK_WRONG_KIND', `${path} is a folder.`);
        let contents = files.get(name);
        if (contents === undefined) {
          if (!create || !folders.has(parentOf(name)))
            return fail(done, 'DISK_NOT_FOUND', `There is no file ${path}.`);
          contents = { bytes: new Uint8Array(0), size: 0 };
          files.set(name, contents);
        }
        done({ ok: true, value: new MemoryFile(path, contents) });
      }),

    rename: (from, to, done) =>
      inside(from, done, (source) =>
        inside(to, done, (target) => {
          const contents = files.get(source);
          if (contents === undefined || !folders.has(parentOf(target))) {
            return fail(done, 'DISK_NOT_FOUND', `Cannot rename ${from} to ${to}: one of them is not there.`);
          }
          if (folders.has(target)) return fail(done, 'DISK_WRONG_KIND', `${to} is a folder.`);
          files.delete(source);
          files.set(target, contents);
          succeed(done);
        }),
      ),

    remove: (path, done) =>
      inside(path, done, (name) => {
        if (files.delete(name)) succeed(done);
        else if (folders.has(name)) fail(done, 'DISK_WRONG_KIND', `${path} is a folder.`);
        else fail(done, 'DISK_NOT_FOUND', `There is no file ${path}.`);
      }),

    syncDirectory: (path, done) =>
      inside(path, done, (folder) => {
        if (folders.has(folder)) succeed(done);
        else fail(done, 'DISK_NOT_FOUND', `There is no folder ${path}.`);
      }),
  };
}

class MemoryFile implements DiskFile {
  readonly path: string;
  readonly #contents: Contents;
  #closed = false;

  constructor(path: string, contents: Contents) {
    this.path = path;
    this.#contents = contents;
  }

  size(done: Done<number>): void {
    this.#whileOpen(done, () => done({ ok: true, value: this.#contents.size }));
  }

  read(offset: number, length: number, done: Done<Uint8Array>): void {
    this.#whileOpen(done, () => {
      const end = Math.min(offset + length, this.#contents.size);
      done({ ok: true, value: this.#contents.bytes.slice(Math.min(offset, end), end) });
    });
  }

  write(offset: number, bytes: Uint8Array, done: Done<void>): void {
    this.#whileOpen(done, () => {
      this.#grow(offset + bytes.length);
      this.#contents.bytes.set(bytes, offset);
      succeed(done);
    });
  }

  sync(done: Done<void>): void {
    this.#whileOpen(done, () => succeed(done));
  }

  allocate(length: number, done: Done<void>): void {
    this.#whileOpen(done, () => {
      this.#grow(length);
      succeed(done);
    });
  }

  truncate(length: number, done: Done<void>): void {
    this.#whileOpen(done, () => {
      this.#grow(length);
      this.#contents.bytes.fill(0, length, this.#contents.size);
      this.#contents.size = length;
      succeed(done);
    });
  }

  close(done: Done<void>): void {
    this.#whileOpen(done, () => {
      this.#closed = true;
      succeed(done);
    });
  }

  #whileOpen(done: Done<never>, body: () => void): void {
    if (this.#closed) fail(done, 'DISK_CLOSED', `The file ${this.path} has been closed.`);
    else body();
  }

  #grow(size: number): void {
    const contents = this.#contents;
    if (size > contents.bytes.length) {
      const larger = new Uint8Array(Math.max(size, contents.bytes.length * 2));
      larger.set(contents.bytes.subarray(0, contents.size));
      contents.bytes = larger;
    }
    contents.size = Math.max(contents.size, size);
  }
}
