import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runSeeds, type WorldKind } from '../src/index.ts';
import { addCounts } from '../src/world-kind.ts';

const chunk = 25;
const failures = join(import.meta.dirname, '../../../.cluster/failures');

/** A range of seeds as tests; a failing seed's message names its trace. */
export function describeSeeds(kind: WorldKind, first: number, last: number): void {
  describe(`${kind.name}, seeds ${first} to ${last}`, () => {
    const coverage: Record<string, number> = {};
    const ranges = Array.from({ length: (last - first + 1) / chunk }, (_, i) => ({
      first: first + i * chunk,
      last: first + (i + 1) * chunk - 1,
    }));
    test.each(ranges)(
      'every check holds after every step of $first to $last',
      (range) => {
        const report = runSeeds(kind, range, { failures });
        addCounts(coverage, report.coverage);
        expect(report.violations.map(({ message, trace }) => `${message} (${trace})`)).toEqual([]);
        expect(report.seeds).toBe(chunk);
      },
      180_000,
    );

    test('everything that was to be shown has happened', () => {
      expect(kind.mustHappen.filter((name) => (coverage[name] ?? 0) === 0)).toEqual([]);
    });
  });
}
