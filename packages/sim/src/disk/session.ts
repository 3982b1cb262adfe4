/** Disk operations of one process: they take time, and die with it. */
import { type ClusterError, diskError, type Done } from '@cluster/core';
import type { SimulatedDisk } from './simulated-disk.ts';

export type Answer<T> = { readonly value: T } | { readonly error: ClusterError };

// A stalled sync takes up to this many times as long.
const stallFactor = 100;

export class DiskSession {
  readonly #disk: SimulatedDisk;
  readonly #incarnation: number;

  constructor(disk: SimulatedDisk) {
    this.#disk = disk;
    this.#incarnation = disk.host.incarnation;
  }

  get isAlive(): boolean {
    return this.#disk.host.runs(this.#incarnation);
  }

  access<T>(done: Done<T>, body: () => Answer<T>): void {
    this.#after(this.#disk.prng.exponential(this.#disk.options.accessMs), done, body);
  }

  /** A change: `body` runs unless the disk is full or fails. */
  write<T>(done: Done<T>, what: string, body: () => Answer<T>): void {
    if (!this.isAlive) return;
    const disk = this.#disk;
    const durationMs = disk.prng.exponential(disk.options.accessMs);
    disk.begin(durationMs);
    this.#after(durationMs, done, () => {
      if (disk.full)
        return { error: diskError('DISK_FULL', `${what}: no space left on the simulated disk.`) };
      return this.#fails() ? { error: ioError(what) } : body();
    });
  }

  /** @param failed what else a failed sync does. */
  sync(done: Done<void>, what: string, body: () => void, failed: () => void): void {
    if (!this.isAlive) return;
    const disk = this.#disk;
    const { syncMs, stallRate } = disk.options;
    const stall = disk.prng.chance(stallRate) ? stallFactor * disk.prng.float() : 1;
    const durationMs = disk.prng.exponential(syncMs) * stall;
    disk.kernel.counters.add('syncs');
    disk.begin(durationMs);
    this.#after(durationMs, done, () => {
      const failing = this.#fails();
      if (failing) failed();
      else body();
      return failing ? { error: ioError(what) } : { value: undefined };
    });
  }

  #fails(): boolean {
    const { failRate, prng, kernel } = this.#disk;
    const failing = failRate > 0 && prng.chance(failRate);
    if (failing) kernel.counters.add('diskErrors');
    return failing;
  }

  #after<T>(delayMs: number, done: Done<T>, body: () => Answer<T>): void {
    if (!this.isAlive) return;
    const complete = (): void => {
      const answer = body();
      done('error' in answer ? { ok: false, error: answer.error } : { ok: true, value: answer.value });
    };
    this.#disk.kernel.after(delayMs, complete, this.#disk.host, this.#incarnation);
  }
}

const ioError = (what: string): ClusterError => diskError('DISK_IO', `${what}: the simulated disk failed.`);
