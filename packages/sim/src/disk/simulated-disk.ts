/**
 * The disk of a host: it outlives the processes, takes time, and keeps no promise that was not asked for with a sync.
 *
 * A write is in the file when its completion is reported, and on the medium when a sync that began after that has completed;
 * operations that overlap complete in any order, as they do on a pool of threads.
 */
import type { Prng, TimerHandle } from '@cluster/core';
import type { Host } from '../host.ts';
import type { Kernel } from '../kernel.ts';
import type { Inode, WriteChange } from './inode.ts';
import { Names } from './names.ts';

export interface DiskOptions {
  /** Mean time of a write, a read or a name operation. Default 0.03 ms. */
  readonly accessMs?: number;
  /** Mean time of a sync. Default 0.3 ms. */
  readonly syncMs?: number;
  /** Share of syncs that take up to 100 times as long. Default 0.01. */
  readonly stallRate?: number;
  /** Share of unsynced writes torn at a crash, among those that get to the medium at all. Default 0.5. */
  readonly tornRate?: number;
}

const soundDisk: Required<DiskOptions> = { accessMs: 0.03, syncMs: 0.3, stallRate: 0.01, tornRate: 0.5 };

export class SimulatedDisk {
  readonly kernel: Kernel;
  readonly host: Host;
  readonly prng: Prng;
  readonly options: Required<DiskOptions>;
  names = new Names();
  /** Files that are open, though their name may be gone. */
  readonly open = new Set<Inode>();
  /** Writes fail as on a full volume. */
  full = false;
  /** Share of writes and syncs that fail with an I/O error. */
  failRate = 0;
  /** The next write is reported done and never happens, or happens elsewhere in its file. */
  nextWrite: 'sound' | 'lost' | 'misdirected' = 'sound';
  /** What has been set off: a slow operation may outlast the next trap. */
  readonly #springing: TimerHandle[] = [];
  #trap: { operations: number; readonly spring: () => void } | null = null;

  constructor(kernel: Kernel, host: Host, prng: Prng, options: DiskOptions) {
    this.kernel = kernel;
    this.host = host;
    this.prng = prng;
    this.options = { ...soundDisk, ...options };
  }

  /** Calls `spring` in the middle of the write or sync that begins after `operations` others: where a crash hurts. */
  setTrap(operations: number, spring: () => void): void {
    this.#trap = { operations, spring };
  }

  /** Takes back a trap, also those that are about to spring. */
  disarm(): void {
    this.#trap = null;
    for (const spring of this.#springing.splice(0)) spring.cancel();
  }

  /** An operation begins: the trap closes at a random moment of the one that sets it off. */
  begin(durationMs: number): void {
    const trap = this.#trap;
    if (trap === null || trap.operations-- > 0) return;
    this.#trap = null;
    this.#springing.push(this.kernel.after(durationMs * this.prng.float(), trap.spring));
  }

  /** One bit of what was written long ago turns over, in any file that has such bytes. */
  rot(): void {
    const old = [...this.names.inodes()].filter(({ oldBytes }) => oldBytes > 0);
    const inode = this.prng.pick(old);
    if (inode === undefined) return;
    inode.rot(this.prng);
    this.kernel.counters.add('bitFlips');
  }

  /** What becomes of a write. Asked once for each. */
  divert(change: WriteChange, fileBytes: number): WriteChange | null {
    const fate = this.nextWrite;
    this.nextWrite = 'sound';
    if (fate === 'sound') return change;
    this.kernel.counters.add(fate === 'lost' ? 'phantomWrites' : 'misdirectedWrites');
    return fate === 'lost' ? null : { ...change, offset: this.prng.below(fileBytes + 1) };
  }

  /** Everything is gone: another disk is in its place. */
  wipe(): void {
    this.names = new Names();
    this.open.clear();
    this.kernel.counters.add('wipes');
  }

  /** @param keepsMemory only the process died: the machine goes on holding what was written. */
  crash(keepsMemory: boolean): void {
    this.#trap = null;
    const { counters } = this.kernel;
    for (const inode of new Set([...this.names.inodes(), ...this.open])) {
      if (keepsMemory) inode.processDied(this.prng);
      else inode.crash(this.prng, this.options.tornRate, counters);
    }
    if (!keepsMemory) this.names.crash(this.prng, counters);
    this.open.clear();
  }
}
