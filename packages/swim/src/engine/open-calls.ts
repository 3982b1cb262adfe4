/** The joins and leaves somebody waits for. Each is settled once. */
import type { ClusterError, Done, Outcome } from '@cluster/core';
import type { SeedFailure } from '../core/effects.ts';

interface OpenJoin {
  readonly done: Done<number>;
  /** Of names that could not be resolved. */
  readonly failures: readonly SeedFailure[];
}

export class OpenCalls {
  readonly #joins = new Map<number, OpenJoin>();
  readonly #leaves = new Set<Done<void>>();
  #nextJoin = 1;

  /** @returns the number of the join. */
  openJoin(done: Done<number>): number {
    const join = this.#nextJoin++;
    this.#joins.set(join, { done, failures: [] });
    return join;
  }

  /** Keeps what went wrong before the core hears of the join; false when nobody waits for it any more. */
  noteFailures(join: number, failures: readonly SeedFailure[]): boolean {
    const open = this.#joins.get(join);
    if (open === undefined) return false;
    this.#joins.set(join, { ...open, failures });
    return true;
  }

  /** @param outcome what to tell, given the failures noted before. */
  settleJoin(join: number, outcome: (noted: readonly SeedFailure[]) => Outcome<number>): void {
    const open = this.#joins.get(join);
    if (this.#joins.delete(join) && open) open.done(outcome(open.failures));
  }

  openLeave(done: Done<void>): void {
    this.#leaves.add(done);
  }

  /** False when it has been settled already. */
  forgetLeave(done: Done<void>): boolean {
    return this.#leaves.delete(done);
  }

  settleLeaves(outcome: Outcome<void>): void {
    const leaves = [...this.#leaves];
    this.#leaves.clear();
    for (const done of leaves) done(outcome);
  }

  failAll(error: ClusterError): void {
    for (const join of this.#joins.keys()) this.settleJoin(join, () => ({ ok: false, error }));
    this.settleLeaves({ ok: false, error });
  }
}
