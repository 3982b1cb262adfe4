import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeTrace } from '@cluster/core';
import { nemesis, World } from '@cluster/sim';
import { afterAll, describe, expect, test } from 'vitest';
import {
  leaseWithoutMargin,
  quorumWorldWith,
  raftWorldWith,
  runSeeds,
  shrink,
  voteNotPersisted,
  type WorldKind,
} from '../src/index.ts';

/** Breaks once b has been paused while a was down: two faults of some forty. */
const toy: WorldKind = {
  name: 'toy',
  mustHappen: [],
  run: (seed, { trace, started }) => {
    const world = new World({ seed, trace });
    started(world);
    for (const name of ['a', 'b', 'c']) world.spawn(name, () => ({}));
    world.schedule(
      nemesis(world.prng, { nodes: ['a', 'b', 'c'], durationMs: 10_000, everyMs: 250, downMax: 3 }),
    );
    const check = (): void => {
      if (!world.isUp('a') && world.isPaused('b')) world.fail('b runs while a is down', 'it is paused');
    };
    const look = (): void => {
      check();
      world.after(10, look);
    };
    look();
    world.runFor(10_001);
    return { steps: world.steps, coverage: {} };
  },
};

const folders: string[] = [];
afterAll(() => folders.forEach((one) => rmSync(one, { recursive: true, force: true })));
function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'cluster-shrink-'));
  folders.push(made);
  return made;
}

describe('a failing seed shrinks', () => {
  test('to the faults that the bug needs', () => {
    const { violations } = runSeeds(toy, { first: 1, last: 8 }, { failures: folder() });
    expect(violations.length).toBeGreaterThan(2);
    for (const { script, shrunkFrom } of violations) {
      expect(shrunkFrom).toBeGreaterThan(30);
      // What takes a down, and what pauses b.
      expect(script).toHaveLength(2);
    }
  });

  test('not at all when it does not fail like that, or no fault has to do with it', () => {
    expect(shrink(toy, 1, 'something else')).toBeNull();
    const bare: WorldKind = {
      ...toy,
      run: (seed, { trace, started }) => {
        const world = new World({ seed, trace });
        started(world);
        world.fail('never', 'always');
        world.runFor(1);
        return { steps: 0, coverage: {} };
      },
    };
    expect(shrink(bare, 1, 'never')).toBeNull();
  });

  test('of a planted bug in Raft', () => {
    const kind = raftWorldWith(voteNotPersisted);
    const [violation] = runSeeds(
      kind,
      { first: 1, last: 5 },
      { failures: folder(), shrinkRunsMax: 20 },
    ).violations;
    expect(violation?.script?.length).toBeLessThan(violation?.shrunkFrom ?? 0);
    expect(violation?.shrunkFrom).toBeGreaterThan(25);
    const { records } = decodeTrace(readFileSync(violation?.trace ?? '', 'utf8'));
    const faults = records.filter(
      (record) =>
        record.kind === 'step' &&
        record.input.type.startsWith('FAULT_') &&
        record.input.type !== 'FAULT_calm',
    );
    // Those behind the failure do not happen any more.
    expect(faults.length).toBeLessThanOrEqual(violation?.script?.length ?? 0);
  }, 120_000);

  test('of a planted bug in quorum', () => {
    const kind = quorumWorldWith(leaseWithoutMargin);
    const [violation] = runSeeds(
      kind,
      { first: 1, last: 2 },
      { failures: folder(), shrinkRunsMax: 10 },
    ).violations;
    expect(violation?.script?.length).toBeLessThan(violation?.shrunkFrom ?? 0);
  }, 120_000);
});
