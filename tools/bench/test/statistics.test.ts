import { describe, expect, it } from 'vitest';
import { pairedRatio, quantile, renderBench, summarize } from '@cluster/bench';

describe('a ratio of pairs', () => {
  it('is the median of the pairs, not the ratio of the medians: a neighbour who slows a pair down does not change it', () => {
    // The machine was half as fast in the second pair, and a third as fast in the last.
    const { median, interval } = pairedRatio([90, 45, 90, 30], [100, 50, 100, 33.3], true);
    expect(median).toBeCloseTo(0.9, 3);
    expect(interval[0]).toBeCloseTo(0.9, 3);
    expect(interval[1]).toBeCloseTo(0.9, 2);
  });

  it('is below 1 when ours takes longer', () => {
    expect(pairedRatio([2, 2, 2], [1, 1, 1], false)).toEqual({ median: 0.5, interval: [0.5, 0.5] });
  });

  it('is of pairs only', () => {
    expect(() => pairedRatio([1, 2], [1], true)).toThrow(RangeError);
  });
});

describe('a quantile', () => {
  it.each([
    [[1, 2, 3, 4, 5], 0.5, 3],
    [[1, 2, 3, 4], 0.5, 2.5],
    [[10, 20], 0.9, 19],
    [[7], 0.99, 7],
  ])('of %j at %f is %f', (sorted, share, expected) => {
    expect(quantile(sorted, share)).toBeCloseTo(expected, 10);
  });

  it('of nothing is not a number, and so is what is said of it', () => {
    expect(quantile([], 0.5)).toBeNaN();
    expect(summarize([]).median).toBeNaN();
  });
});

describe('a table', () => {
  const row = { case: 'puts', unit: 'puts/s', higherIsBetter: true, ours: 1234.5, spread: 0.1 } as const;

  it('shows the quartiles of the ratio, and what a peer makes of the case', () => {
    const text = renderBench({
      name: 'raft',
      config: {},
      rows: [{ ...row, limit: 2000, peers: { etcd: 500 }, ratioToLimit: 0.62, ratioInterval: [0.6, 0.65] }],
    });
    const line = text.split('\n').find((one) => one.startsWith('puts')) ?? '';
    expect(line.split(/ {2,}/)).toEqual([
      'puts',
      'puts/s, more is better',
      '1235',
      '5%',
      '2000',
      '0.62 (0.60-0.65)',
      '500 (ours 2.5x)',
    ]);
  });

  it('has a dash where there is no limit, nothing where a peer lacks the case, and the notes at the end', () => {
    const text = renderBench({
      name: 'raft',
      config: {},
      rows: [
        { ...row, limit: null, peers: {}, ratioToLimit: null },
        { ...row, case: 'reads', limit: null, peers: { etcd: 1 }, ratioToLimit: null },
      ],
      notes: ['1 peer skipped: nats.js, for nats-server is not installed here.'],
    });
    const line = text.split('\n').find((one) => one.startsWith('puts')) ?? '';
    expect(line.split(/ {2,}/)).toEqual(['puts', 'puts/s, more is better', '1235', '5%', '-', '-']);
    expect(text).toContain('1 peer skipped: nats.js');
    expect(text.trimEnd().endsWith('not installed here.')).toBe(true);
  });
});
