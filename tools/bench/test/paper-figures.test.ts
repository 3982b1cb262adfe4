import { describe, expect, test } from 'vitest';
import { detections, disseminations, packetsPerPeriod } from '../src/sim/figures.ts';
import { expectedPeriods } from '../src/sim/first-detection.ts';
import { SwimPool } from '../src/sim/pool.ts';
import { quantile } from '../src/statistics.ts';

describe('a pool in the simulator', () => {
  // The standard error of this mean is 2.6%; the command counts three times as many deaths.
  test('of eight suspects a dead member after the mean time derived', () => {
    const periods = detections(new SwimPool({ seed: 1, size: 8 }), 300, 1000);
    const mean = periods.reduce((sum, one) => sum + one, 0) / periods.length;
    expect(Math.abs(mean / expectedPeriods(8) - 1)).toBeLessThan(0.05);
  }, 240_000);

  test.each([8, 32])('of %i sends two packets per member and period: a ping and an answer', (size) => {
    const packets = packetsPerPeriod(new SwimPool({ seed: 1, size }), 10, 1000);
    expect(packets).toBeGreaterThan(1.9);
    expect(packets).toBeLessThan(2.1);
  });

  test.each([5, 8, 32])(
    'of %i knows of a change within 3 log2 n gossip rounds, 99 of 100',
    (size) => {
      const rounds = disseminations(new SwimPool({ seed: 1, size }), Math.ceil(400 / size), 200);
      expect(rounds).toHaveLength(Math.ceil(400 / size) * (size - 1));
      expect(quantile(rounds, 0.99)).toBeLessThan(3 * Math.log2(size));
    },
    60_000,
  );
});
