/**
 * A folder tree, twice: as the process sees it, and as it is on the medium. A name that was made, moved or removed gets to the
 * medium when its folder is synced, or at a crash by luck.
 */
import type { Prng } from '@cluster/core';
import type { Counters } from '../counters.ts';
import type { Inode } from './inode.ts';

export type Entry = Inode | 'directory';

/** One step of a name operation: the name now stands for `entry`, or for nothing. */
interface NameChange {
  readonly path: string;
  readonly entry: Entry | null;
}

/** Happens whole or not at all within a folder. */
export interface NameOperation {
  /** What is not on the medium yet. Several syncs that overlap may cover it, each for its own folder. */
  changes: readonly NameChange[];
}

export const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

export class Names {
  #current = new Map<string, Entry>([['', 'directory']]);
  #durable = new Map<string, Entry>([['', 'directory']]);
  #pending: NameOperation[] = [];

  get(path: string): Entry | undefined {
    return this.#current.get(path);
  }

  /** What is in a folder, sorted. */
  list(folder: string): string[] {
    const start = folder === '' ? 0 : folder.length + 1;
    const inside = [...this.#current.keys()].filter((path) => path !== '' && parentOf(path) === folder);
    return inside.map((path) => path.slice(start)).sort();
  }

  /** Every file that can still be reached, by either tree. */
  inodes(): ReadonlySet<Inode> {
    const inodes = new Set<Inode>();
    for (const table of [this.#current, this.#durable]) {
      for (const entry of table.values()) if (entry !== 'directory') inodes.add(entry);
    }
    for (const { changes } of this.#pending) {
      for (const { entry } of changes) if (entry !== null && entry !== 'directory') inodes.add(entry);
    }
    return inodes;
  }

  apply(operation: NameOperation): void {
    applyTo(this.#current, operation.changes);
    this.#pending.push(operation);
  }

  /** What a sync that starts now will cover. */
  pending(): readonly NameOperation[] {
    return [...this.#pending];
  }

  /** Of these operations, what concerns the folder is on the medium now. */
  settle(folder: string, operations: readonly NameOperation[]): void {
    const inFolder = ({ path }: NameChange): boolean => path !== '' && parentOf(path) === folder;
    for (const operation of operations) {
      applyTo(this.#durable, operation.changes.filter(inFolder));
      operation.changes = operation.changes.filter((change) => !inFolder(change));
    }
    this.#pending = this.#pending.filter(({ changes }) => changes.length > 0);
  }

  /** The machine went down: some of the unsynced names got through, by journal order or in any. */
  crash(prng: Prng, counters: Counters): void {
    const inOrder = prng.chance(0.5) ? prng.between(0, this.#pending.length) : null;
    for (const [index, operation] of this.#pending.entries()) {
      const kept = inOrder === null ? prng.chance(0.5) : index < inOrder;
      if (kept) applyTo(this.#durable, operation.changes);
      else counters.add('lostNames');
    }
    this.#pending = [];
    // A file whose folder did not get through is out of reach.
    for (const path of [...this.#durable.keys()].sort()) {
      if (path !== '' && !this.#durable.has(parentOf(path))) this.#durable.delete(path);
    }
    this.#current = new Map(this.#durable);
  }
}

function applyTo(table: Map<string, Entry>, changes: readonly NameChange[]): void {
  for (const { path, entry } of changes) {
    if (entry === null) table.delete(path);
    else table.set(path, entry);
  }
}
