import { SimulationFailure } from '@cluster/sim';
import { describe, expect, test } from 'vitest';
import { transportMutants, type TransportMutant, transportWorldWith } from '../src/index.ts';

/** The first invariant that one of the seeds breaks; null when none does. */
function hunt(mutant: TransportMutant, first: number, last: number): string | null {
  const world = transportWorldWith(mutant);
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

describe('planted bugs of the transport are found', () => {
  test.each([
    { mutant: transportMutants.acknowledgesTooEarly, last: 5, invariant: 'nobody breaks the protocol' },
    { mutant: transportMutants.losesCalls, last: 20, invariant: 'nothing acknowledged is lost' },
    { mutant: transportMutants.losesPosts, last: 20, invariant: 'what is dropped is told' },
    { mutant: transportMutants.sendsTwice, last: 5, invariant: 'nothing is delivered twice' },
    { mutant: transportMutants.swapsMessages, last: 5, invariant: 'messages of a priority keep their order' },
    {
      mutant: transportMutants.spoilsStreams,
      last: 5,
      invariant: 'bytes of a stream come as they were sent',
    },
    {
      mutant: transportMutants.emptiesStreams,
      last: 5,
      invariant: 'bytes of a stream come as they were sent',
    },
    { mutant: transportMutants.confusesAnswers, last: 5, invariant: 'an answer belongs to its question' },
    { mutant: transportMutants.forgetsDeadlines, last: 5, invariant: 'every call ends by its deadline' },
    { mutant: transportMutants.queuesWithoutBound, last: 5, invariant: 'queues are bounded' },
    { mutant: transportMutants.takesTooMuch, last: 5, invariant: 'handlers hold no more than the window' },
  ])('$mutant.name', ({ mutant, last, invariant }) => {
    expect(hunt(mutant, 1, last)).toBe(invariant);
  });
});
