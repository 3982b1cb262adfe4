/**
 * Whether this replica is fresh enough for a stale read.
 *
 * A node that has just started, or was cut off, has an old state until the log has caught up, and cannot tell from its own log how
 * old: it does not know what it has not got. So it asks for a point in the log (a barrier) and counts as behind until that is applied
 * here; everything the leader had committed when it was reached is then applied too. After that it stays fresh while it has a leader
 * and applies what it knows to be committed; without either for longer than `maxStalenessMs` it is behind again, and takes a new
 * barrier when a leader is back.
 *
 * What it cannot see: a process that was stopped and goes on believes in its leader until its next election timeout.
 */
import { type Clock, ClusterError } from '@cluster/core';
import type { LogComponent } from './components.ts';

const barrierTimeoutMs = 2000;
const pauseMs = 50;

export interface FreshnessOptions {
  readonly clock: Clock;
  readonly log: LogComponent;
  /** 0 = every replica is fresh enough, always. */
  readonly maxStalenessMs: number;
}

export class Freshness {
  readonly #options: FreshnessOptions;
  #isCaughtUp = false;
  #isCatchingUp = false;
  /** Since when there is no leader; null while there is one. */
  #leaderlessMs: number | null = null;
  /** What was committed at some time, and has to be applied soon after. */
  #mark = { index: 0, atMs: 0 };

  constructor(options: FreshnessOptions) {
    this.#options = options;
    options.log.onEvent((change) => {
      if (change.type === 'LeaderChanged') this.#leaderChanged(change.leaderId);
    });
    if (options.maxStalenessMs > 0) this.#startCatchingUp();
  }

  get isFresh(): boolean {
    const { clock, log, maxStalenessMs } = this.#options;
    if (maxStalenessMs === 0) return true;
    // Only a voter that has lost touch notices, by its election timeout.
    if (!this.#isCaughtUp || log.status().standing !== 'voter') return false;
    const nowMs = clock.nowMs();
    if (this.#leaderlessMs !== null && nowMs - this.#leaderlessMs > maxStalenessMs) return false;
    const { appliedIndex, commitIndex } = log.status();
    if (appliedIndex >= this.#mark.index) this.#mark = { index: commitIndex, atMs: nowMs };
    return nowMs - this.#mark.atMs <= maxStalenessMs;
  }

  #leaderChanged(leaderId: string | null): void {
    const { clock, maxStalenessMs } = this.#options;
    const nowMs = clock.nowMs();
    if (leaderId === null) {
      this.#leaderlessMs ??= nowMs;
      return;
    }
    const wasLongGone = this.#leaderlessMs !== null && nowMs - this.#leaderlessMs > maxStalenessMs;
    this.#leaderlessMs = null;
    if (maxStalenessMs > 0 && wasLongGone) {
      this.#isCaughtUp = false;
      this.#startCatchingUp();
    }
  }

  #startCatchingUp(): void {
    if (this.#isCatchingUp) return;
    this.#isCatchingUp = true;
    void this.#catchUp().finally(() => (this.#isCatchingUp = false));
  }

  /** Ends when caught up, or with the log. */
  async #catchUp(): Promise<void> {
    const { clock, log } = this.#options;
    while (!this.#isCaughtUp) {
      try {
        await log.barrier({ timeoutMs: barrierTimeoutMs });
        this.#isCaughtUp = true;
      } catch (error) {
        // Who is no member any more gets no answer.
        if (log.status().standing === 'none') return;
        if (!ClusterError.is(error) || error.code === 'RAFT_STOPPED' || error.retry === 'useless') return;
        await new Promise<void>((wake) => void clock.setTimer(pauseMs, wake));
      }
    }
  }
}
