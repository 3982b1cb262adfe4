import { SimulationFailure, World } from '@cluster/sim';
import { describe, expect, test } from 'vitest';
import { transportMutants, type TransportMutant, transportWorldWith } from '../src/index.ts';
import { brokenBy } from './broken-by.ts';
import { TransportChecker } from '../src/transport/checker.ts';

/** Every invariant that the seeds break, until the one that is looked for: which breaks first is a matter of timing. */
function hunt(mutant: TransportMutant, last: number, invariant: string): readonly string[] {
  const world = transportWorldWith(mutant);
  const broken: string[] = [];
  for (let seed = 1; seed <= last && !broken.includes(invariant); seed++) {
    try {
      world.run(seed, { trace: false, started: () => undefined });
    } catch (error) {
      if (!(error instanceof SimulationFailure)) throw error;
      broken.push(error.invariant);
    }
  }
  return broken;
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
      last: 20,
      invariant: 'bytes of a stream come as they were sent',
    },
    { mutant: transportMutants.growsWithoutBound, last: 5, invariant: 'windows are bounded' },
    {
      mutant: transportMutants.takesAllStreams,
      last: 10,
      invariant: 'all streams hold no more than they may together',
    },
    { mutant: transportMutants.grantsTooMuch, last: 5, invariant: 'nobody breaks the protocol' },
    { mutant: transportMutants.confusesAnswers, last: 20, invariant: 'an answer belongs to its question' },
    { mutant: transportMutants.forgetsDeadlines, last: 5, invariant: 'every call ends by its deadline' },
    {
      mutant: transportMutants.spoilsCompressed,
      last: 5,
      invariant: 'a message comes as it was sent',
    },
    { mutant: transportMutants.writesTooEarly, last: 20, invariant: 'nobody breaks the protocol' },
    {
      mutant: transportMutants.keepsWhatIsLent,
      last: 5,
      invariant: 'what was given to keep stays as it came',
    },
    { mutant: transportMutants.queuesWithoutBound, last: 5, invariant: 'queues are bounded' },
    {
      mutant: transportMutants.keepsConnections,
      last: 5,
      invariant: 'nobody holds a connection that nobody uses',
    },
    { mutant: transportMutants.takesTooMuch, last: 5, invariant: 'handlers hold no more than the window' },
  ])('$mutant.name', ({ mutant, last, invariant }) => {
    expect(hunt(mutant, last, invariant)).toContain(invariant);
  });

  test('a reader that holds more than the largest window', () => {
    const limits = { streamBufferBytes: 1000, streamBufferBytesMax: 2000, streamsBufferBytes: 4000 };
    const bounds = {
      queueMessagesMax: 10,
      queueBytesMax: 1000,
      streamWindowBytes: 1000,
      sessionWindowBytes: 1000,
      ...limits,
    };
    const others = { callsMax: 10, inboundCallsMax: 10, peersMax: 10 };
    const holding = (bytes: number): string | null => {
      const world = new World({ seed: 1 });
      const checker = new TransportChecker(world, ['n1'], { ...bounds, ...others });
      return brokenBy(world, () => checker.reads('a stream', bytes));
    };
    expect(holding(2000)).toBeNull();
    expect(holding(2001)).toBe('streams hold no more than their windows');
  });
});
