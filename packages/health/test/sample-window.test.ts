import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SampleWindow, scoreOf } from '../src/index.ts';

const outcome = fc.option(
  fc.oneof(fc.integer({ min: 0, max: 20 }), fc.double({ min: 0, max: 1e6, noNaN: true })),
  {
    freq: 4,
  },
);
type Outcomes = readonly (number | null)[];

const filled = (size: number, outcomes: Outcomes): SampleWindow => {
  const window = new SampleWindow(size);
  window.restore(outcomes);
  return window;
};

/** The same figures, the slow and obvious way. */
function naive(size: number, outcomes: Outcomes) {
  const last = outcomes.slice(-size);
  const sorted = last.filter((value) => value !== null).toSorted((a, b) => a - b);
  const smallestNotExceededBy = (share: number): number | null =>
    sorted.find((value) => sorted.filter((other) => other <= value).length >= share * sorted.length) ?? null;
  return {
    probes: last.length,
    answered: sorted.length,
    lossRatio: last.length === 0 ? null : last.filter((value) => value === null).length / last.length,
    averageMs: sorted.length === 0 ? null : sorted.reduce((a, b) => a + b, 0) / sorted.length,
    p99Ms: smallestNotExceededBy(0.99),
    medianMs: smallestNotExceededBy(0.5),
    minMs: sorted.length === 0 ? null : Math.min(...sorted),
    maxMs: sorted.length === 0 ? null : Math.max(...sorted),
  };
}

describe('the window of samples', () => {
  it('has the figures of a naive implementation, whatever it is fed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 120 }),
        fc.array(outcome, { maxLength: 300 }),
        (size, outcomes) => {
          const window = filled(size, outcomes);
          const { probes, answered, lossRatio, averageMs, minMs, maxMs } = window;
          const figures = { probes, answered, lossRatio, averageMs, minMs, maxMs };
          expect({
            ...figures,
            p99Ms: window.percentileMs(0.99),
            medianMs: window.percentileMs(0.5),
          }).toEqual(naive(size, outcomes));
          expect(window.outcomes()).toEqual(outcomes.slice(-size));
        },
      ),
      { numRuns: 300, seed: 1 },
    );
  });

  it('gives the second largest of a hundred as their p99', () => {
    const samples = Array.from({ length: 100 }, (_, i) => ((i * 37) % 100) + 1);
    expect(filled(100, samples).percentileMs(0.99)).toBe(99);
    expect(filled(100, samples.slice(1)).percentileMs(0.99)).toBe(100);
  });

  it('knows nothing before the first probe', () => {
    const window = new SampleWindow(100);
    expect([window.averageMs, window.percentileMs(0.99), window.lossRatio, window.minMs]).toEqual([
      null,
      null,
      null,
      null,
    ]);
  });
});

describe('the score of a path', () => {
  const latency = fc.double({ min: 0, max: 5000, noNaN: true });
  const loss = fc.double({ min: 0, max: 1, noNaN: true });

  it('is 1 for a perfect path, and 0 to 1 for any', () => {
    expect(scoreOf(0, 0, 0).score).toBe(1);
    expect(scoreOf(0, 0, 1).score).toBe(0);
    fc.assert(
      fc.property(latency, latency, loss, (ms, jitterMs, lossRatio) => {
        const { score } = scoreOf(ms, jitterMs, lossRatio);
        expect(score).toBeGreaterThanOrEqual(0);
        expect(score).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('never rises with latency, jitter or loss', () => {
    fc.assert(
      fc.property(
        latency,
        latency,
        loss,
        latency,
        latency,
        loss,
        (ms, jitterMs, lossRatio, moreMs, moreJitterMs, moreLoss) => {
          const { score } = scoreOf(ms, jitterMs, lossRatio);
          expect(scoreOf(ms + moreMs, jitterMs, lossRatio).score).toBeLessThanOrEqual(score);
          expect(scoreOf(ms, jitterMs + moreJitterMs, lossRatio).score).toBeLessThanOrEqual(score);
          expect(scoreOf(ms, jitterMs, Math.min(1, lossRatio + moreLoss)).score).toBeLessThanOrEqual(score);
        },
      ),
    );
  });

  it('follows the E-model: little for latency up to 160 ms, steeply more beyond, 2.5 points for a per cent of loss', () => {
    const points = (score: number): number => score * 92.95;
    expect(points(scoreOf(110, 0, 0).score)).toBeCloseTo(93.2 - 120 / 40);
    expect(points(scoreOf(310, 0, 0).score)).toBeCloseTo(93.2 - (320 - 120) / 10);
    expect(points(scoreOf(100, 5, 0).score)).toBeCloseTo(points(scoreOf(110, 0, 0).score));
    expect(points(scoreOf(0, 0, 0.1).score)).toBeCloseTo(92.95 - 25);
  });

  it('says what took it off', () => {
    const { score, components } = scoreOf(200, 10, 0.02);
    expect(1 - components.latency - components.loss).toBeCloseTo(score);
    expect(components.loss).toBeCloseTo(5 / 92.95);
  });
});
