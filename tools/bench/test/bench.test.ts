import { describe, expect, it } from 'vitest';
import { benchStepper, measure, ratioToLimit, renderBench, summarize } from '@cluster/bench';

describe('a measurement', () => {
  it('is the median of the rounds, and how far their middle half spreads', () => {
    expect(summarize([5, 1, 3, 2, 4])).toEqual({ median: 3, spread: 2 / 3 });
    expect(summarize([1, 1, 1, 100])).toEqual({ median: 1, spread: 24.75 });
    expect(summarize([0, 0])).toEqual({ median: 0, spread: 0 });
  });

  it('runs the contenders in turns, each equally often', () => {
    const turns: string[] = [];
    const contender = (name: string) => ({
      run: () => {
        if (turns.at(-1) !== name) turns.push(name);
        for (const startMs = performance.now(); performance.now() < startMs + 1;);
      },
    });
    const measured = measure(
      new Map([
        ['a', contender('a')],
        ['b', contender('b')],
      ]),
      { rounds: 3, roundMs: 1 },
    );
    // The thrown-away round, then a b, b a, a b; neighbours of a kind melt together.
    expect(turns.join('')).toBe('ababab');
    expect([...measured.keys()]).toEqual(['a', 'b']);
  });

  it('reaches the limit at 1, whichever direction is better', () => {
    expect([ratioToLimit(50, 100, true), ratioToLimit(2, 1, false), ratioToLimit(1, 1, false)]).toEqual([
      0.5, 0.5, 1,
    ]);
  });
});

describe('bench stepper', () => {
  const result = benchStepper({ rounds: 1, roundMs: 1 });

  it('has a row per case in the shape that all benchmarks share', () => {
    expect(result.name).toBe('stepper');
    expect(result.rows).toHaveLength(4);
    for (const row of result.rows) {
      expect(row).toMatchObject({ unit: 'µs/event', higherIsBetter: false });
      expect(Object.keys(row.peers)).toEqual(['transition()', 'actor.send']);
      expect([row.ours, Number(row.limit), ...Object.values(row.peers)].every((value) => value > 0)).toBe(
        true,
      );
      expect(row.ratioToLimit).toBeCloseTo(Number(row.limit) / row.ours, 10);
    }
  });

  it('prints the configuration and a line per case', () => {
    const text = renderBench(result);
    expect(text).toContain('configuration: {"rounds":1');
    for (const row of result.rows) expect(text).toContain(row.case);
  });
});
