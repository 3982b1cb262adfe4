import { describe, expect, it } from 'vitest';
import type { HealthConfigInput } from '../src/index.ts';
import { workbench } from './support/bench.ts';

/** Lets the probes end one after another; the state after each. */
function states(ends: readonly (number | 'error' | 'silence')[], config: HealthConfigInput = {}): string[] {
  const { probe, quality } = workbench(config);
  return ends.map((end) => {
    probe(end);
    return quality().state;
  });
}
const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);

describe('a path nobody has probed', () => {
  it('is unknown', () => {
    const { quality, events } = workbench();
    expect(quality().state).toBe('unknown');
    expect(events).toEqual([]);
  });

  it('is up at the first good answer, degraded at the first slow one', () => {
    expect(states([20])).toEqual(['up']);
    expect(states([251])).toEqual(['degraded']);
    expect(states([250])).toEqual(['up']);
  });

  it('is down at the third loss in a row, not before', () => {
    expect(states(['error', 'silence', 'error'])).toEqual(['unknown', 'unknown', 'down']);
  });

  it('is degraded when it answers at last, after losses', () => {
    expect(states(['error', 'error', 20])).toEqual(['unknown', 'unknown', 'degraded']);
  });
});

describe('a path that is up', () => {
  it('stays up over a single loss', () => {
    expect(states([20, 'silence', 20, 20])).toEqual(['up', 'up', 'up', 'up']);
  });

  it('is degraded by the second loss of a few', () => {
    expect(states([20, 'silence', 20, 'silence'])).toEqual(['up', 'up', 'up', 'degraded']);
  });

  it('is degraded when it grows slow, and not by one slow answer', () => {
    expect(states([20, 800, 20])).toEqual(['up', 'up', 'up']);
    expect(states([20, ...times(3, 1000)])).toEqual(['up', 'up', 'up', 'degraded']);
  });

  it('is down at the third loss in a row, even when losses do not degrade it', () => {
    expect(states([20, ...times(3, 'error' as const)], { degradedLossRatio: 1 })).toEqual([
      'up',
      'up',
      'up',
      'down',
    ]);
  });

  it('starts counting anew after an answer', () => {
    const { probe, quality } = workbench({ degradedLossRatio: 1 });
    for (const end of [20, 'error', 'error', 20, 'error', 'error'] as const) probe(end);
    expect(quality().state).toBe('up');
  });
});

describe('a degraded path', () => {
  it('is up again when latency and loss are well below their thresholds, not just below', () => {
    // Smoothed by halves: 400, 310, 265, 242.5 (below 250), 231, 225.6, …, towards 220, which is above 0.8 × 250.
    const wavering = states([400, ...times(10, 220)], { smoothing: 0.5 });
    expect(new Set(wavering)).toEqual(new Set(['degraded']));
    // 400, 250, 175 (below 200).
    expect(states([400, 100, 100], { smoothing: 0.5 })).toEqual(['degraded', 'degraded', 'up']);
  });

  it('is up again only after two answers in a row', () => {
    const config = { smoothing: 0.9, degradedLossRatio: 0.95 };
    expect(states([400, 10], config)).toEqual(['degraded', 'up']);
    expect(states([400, 'error', 10, 10], config)).toEqual(['degraded', 'degraded', 'degraded', 'up']);
  });

  it('stays degraded while its losses have not faded', () => {
    const after = states([20, 'error', 20, 'error', ...times(8, 20)]);
    expect(after.slice(3)).toEqual([...times(4, 'degraded'), ...times(5, 'up')]);
  });

  it('is down at the third loss in a row', () => {
    expect(states([400, ...times(3, 'silence' as const)])).toEqual([
      'degraded',
      'degraded',
      'degraded',
      'down',
    ]);
  });
});

describe('a path that is down', () => {
  const down = times(3, 'error' as const);

  it('stays down over more losses and over a single answer', () => {
    const { probe, quality, events } = workbench();
    for (const end of [...down, 'error', 20, 'error'] as const) probe(end);
    expect(quality().state).toBe('down');
    expect(events.map(({ type }) => type)).toEqual(['Down']);
  });

  it('is degraded after two answers in a row, while its losses have not faded', () => {
    expect(states([...down, 20, 20]).slice(-2)).toEqual(['down', 'degraded']);
  });

  it('is up after two answers in a row where losses do not matter', () => {
    expect(states([...down, 20, 20], { degradedLossRatio: 1 }).slice(-2)).toEqual(['down', 'up']);
  });
});

it('tells of every change, once, with its time', () => {
  const { probe, events, metrics } = workbench();
  for (const end of [20, ...times(4, 'error' as const), 20, 20, ...times(30, 20)] as const) probe(end);
  expect(events.map(({ type, peer, atMs }) => [type, peer, atMs])).toEqual([
    ['Up', 'p', 0],
    ['Degraded', 'p', 10_000],
    ['Down', 'p', 15_000],
    ['Degraded', 'p', 30_000],
    ['Up', 'p', expect.any(Number)],
  ]);
  expect(metrics.value('path_changes', { to: 'Down' })).toBe(1);
});
