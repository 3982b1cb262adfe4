/**
 * The same share of the processors for each pool, whatever number of processes it has.
 *
 * Left to itself the scheduler shares among threads: a hundred agents would get five times as much as a hundred members in a few
 * processes as soon as both want more than there is. In a control group of its own each pool may use what is free, and is sure of half.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = '/sys/fs/cgroup';
const prefix = 'cluster-bench';

export class CpuShare {
  /** Null: this system has no such groups, or they are not ours to make. */
  readonly #folder: string | null;

  private constructor(folder: string | null) {
    this.#folder = folder;
  }

  static make(name: string): CpuShare {
    const parent = parentFolder();
    if (parent === null) return new CpuShare(null);
    sweep(parent);
    const folder = join(parent, `${prefix}-${process.pid}-${name}`);
    try {
      mkdirSync(folder, { recursive: true });
      return new CpuShare(folder);
    } catch {
      return new CpuShare(null);
    }
  }

  get isHeld(): boolean {
    return this.#folder !== null;
  }

  /** The command to put before a program so that it runs within the share; the program takes its place. */
  get prefix(): readonly string[] {
    return this.#folder === null
      ? []
      : ['sh', '-c', `echo $$ >${join(this.#folder, 'cgroup.procs')} && exec "$0" "$@"`];
  }

  /** Once what runs in it has ended; safe in an exit handler. */
  remove(): void {
    if (this.#folder !== null) discard(this.#folder);
  }
}

/** Where groups of processes that share the processors are made; null where they cannot be. */
function parentFolder(): string | null {
  try {
    // The second version has all controllers in one tree, the first a tree for each.
    const controllers = join(root, 'cgroup.controllers');
    if (existsSync(controllers)) {
      if (!readFileSync(controllers, 'utf8').split(/\s+/).includes('cpu')) return null;
      writeFileSync(join(root, 'cgroup.subtree_control'), '+cpu');
      return root;
    }
    const cpu = join(root, 'cpu');
    return existsSync(join(cpu, 'cgroup.procs')) ? cpu : null;
  } catch {
    return null;
  }
}

/** Removes what runs that were killed have left. */
function sweep(parent: string): void {
  for (const name of readdirSync(parent)) {
    const pid = new RegExp(`^${prefix}-(\\d+)-`).exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) discard(join(parent, name));
  }
}

function discard(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Something still runs in it, or it is gone: the next run sweeps.
  }
}
