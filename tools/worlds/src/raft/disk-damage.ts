/**
 * One replica's disk changes what was written, or does not write what it says it has written. The replica finds out and does not serve,
 * for what it has lost nobody can tell; or what was hit matters to nobody, and it is as whole as before. To serve with a hole in its log
 * would be the loss of what it had promised to keep.
 *
 * A lost write can be told from one that was never begun only by what comes behind it, so some writes follow before the replica is
 * started again. A whole disk that is lost is not among this: what comes back under the old name has forgotten its vote and what it had
 * acknowledged, and can elect a leader without what is committed. Such a node is replaced by one with a new name.
 */
import type { ClusterError } from '@cluster/core';
import type { Fault, World } from '@cluster/sim';

/** How a replica says that its disk has changed what was written. */
const codes: readonly string[] = ['RAFT_LOG_DAMAGED', 'RAFT_SNAPSHOT_DAMAGED'];
const settleMs = 5000;
const rotRate = 0.3;
const badWriteRate = 0.2;

export interface DiskDamageOptions {
  readonly voters: readonly string[];
  readonly isCaughtUp: (node: string) => boolean;
  /** Has clients go on for a while, and then rest. */
  readonly writeMore: () => void;
  readonly describe: () => string;
}

export class DiskDamage {
  readonly #world: World;
  readonly #options: DiskDamageOptions;
  /** Whose disk it was, until it has said so. */
  #victim: string | null = null;
  #hasRefused = false;

  constructor(world: World, options: DiskDamageOptions) {
    this.#world = world;
    this.#options = options;
  }

  /** Whether a replica stops because of this, as it should. */
  isFound(node: string, { code }: ClusterError): boolean {
    if (node !== this.#victim || !codes.includes(code)) return false;
    this.#hasRefused = true;
    this.#world.counters.add('damageRefused');
    return true;
  }

  /** In some seeds, when all has settled. */
  happen(): void {
    const { prng } = this.#world;
    const node = prng.pick(this.#options.voters) ?? '';
    const chosen = prng.float();
    if (chosen < rotRate) this.#rots(node);
    else if (chosen < rotRate + badWriteRate) this.#writesBadly(node);
  }

  #rots(node: string): void {
    const world = this.#world;
    world.crash(node);
    this.#hits({ type: 'rot', node, bits: world.prng.between(1, 3) });
    this.#comesBack(node);
  }

  #writesBadly(node: string): void {
    const world = this.#world;
    this.#hits({ type: 'badWrite', node, fate: world.prng.chance(0.5) ? 'lost' : 'misdirected' });
    this.#options.writeMore();
    if (!world.runWhileNot(() => this.#isRefusedOrWhole(node), settleMs)) this.#isNeither(node);
    if (this.#hasRefused) return;
    world.crash(node, { keepsMemory: world.prng.chance(0.5) });
    this.#comesBack(node);
  }

  #hits(fault: Extract<Fault, { type: 'rot' | 'badWrite' }>): void {
    this.#victim = fault.node;
    this.#world.perform(fault);
  }

  #comesBack(node: string): void {
    const world = this.#world;
    world.restart(node);
    // A refusal comes within the start; until then its last life is what can be asked.
    if (!world.runWhileNot(() => this.#isRefusedOrWhole(node), settleMs)) this.#isNeither(node);
  }

  #isRefusedOrWhole(node: string): boolean {
    return this.#hasRefused || this.#options.isCaughtUp(node);
  }

  #isNeither(node: string): void {
    this.#world.fail(
      'a damaged replica refuses, or is whole',
      `${node} is neither: ${this.#options.describe()}`,
    );
  }
}
