/**
 * When one comes back from the dead, the link to others may be whole again too: for a while one of those still dead is told of its death
 * every period, at random, so that it refutes if it lives.
 *
 * Deviation: with memberlist, who has missed one refutation among the hundreds of a healed partition takes a living member for dead until
 * the next push/pull, which in a pool of a hundred is a minute and a half off.
 */
import type { Sink } from '@cluster/core';
import type { SwimEffect } from './effects.ts';
import type { Gossip } from './gossip.ts';
import type { Membership } from './membership.ts';
import type { Pool } from './pool.ts';
import { checksumVersion } from './prober.ts';
import { protocolMax } from './versions.ts';

/** For so many periods after the last return. */
const periods = 30;

export interface RecallCheckpoint {
  readonly dueMs: number;
}

export class Recall {
  readonly #pool: Pool;
  readonly #members: Membership;
  readonly #gossip: Gossip;
  #dueMs = 0;

  constructor(pool: Pool, members: Membership, gossip: Gossip) {
    this.#pool = pool;
    this.#members = members;
    this.#gossip = gossip;
  }

  /** Called with every packet: they come several times a period, so there is no need of a timer. */
  look(nowMs: number, out: Sink<SwimEffect>): void {
    const { counts, lastReturnMs, order } = this.#members;
    const { probePeriodMs } = this.#pool.options.config;
    if (counts.dead === 0 || nowMs < this.#dueMs || nowMs - lastReturnMs > periods * probePeriodMs) return;
    this.#dueMs = nowMs + probePeriodMs;
    const isDead = (name: string): boolean => this.#members.isIn(name, 'dead');
    for (const node of order.sample(1, isDead, this.#pool.prng)) {
      const row = this.#members.row(node);
      const claim = { type: 'dead', incarnation: row.incarnation, node, from: this.#pool.self.name } as const;
      this.#gossip.send(row.address, [claim], protocolMax(row) >= checksumVersion, out);
    }
  }

  checkpoint(): RecallCheckpoint {
    return { dueMs: this.#dueMs };
  }

  restore({ dueMs }: RecallCheckpoint): void {
    this.#dueMs = dueMs;
  }
}
