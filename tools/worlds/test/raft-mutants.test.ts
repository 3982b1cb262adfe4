import type { FlushPurpose } from '@cluster/raft';
import { type NemesisOptions, SimulationFailure } from '@cluster/sim';
import { describe, expect, test } from 'vitest';
import {
  acknowledgedBeforeFlush,
  damageForgotten,
  inForceAtCommit,
  learnerCounted,
  leaseTrustedAcrossPause,
  leftOutForEver,
  leftOutUntold,
  type Mutant,
  notingFlushes,
  oldTermsCounted,
  raftWorldWith,
  readWithoutQuorum,
  registersCached,
  secondChangeWhileOpen,
  sessionsLeftOut,
  singleMajorityInJoint,
  snapshotRemoved,
  voteNotPersisted,
  withoutFlush,
} from '../src/index.ts';

// Show only where several segments go at once, or where a frame is torn over one of the same length: the crash test of the log itself
// finds them.
const rare = ['removedName', 'spareZeros'] as const;

/** Every purpose the log flushes for, and the seeds within which its absence must be found. */
const purposes: Readonly<Record<Exclude<FlushPurpose, (typeof rare)[number]>, number>> = {
  commit: 5,
  segmentName: 5,
  folderName: 5,
  recoveredFrame: 40,
  recoveredNames: 150,
  snapshotData: 40,
  snapshotName: 100,
};
// Crashes at the disk, and crashes of what recovers from them, are where a missing flush shows.
const weights = { crashTwice: 25, crashAtDisk: 10 };

// Who is cut off and still takes itself for the leader is where a stale read shows.
const partitions = { partition: 20 };

/**
 * The first seed that finds it, and how; null when none does.
 * @param wanted what it has to be found by; default: anything.
 */
function hunt(
  mutant: Mutant,
  seeds: number,
  faults: NemesisOptions['weights'] = weights,
  first = 1,
  wanted?: string,
): { seed: number; invariant: string } | null {
  const world = raftWorldWith(mutant, faults);
  for (let seed = first; seed <= seeds; seed++) {
    try {
      world.run(seed, { trace: false, started: () => undefined });
    } catch (error) {
      if (!(error instanceof SimulationFailure)) throw error;
      if (wanted === undefined || error.invariant === wanted) return { seed, invariant: error.invariant };
    }
  }
  return null;
}

describe('planted bugs are found', () => {
  test.each(Object.entries(purposes) as [FlushPurpose, number][])(
    'a log that does not flush for %s, within %i seeds',
    (purpose, seeds) => {
      expect(hunt(withoutFlush(purpose), seeds)).not.toBeNull();
    },
    120_000,
  );

  test('a vote that is not persisted', () => {
    expect(hunt(voteNotPersisted, 5)).not.toBeNull();
  });

  test('a write that is acknowledged before its flush', () => {
    expect(hunt(acknowledgedBeforeFlush, 5)).not.toBeNull();
  });

  test('a damaged log that is taken for an empty one', () => {
    expect(hunt(damageForgotten, 20, {})).toMatchObject({ invariant: 'what is durable survives a restart' });
  });

  test('4.2.1: a learner whose word counts as that of a voter', () => {
    expect(hunt(learnerCounted, 40)).toMatchObject({ invariant: 'committed is durable' });
  });

  test('4.1: a configuration that is in force from its commit, and not from its append', () => {
    expect(hunt(inForceAtCommit, 10, {})).toMatchObject({ invariant: 'committed is durable' });
  });

  test('4.1: a change of members that is begun while the one before is open', () => {
    expect(hunt(secondChangeWhileOpen, 10, {})).not.toBeNull();
  });

  test('4.3: a joint configuration in which the new voters decide alone', () => {
    // They commit alone, and they elect alone: whichever comes first.
    expect(hunt(singleMajorityInJoint, 30, {})?.invariant).toMatch(
      /^committed is durable$|^nobody can be elected without what is committed$/,
    );
  });

  test('4.2.3: a removed node that nobody tells so', () => {
    expect(hunt(leftOutUntold, 40, weights, 14)).toMatchObject({
      invariant: 'who is no member asks for no votes',
    });
  });

  test('4.2.3: a removed node that is silent though it was added again', () => {
    expect(hunt(leftOutForEver, 40, weights, 14)).toMatchObject({ invariant: 'every voter may stand' });
  });

  test('3.6.2: entries of earlier terms that are committed by counting', () => {
    expect(hunt(oldTermsCounted, 20, {})).toMatchObject({
      invariant: 'a leader commits with an entry of its own term',
    });
  });

  test('a snapshot without the sessions', () => {
    expect(hunt(sessionsLeftOut, 40)).toMatchObject({ invariant: 'results are equal everywhere' });
  });

  test('a snapshot that is removed while the log begins behind it', () => {
    expect(hunt(snapshotRemoved, 12)).toMatchObject({ invariant: 'no replica stops by itself' });
  });

  test('a read that is answered without a round of messages', () => {
    expect(hunt(readWithoutQuorum, 60, partitions)).toMatchObject({
      invariant: 'a read never misses what was observed before it',
    });
  });

  test('a machine that answers with registers as they once were', () => {
    expect(hunt(registersCached, 5)).toMatchObject({ invariant: 'linearizable' });
  });

  test('6.4.1: a lease that is trusted across a pause', () => {
    // A stale read that knew of no pause either may come first.
    const invariant = 'a read never misses what was observed before it';
    expect(hunt(leaseTrustedAcrossPause, 60, {}, 1, invariant)).not.toBeNull();
  });

  test('and nothing is found where nothing is planted, though every flush is made for a purpose listed here', () => {
    const noted = new Set<FlushPurpose>();
    expect(hunt(notingFlushes(noted), 40)).toBeNull();
    expect([...noted].sort()).toEqual([...Object.keys(purposes), ...rare].sort());
  }, 120_000);
});
