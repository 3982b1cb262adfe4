/**
 * How the pool between datacenters fills by itself, as Consul has it: whoever is in the pool of a datacenter and says where it
 * listens for the other pool is joined to that too. One join between two datacenters is then enough for all their members to meet.
 *
 * The pools decide nothing for each other: a member that cannot be reached across datacenters is dead in the one pool and stays
 * alive in the other.
 */
import {
  type Address,
  type Clock,
  ClusterError,
  type Done,
  type Logger,
  type TimerHandle,
} from '@cluster/core';
import type { Member } from '../member.ts';
import { parseAddress } from '../wire.ts';

/** What is needed of a pool; a `SwimEngine` has it. */
export interface FloodPool {
  members(): readonly Member[];
  join(seeds: readonly Address[], done: Done<number>): unknown;
}

export interface FloodJoinOptions {
  readonly datacenter: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lan: Pick<FloodPool, 'members'>;
  readonly wan: FloodPool;
  readonly periodMs: number;
}

/** The tag of a member of a datacenter that says where it listens for the pool between them. */
export const wanTag = 'wan';
/** The tag of a member of the pool between datacenters that says which one it is of. */
export const datacenterTag = 'dc';

/** Names have to differ in all datacenters together. */
export const wanName = (name: string, datacenter: string): string => `${name}.${datacenter}`;

export class FloodJoin {
  readonly #options: FloodJoinOptions;
  #seeds: readonly Address[] = [];
  #timer: TimerHandle | null = null;
  #joining = false;

  constructor(options: FloodJoinOptions) {
    this.#options = options;
  }

  start(): void {
    this.#look();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** Members of other datacenters, tried again whenever none of these is known. */
  remember(seeds: readonly Address[]): void {
    this.#seeds = seeds;
  }

  #look(): void {
    const { clock, logger, periodMs, wan } = this.#options;
    this.#timer = clock.setTimer(periodMs, () => this.#look());
    const targets = this.#targets();
    if (targets.length === 0 || this.#joining) return;
    this.#joining = true;
    wan.join(targets, (outcome) => {
      this.#joining = false;
      // Tried again in the next period, as long as they are missing.
      if (!outcome.ok) logger.log('debug', `The pool between datacenters: ${outcome.error.line}`);
    });
  }

  /** Who of our datacenter is missing from the other pool; and the seeds, when that holds nobody of another one. */
  #targets(): readonly Address[] {
    const { datacenter, lan, wan } = this.#options;
    const known = wan.members();
    const alive = new Set(known.filter(({ state }) => state === 'Alive').map(({ name }) => name));
    const missing = lan
      .members()
      .filter(({ name, state }) => state === 'Alive' && !alive.has(wanName(name, datacenter)))
      .map(({ tags }) => addressOf(tags[wanTag]))
      .filter((address) => address !== null);
    const isAlone = known.every(({ tags }) => tags[datacenterTag] === datacenter);
    return isAlone ? [...missing, ...this.#seeds] : missing;
  }
}

/** Gossip may say anything. */
function addressOf(text: string | undefined): Address | null {
  if (text === undefined) return null;
  try {
    return parseAddress(text);
  } catch (error) {
    if (ClusterError.is(error)) return null;
    throw error;
  }
}
