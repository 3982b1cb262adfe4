import { describe, expect, test } from 'vitest';
import { expectedPeriods, paperPeriods } from '../src/sim/first-detection.ts';

describe('mean first detection', () => {
  test('tends to two periods by our schedule; the paper counts e/(e - 1)', () => {
    expect(expectedPeriods(1000)).toBeCloseTo(2, 2);
    expect(paperPeriods).toBeCloseTo(1.58, 2);
  });

  test('takes longer where fewer are left to probe, in proportion in a large pool', () => {
    expect((expectedPeriods(1000, 51) - 1) / (expectedPeriods(1000) - 1)).toBeCloseTo(1 / 0.95, 2);
  });

  test('is what a draw of the schedule gives', () => {
    // The schedule itself, without any protocol: positions in two shuffled rounds, and a phase.
    let state = 1;
    const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
    const m = 7;
    let sum = 0;
    const draws = 40_000;
    for (let i = 0; i < draws; i++) {
      let first = Infinity;
      for (let observer = 0; observer < m; observer++) {
        const left = Math.floor(random() * m);
        const place = Math.floor(random() * m);
        const slot = place < left ? place : left + Math.floor(random() * m);
        first = Math.min(first, slot + random());
      }
      sum += first + 1;
    }
    expect(sum / draws / expectedPeriods(8)).toBeCloseTo(1, 1.7);
  });
});
