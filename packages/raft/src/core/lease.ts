/**
 * Reads without a round of messages (lease reads, thesis 6.4.1). Whoever has heard this leader helps nobody to the lead for an
 * election timeout; so once a majority has answered a round, no other leads until that long after the round was begun, and what is
 * committed here is all there is.
 *
 * This rests on clocks, as nothing else in this package does, and therefore gives up at the slightest doubt: the lease is shorter
 * than the timeout by what clocks may differ; it ends when the members change; a pause or a jump of the clock takes it and whatever
 * round is out; and a leader that has told another to stand has none any more in its term, for that word may arrive at any time.
 * A read that finds no lease asks a majority.
 *
 * Deviation: the thesis lets a follower forget. Here a node that has just started has, for all it knows, heard a leader.
 */
import type { Shared } from './state.ts';

export interface LeaseCheckpoint {
  readonly grantedMs: number | null;
  readonly configurationIndex: number;
  readonly givenUp: boolean;
}

export class Lease {
  readonly #shared: Shared;
  // When the latest round began that a majority has answered.
  #grantedMs: number | null = null;
  #configurationIndex = 0;
  // In this term another was told to stand.
  #givenUp = false;

  constructor(shared: Shared) {
    this.#shared = shared;
  }

  /** A majority has answered what it was asked at `sentMs` or later. */
  renew(sentMs: number): void {
    this.#grantedMs = sentMs;
    this.#configurationIndex = this.#shared.membership.index;
  }

  /** How much time has passed is not certain. */
  drop(): void {
    this.#grantedMs = null;
  }

  /** Another is told to stand, and those that hear this node may vote for it (thesis 3.10). */
  giveUp(): void {
    this.#givenUp = true;
  }

  /** The lead is over, or begins. */
  reset(): void {
    this.#grantedMs = null;
    this.#givenUp = false;
  }

  /** Whether no other node leads at this moment. */
  holds(nowMs: number): boolean {
    const { config, membership, isLeader, holdsProposals } = this.#shared;
    if (!config.leaseReads || !isLeader || holdsProposals || this.#givenUp || this.#grantedMs === null) {
      return false;
    }
    const ageMs = nowMs - this.#grantedMs;
    return (
      ageMs >= 0 &&
      ageMs < config.electionTimeoutMinMs * config.leaseShare &&
      this.#configurationIndex === membership.index
    );
  }

  checkpoint(): LeaseCheckpoint {
    return {
      grantedMs: this.#grantedMs,
      configurationIndex: this.#configurationIndex,
      givenUp: this.#givenUp,
    };
  }

  restore({ grantedMs, configurationIndex, givenUp }: LeaseCheckpoint): void {
    this.#grantedMs = grantedMs;
    this.#configurationIndex = configurationIndex;
    this.#givenUp = givenUp;
  }
}
