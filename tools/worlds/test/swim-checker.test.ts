import { SimulationFailure, World } from '@cluster/sim';
import type { Member, MemberState } from '@cluster/swim';
import { describe, expect, test } from 'vitest';
import { SwimChecker } from '../src/swim/checker.ts';

const member = (name: string, state: MemberState, incarnation: number): Member => ({
  name,
  address: { host: '10.0.0.1', port: 1 },
  state,
  incarnation,
  tags: {},
  lastSeenMs: 0,
  stateChangedMs: 0,
});

/** A member `a` that says what a test wants it to, and a member `b` that it speaks of. */
function stage(keepsIncarnation = false) {
  const world = new World({ seed: 1 });
  const checker = new SwimChecker(world, 2);
  const own = { incarnation: 3 };
  let others: Member[] = [];
  const start = (): void =>
    checker.started(
      'b',
      {
        self: () => member('b', 'Alive', own.incarnation),
        members: () => [member('b', 'Alive', own.incarnation)],
      },
      keepsIncarnation,
    );
  checker.started(
    'a',
    { self: () => member('a', 'Alive', 1), members: () => [member('a', 'Alive', 1), ...others] },
    false,
  );
  start();
  /** What `a` says of the others; the invariant it breaks, or null. */
  const says = (...members: Member[]): string | null => {
    others = members;
    return run(() => undefined);
  };
  const run = (body: () => void): string | null => {
    try {
      // Twice, so that each of the two has been looked at.
      for (let turn = 0; turn < 2; turn++) {
        world.after(1, turn === 0 ? body : () => undefined);
        world.runFor(2);
      }
      return null;
    } catch (error) {
      if (error instanceof SimulationFailure) return error.invariant;
      throw error;
    }
  };
  return { checker, own, says, run, start };
}

describe('the checker of SWIM', () => {
  test('accepts a suspicion, a death, and a return with a higher incarnation', () => {
    const { own, says } = stage();
    expect(says(member('b', 'Alive', 3))).toBeNull();
    expect(says(member('b', 'Suspect', 3))).toBeNull();
    expect(says(member('b', 'Dead', 3))).toBeNull();
    own.incarnation = 4;
    expect(says(member('b', 'Alive', 4))).toBeNull();
  });

  test.each(['Suspect', 'Dead', 'Left'] as const)(
    'objects to a return from %s at the same incarnation',
    (state) => {
      const { says } = stage();
      expect(says(member('b', state, 3))).toBeNull();
      expect(says(member('b', 'Alive', 3))).toBe('nobody returns without a higher incarnation');
    },
  );

  test('objects to a dead member that is only suspected again', () => {
    const { says } = stage();
    expect(says(member('b', 'Dead', 3))).toBeNull();
    expect(says(member('b', 'Suspect', 3))).toBe('nobody returns without a higher incarnation');
  });

  test('accepts that the dead turn out to have left, and objects to the reverse', () => {
    const { says } = stage();
    expect(says(member('b', 'Dead', 3))).toBeNull();
    expect(says(member('b', 'Left', 3))).toBeNull();
    expect(says(member('b', 'Dead', 3))).toBe('nobody returns without a higher incarnation');
  });

  test('objects to an incarnation that goes back', () => {
    const { says } = stage();
    expect(says(member('b', 'Alive', 3))).toBeNull();
    expect(says(member('b', 'Dead', 2))).toBe('incarnations never decrease');
  });

  test('objects to an incarnation that its owner never had', () => {
    const { says } = stage();
    expect(says(member('b', 'Suspect', 4))).toBe('only a member raises its own incarnation');
  });

  test('objects to more members than there are names', () => {
    const { says } = stage();
    expect(says(member('b', 'Alive', 3), member('c', 'Alive', 0))).toBe('the member table is bounded');
  });

  test('begins afresh with a member that was forgotten', () => {
    const { checker, says } = stage();
    expect(says(member('b', 'Dead', 3))).toBeNull();
    checker.reaped('a', 'b');
    expect(says(member('b', 'Alive', 1))).toBeNull();
  });

  test('objects to a restart below a former life, where incarnations are kept', () => {
    const { own, run, start } = stage(true);
    expect(run(() => undefined)).toBeNull();
    own.incarnation = 4;
    expect(run(start)).toBeNull();
    expect(run(start)).toBe('a restarted member begins above its former life');
  });
});
