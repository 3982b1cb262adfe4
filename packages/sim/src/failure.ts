/** How a run fails: with everything needed to see it again. */
import { ClusterError, describeError } from '@cluster/core';

/** Thrown by a checker: what must always hold did not. */
export class InvariantBroken extends Error {
  readonly invariant: string;
  readonly detail: string;

  constructor(invariant: string, detail: string) {
    super(`${invariant}: ${detail}`);
    this.name = 'InvariantBroken';
    this.invariant = invariant;
    this.detail = detail;
  }
}

export interface SimulationFailureOptions {
  readonly seed: number;
  readonly atMs: number;
  readonly step: number;
  readonly cause: unknown;
}

/** A run that failed, by a broken invariant or by an error thrown in a callback of a node. */
export class SimulationFailure extends ClusterError {
  readonly seed: number;
  readonly atMs: number;
  readonly step: number;
  /** The invariant's name, or `no error is thrown` when a callback threw. */
  readonly invariant: string;

  constructor({ seed, atMs, step, cause }: SimulationFailureOptions) {
    const [invariant, detail] =
      cause instanceof InvariantBroken
        ? [cause.invariant, cause.detail]
        : ['no error is thrown', describeError(cause)];
    super({
      code: 'SIM_RUN_FAILED',
      fault: 'bug',
      message: `Seed ${seed} failed at step ${step}, ${atMs.toFixed(3)} ms: ${invariant}: ${detail}`,
      advice: `The same seed fails the same way: run seed ${seed} again with a trace.`,
      cause,
    });
    this.name = 'SimulationFailure';
    this.seed = seed;
    this.atMs = atMs;
    this.step = step;
    this.invariant = invariant;
  }
}
