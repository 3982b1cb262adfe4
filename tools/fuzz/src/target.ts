import type { Prng } from '@cluster/core';

/** What came of one input. */
export type Verdict = 'rejected' | 'taken';

/** Something that takes bytes from strangers. */
export interface FuzzSubject {
  /**
   * Makes one hostile input of this randomness and feeds it. Throws when something happened that no bytes may bring about; what
   * it is meant to refuse it refuses.
   */
  feed(prng: Prng): Verdict;
  /** How often what was reached, from the beginning. */
  reached?(): Readonly<Record<string, number>>;
}

export interface FuzzTarget {
  readonly name: string;
  /** What a run of a hundred thousand inputs or more has to reach, or it fails: of `reached`. */
  readonly mustReach?: readonly string[];
  make(seed: number): FuzzSubject;
}

/** No bytes may bring this about. */
export function demand(claim: boolean, what: string): asserts claim {
  if (!claim) throw new Error(what);
}
