import { describe, expect, test } from 'vitest';
import { detections, disseminations, packetsPerPeriod } from '../src/sim/figures.ts';
import { falsePositives, lifeguardExperiment } from '../src/sim/false-positives.ts';
import { expectedPeriods } from '../src/sim/first-detection.ts';
import { Happenings } from '../src/sim/happenings.ts';
import { SwimPool } from '../src/sim/pool.ts';
import { quantile } from '../src/statistics.ts';

describe('a pool in the simulator', () => {
  test('that is formed goes on as one that has come together: all hear of a death, an arrival, an event', () => {
    const pool = new SwimPool({ seed: 1, size: 24, formed: true });
    expect(pool.isWell).toBe(true);
    const happenings = new Happenings(pool, 20_000);
    expect(happenings.missing).not.toEqual([]);
    pool.world.runFor(20_000);
    expect(happenings.missing).toEqual([]);
  });

  // The standard error of this mean is 2.6%; the command counts three times as many deaths.
  test('of eight suspects a dead member after the mean time derived', () => {
    const periods = detections(new SwimPool({ seed: 1, size: 8 }), 300, 1000);
    const mean = periods.reduce((sum, one) => sum + one, 0) / periods.length;
    expect(Math.abs(mean / expectedPeriods(8) - 1)).toBeLessThan(0.05);
  }, 240_000);

  // Sent as often as memberlist sends it, one of the ninety arrivals did not reach somebody, who waited for push/pull.
  test('of ninety that start at once, all know all by gossip alone', () => {
    const config = { pushPullPeriodMs: 3_600_000, metadata: { enabled: false } };
    const pool = new SwimPool({ seed: 2, size: 90, startWithinMs: 2000, config });
    expect(() => pool.await('a whole pool', () => pool.isWhole, 8000)).not.toThrow();
  }, 60_000);

  test('with one slow member in eight takes healthy ones for dead fifty times less often than plain SWIM does', () => {
    const experiment = { ...lifeguardExperiment, blockMs: [4096], intervalMs: [16, 1024], seeds: [1] };
    const swim = falsePositives(experiment, 'SWIM').atHealthy;
    expect(swim).toBeGreaterThanOrEqual(50);
    expect(falsePositives(experiment, 'Lifeguard').atHealthy).toBeLessThanOrEqual(swim / 50);
  }, 60_000);

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
