import { SimulationFailure } from '@cluster/sim';
import { describe, expect, test } from 'vitest';
import {
  answerToTheWrongGroup,
  flushAcknowledgedToAll,
  type GroupsMutant,
  groupsWorld,
  groupsWorldWith,
  staleBeyondItsBound,
} from '../src/index.ts';
import { describeSeeds } from './seeds.ts';

describeSeeds(groupsWorld, 1, 50);

/** How the first seed finds it that does; null when none does. */
function hunt(mutant: GroupsMutant, seeds: number): string | null {
  const world = groupsWorldWith(mutant);
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      world.run(seed, { trace: false, started: () => undefined });
    } catch (error) {
      if (!(error instanceof SimulationFailure)) throw error;
      return error.invariant;
    }
  }
  return null;
}

describe('planted bugs of what groups share are found', () => {
  test('a flush that is acknowledged to a group whose frame was not in it', () => {
    expect(hunt(flushAcknowledgedToAll, 20)).toBe('what is durable survives a restart');
  });

  test('an answer that is given to the wrong group', () => {
    expect(hunt(answerToTheWrongGroup, 20)).toBe('committed is durable');
  });

  test('a stale read that is staler than its bound', () => {
    expect(hunt(staleBeyondItsBound, 5)).toBe('a stale read is within its bound');
  });
});
