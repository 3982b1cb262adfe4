/**
 * A segment that nobody needs any more becomes the next one: its blocks are there, and zeros are written over it beside the commits, so
 * that a commit waits for neither.
 *
 * It is nobody's until it gets a segment's name, and at an opening it goes. What it held has to be gone from the medium before that:
 * behind a torn frame old bytes would stand where zeros have to, and the frame would pass for a damaged one.
 */
import { type Disk, type DiskFile, type Done, runTask, type Task, wait } from '@cluster/core';
import { type Flush, writeDurably } from './flushing.ts';

export const spareName = 'spare';

const pieceBytes = 256 * 1024;
const zeros = new Uint8Array(pieceBytes);

export class SpareSegment {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #bytesMax: number;
  readonly #flush: Flush;
  #state: 'none' | 'old' | 'preparing' | 'ready' = 'none';
  #bytes = 0;
  #isClosing = false;
  #closed: Done<void> | null = null;

  /** @param bytesMax it is cut to this size. */
  constructor(disk: Disk, directory: string, bytesMax: number, flush: Flush) {
    this.#disk = disk;
    this.#path = `${directory}/${spareName}`;
    this.#bytesMax = bytesMax;
    this.#flush = flush;
  }

  /** Gives the name of a segment up, which has to be made durable then: it is the spare now, or gone when there is one. */
  *keep(path: string): Task<void> {
    if (this.#state !== 'none' || this.#isClosing)
      return yield* wait<void>((done) => this.#disk.remove(path, done));
    yield* wait<void>((done) => this.#disk.rename(path, this.#path, done));
    this.#state = 'old';
  }

  /** Begins to make it ready, where there is one: its old name is gone for good. */
  prepare(): void {
    if (this.#state !== 'old' || this.#isClosing) return;
    this.#state = 'preparing';
    runTask(this.#zero(), (outcome) => {
      this.#state = outcome.ok && outcome.value ? 'ready' : 'none';
      this.#closed?.({ ok: true, value: undefined });
    });
  }

  /** @returns its size, when it was ready and has this name now, which is not durable yet; else null. */
  *become(path: string): Task<number | null> {
    if (this.#state !== 'ready') return null;
    this.#state = 'none';
    yield* wait<void>((done) => this.#disk.rename(this.#path, path, done));
    return this.#bytes;
  }

  /** Completes when nothing is under way any more. */
  close(done: Done<void>): void {
    this.#isClosing = true;
    if (this.#state === 'preparing') this.#closed = done;
    else done({ ok: true, value: undefined });
  }

  /** @returns whether all of it is zeros; one that cannot be written goes, at the latest at the next opening. */
  *#zero(): Task<boolean> {
    const file = yield* wait<DiskFile>((done) => this.#disk.open(this.#path, { create: false }, done));
    try {
      this.#bytes = Math.min(yield* wait<number>((done) => file.size(done)), this.#bytesMax);
      yield* wait<void>((done) => file.truncate(this.#bytes, done));
      for (let at = 0; at < this.#bytes && !this.#isClosing; at += pieceBytes) {
        const piece = zeros.subarray(0, Math.min(pieceBytes, this.#bytes - at));
        yield* writeDurably(file, at, piece, () => this.#flush('spareZeros', file.path));
      }
    } finally {
      yield* wait<void>((done) => file.close(done));
    }
    return !this.#isClosing;
  }
}
