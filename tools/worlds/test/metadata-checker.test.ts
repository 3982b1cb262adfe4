import { SimulationFailure, World } from '@cluster/sim';
import { describe, expect, test } from 'vitest';
import { collectionUntold, metadataWorldWith } from '../src/index.ts';
import { MetadataChecker, type ShownMap } from '../src/metadata/checker.ts';

/** The invariant that a run breaks; null when it breaks none. */
function broken(run: () => unknown): string | null {
  try {
    run();
    return null;
  } catch (error) {
    if (!(error instanceof SimulationFailure)) throw error;
    return error.invariant;
  }
}

const shown = (boot: number, counter: number, entries: Record<string, string> = {}): ShownMap => ({
  version: { boot, counter },
  collectedTo: 0,
  entries: new Map(
    Object.entries(entries).map(([key, value]) => [key, { value: new TextEncoder().encode(value) }]),
  ),
});

/** n1 has written, deleted, and begun a second life. */
function judge(look: (checker: MetadataChecker) => void): string | null {
  const world = new World({ seed: 1 });
  const checker = new MetadataChecker(world, true);
  checker.started('n2', 7);
  checker.started('n1', 11);
  checker.wrote(11, 1, 'a', 'x');
  checker.wrote(11, 2, 'a', null);
  checker.started('n1', 12);
  checker.wrote(12, 1, 'a', 'y');
  return broken(() => {
    world.after(1, () => look(checker));
    world.runFor(10);
  });
}

describe('the checker of metadata', () => {
  test('accepts what was written, in its order', () => {
    expect(
      judge((checker) => {
        checker.shows('n2', 'n1', shown(11, 1, { a: 'x' }));
        checker.shows('n2', 'n1', shown(11, 2));
        checker.shows('n2', 'n1', shown(12, 1, { a: 'y' }));
      }),
    ).toBe(null);
  });

  test('refuses an older map of the same life, and one of an older life', () => {
    const goesBack = 'nobody goes back to what is older';
    expect(
      judge((checker) => {
        checker.shows('n2', 'n1', shown(11, 2));
        checker.shows('n2', 'n1', shown(11, 1, { a: 'x' }));
      }),
    ).toBe(goesBack);
    expect(
      judge((checker) => {
        checker.shows('n2', 'n1', shown(12, 1, { a: 'y' }));
        checker.shows('n2', 'n1', shown(11, 2));
      }),
    ).toBe(goesBack);
  });

  test('takes an older map for news where the owner was forgotten', () => {
    expect(
      judge((checker) => {
        checker.shows('n2', 'n1', shown(12, 1, { a: 'y' }));
        checker.reaped('n2', 'n1');
        checker.shows('n2', 'n1', shown(11, 2));
      }),
    ).toBe(null);
  });

  test('refuses a deleted key that is back, a value that is missing, and a map that nobody wrote', () => {
    const written = 'a map is what its owner had written, deletions included';
    expect(judge((checker) => checker.shows('n2', 'n1', shown(11, 2, { a: 'x' })))).toBe(written);
    expect(judge((checker) => checker.shows('n2', 'n1', shown(12, 1)))).toBe(written);
    expect(judge((checker) => checker.shows('n2', 'n1', shown(13, 1)))).toBe('only the owner writes its map');
  });

  test('finds a planted bug: collected deletions that are not told', () => {
    const world = metadataWorldWith(collectionUntold);
    const seeds = Array.from({ length: 12 }, (_, i) => i + 1);
    const found = seeds.some(
      (seed) =>
        broken(() => world.run(seed, { trace: false, started: () => undefined })) ===
        'a map is what its owner had written, deletions included',
    );
    expect(found).toBe(true);
  });
});
