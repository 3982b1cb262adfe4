import { SimulationFailure } from '@cluster/sim';
import { describe, expect, test } from 'vitest';
import {
  epochIgnored,
  fencesForgotten,
  leaseByLocalClock,
  leaseGrantedTwice,
  leaseTrustedTooLong,
  leaseWithoutMargin,
  type QuorumMutant,
  quorumWorldWith,
  rosterFromView,
} from '../src/index.ts';

/** The first invariant that one of the seeds breaks; null when none does. */
function hunt(mutant: QuorumMutant, first: number, last: number): string | null {
  const world = quorumWorldWith(mutant);
  for (let seed = first; seed <= last; seed++) {
    try {
      world.run(seed, { trace: false, started: () => undefined });
    } catch (error) {
      if (!(error instanceof SimulationFailure)) throw error;
      return error.invariant;
    }
  }
  return null;
}

const split = 'two sides never both hold quorum';
const notGone = 'who was taken over from does not hold quorum';

describe('planted bugs of quorum are found', () => {
  test.each([
    { mutant: rosterFromView, first: 1, last: 5, invariant: split },
    { mutant: fencesForgotten, first: 41, last: 60, invariant: notGone },
    { mutant: epochIgnored, first: 56, last: 75, invariant: split },
    { mutant: leaseWithoutMargin, first: 1, last: 5, invariant: notGone },
    { mutant: leaseGrantedTwice, first: 1, last: 10, invariant: notGone },
    { mutant: leaseTrustedTooLong, first: 1, last: 5, invariant: notGone },
    // Where the coordinator is a node, who is cut off from it shows sooner.
    { mutant: leaseTrustedTooLong, first: 6, last: 10, invariant: split },
    { mutant: leaseByLocalClock, first: 1, last: 10, invariant: 'every replica of the lease says the same' },
  ])('$mutant.name: $invariant', ({ mutant, first, last, invariant }) => {
    expect(hunt(mutant, first, last)).toBe(invariant);
  });
});
