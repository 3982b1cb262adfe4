import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeTrace } from '@cluster/core';
import { nemesis, World } from '@cluster/sim';
import { afterAll, describe, expect, test } from 'vitest';
import { runSeeds, shrink, type WorldKind } from '../src/index.ts';

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
    expect(violations.length).toBeGreaterThan(0);
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

  test('and its trace is that of the short script', () => {
    const [violation] = runSeeds(toy, { first: 1, last: 8 }, { failures: folder() }).violations;
    const { records } = decodeTrace(readFileSync(violation?.trace ?? '', 'utf8'));
    const inputs = records.flatMap((record) => (record.kind === 'step' ? [record.input.type] : []));
    expect(inputs.filter((type) => type.startsWith('FAULT_')).length).toBe(violation?.script?.length);
  });
});
