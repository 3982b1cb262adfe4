import * as fs from 'node:fs';
import { join, resolve } from 'node:path';
import { normalizePath } from '../memory-disk.ts';
import { diskError } from '../port-errors.ts';
import type { Disk, DiskFile, Done } from '../ports.ts';
import { fromDiskFailure } from './system-error.ts';

// Zeros are written in pieces, so that preallocating a segment costs no segment of memory.
const zeros = new Uint8Array(1 << 20);

/** An fs callback that completes `done`. */
const finish =
  (done: Done<void>, what: string) =>
  (error: NodeJS.ErrnoException | null): void =>
    done(error ? { ok: false, error: fromDiskFailure(error, what) } : { ok: true, value: undefined });

/** A folder as a disk; what it makes is readable by this user alone. Paths are relative to `root` and cannot leave it (a symbolic link placed inside can). */
export function fileDisk(root: string): Disk {
  const base = resolve(root);
  const inside = (path: string, done: Done<never>, body: (full: string) => void): void => {
    const normal = path.includes('\0') ? null : normalizePath(path);
    if (normal === null)
      done({
        ok: false,
        error: diskError('DISK_PATH_OUTSIDE', `The path ${JSON.stringify(path)} leaves the folder ${base}.`),
      });
    else body(join(base, normal));
  };

  return {
    makeDirectory: (path, done) =>
      inside(path, done, (full) =>
        fs.mkdir(full, { recursive: true, mode: 0o700 }, finish(done, `Cannot make the folder ${full}`)),
      ),

    list: (path, done) =>
      inside(path, done, (full) =>
        fs.readdir(full, (error, names) => {
          if (error) done({ ok: false, error: fromDiskFailure(error, `Cannot list the folder ${full}`) });
          else done({ ok: true, value: names.sort() });
        }),
      ),

    open: (path, { create }, done) =>
      inside(path, done, (full) => {
        const flags = fs.constants.O_RDWR | (create ? fs.constants.O_CREAT : 0);
        fs.open(full, flags, 0o600, (error, descriptor) => {
          if (error) done({ ok: false, error: fromDiskFailure(error, `Cannot open the file ${full}`) });
          else done({ ok: true, value: new OpenFile(path, full, descriptor) });
        });
      }),

    rename: (from, to, done) =>
      inside(from, done, (source) =>
        inside(to, done, (target) =>
          fs.rename(source, target, finish(done, `Cannot rename ${source} to ${target}`)),
        ),
      ),

    remove: (path, done) =>
      inside(path, done, (full) => fs.unlink(full, finish(done, `Cannot remove the file ${full}`))),

    syncDirectory: (path, done) =>
      inside(path, done, (full) => {
        const what = `Cannot sync the folder ${full}`;
        fs.open(full, fs.constants.O_RDONLY | (fs.constants.O_DIRECTORY ?? 0), (opening, descriptor) => {
          if (opening) return finish(done, what)(opening);
          fs.fsync(descriptor, (syncing) =>
            fs.close(descriptor, (closing) => finish(done, what)(syncing ?? closing ?? null)),
          );
        });
      }),
  };
}

// Elsewhere a synchronous write stops at the cache of the drive, which fdatasync empties.
const durableWrites = process.platform === 'linux';

class OpenFile implements DiskFile {
  readonly path: string;
  readonly #full: string;
  readonly #descriptor: number;
  /** The same file, of which a write returns when it is on the medium (O_DSYNC); opened for the first such write. */
  #durable: number | null = null;
  #closed = false;
  readonly writeDurably?: NonNullable<DiskFile['writeDurably']>;

  constructor(path: string, full: string, descriptor: number) {
    this.path = path;
    this.#full = full;
    this.#descriptor = descriptor;
    if (durableWrites) this.writeDurably = (...call) => this.#writeDurably(...call);
  }

  size(done: Done<number>): void {
    this.#whileOpen(done, () =>
      fs.fstat(this.#descriptor, (error, stat) => {
        if (error)
          done({ ok: false, error: fromDiskFailure(error, `Cannot measure the file ${this.#full}`) });
        else done({ ok: true, value: stat.size });
      }),
    );
  }

  read(offset: number, length: number, done: Done<Uint8Array>): void {
    this.#whileOpen(done, () => {
      const bytes = new Uint8Array(length);
      const more = (at: number): void => {
        fs.read(this.#descriptor, bytes, at, length - at, offset + at, (error, count) => {
          if (error) done({ ok: false, error: fromDiskFailure(error, `Cannot read the file ${this.#full}`) });
          else if (count === 0 || at + count === length)
            done({ ok: true, value: bytes.subarray(0, at + count) });
          else more(at + count);
        });
      };
      more(0);
    });
  }

  write(offset: number, bytes: Uint8Array, done: Done<void>): void {
    this.#whileOpen(done, () => this.#write(this.#descriptor, offset, bytes, done));
  }

  #writeDurably(offset: number, bytes: Uint8Array, done: Done<void>): void {
    this.#whileOpen(done, () => {
      if (this.#durable !== null) return this.#write(this.#durable, offset, bytes, done);
      fs.open(this.#full, fs.constants.O_WRONLY | fs.constants.O_DSYNC, (error, descriptor) => {
        if (error)
          return done({ ok: false, error: fromDiskFailure(error, `Cannot open the file ${this.#full}`) });
        this.#durable = descriptor;
        this.#write(descriptor, offset, bytes, done);
      });
    });
  }

  #write(descriptor: number, offset: number, bytes: Uint8Array, done: Done<void>): void {
    // The system may take less than all of it, e.g. just before the volume is full.
    const more = (at: number): void => {
      fs.write(descriptor, bytes, at, bytes.length - at, offset + at, (error, count) => {
        if (error) done({ ok: false, error: fromDiskFailure(error, `Cannot write the file ${this.#full}`) });
        else if (at + count === bytes.length) done({ ok: true, value: undefined });
        else if (count === 0)
          done({ ok: false, error: diskError('DISK_IO', `The file ${this.#full} takes no more bytes.`) });
        else more(at + count);
      });
    };
    more(0);
  }

  sync(done: Done<void>): void {
    this.#whileOpen(done, () =>
      fs.fdatasync(this.#descriptor, finish(done, `Cannot sync the file ${this.#full}`)),
    );
  }

  allocate(length: number, done: Done<void>): void {
    const extend = (from: number): void => {
      if (from >= length) return done({ ok: true, value: undefined });
      const piece = Math.min(zeros.length, length - from);
      this.write(from, zeros.subarray(0, piece), (written) =>
        written.ok ? extend(from + piece) : done(written),
      );
    };
    this.size((size) => (size.ok ? extend(size.value) : done(size)));
  }

  truncate(length: number, done: Done<void>): void {
    this.#whileOpen(done, () =>
      fs.ftruncate(this.#descriptor, length, finish(done, `Cannot truncate the file ${this.#full}`)),
    );
  }

  close(done: Done<void>): void {
    this.#whileOpen(done, () => {
      this.#closed = true;
      if (this.#durable !== null) fs.close(this.#durable);
      fs.close(this.#descriptor, finish(done, `Cannot close the file ${this.#full}`));
    });
  }

  #whileOpen(done: Done<never>, body: () => void): void {
    if (this.#closed)
      done({ ok: false, error: diskError('DISK_CLOSED', `The file ${this.#full} has been closed.`) });
    else body();
  }
}
