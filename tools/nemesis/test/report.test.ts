import { describe, expect, it } from 'vitest';
import type { CounterLine } from '../src/history/counter.ts';
import { formatOperation } from '../src/history/operation.ts';
import { objectionsTo, reportOn } from '../src/history/report.ts';
import { chooseKilling, chooseScenarios, scenarios } from '../src/scenario.ts';
import { operation } from './histories.ts';

const sound = [
  operation('put', 0, 2_000_000, { value: 'a' }),
  operation('put', 1_000_000, null, { value: 'b' }),
  operation('append', 3_000_000, 7_000_000, { value: 'c', key: 'l' }),
  operation('get', 8_000_000, 9_000_000, { value: 'a' }),
];
const text = sound.map(formatOperation).join('');
const counter = (change: Partial<CounterLine>): string =>
  JSON.stringify({ counter: 'counter 0', acknowledged: 5, unknown: 0, mismatches: 0, final: 5, ...change });

describe('the report on a history', () => {
  it('says everything from the texts alone', () => {
    const report = reportOn(text, `${counter({})}\n${counter({ unknown: 2, final: 6 })}\n`);
    expect(report).toMatchObject({
      linearizable: true,
      operations: 4,
      keys: 2,
      acknowledgedWrites: 2,
      unknownOutcomes: 1,
      acknowledgedWritesLost: 0,
      interruptionMs: 5,
      counters: 2,
      countersWrong: [],
    });
    expect(objectionsTo(report)).toEqual([]);
  });

  it('objects to a read that was changed, and names it', () => {
    const report = reportOn(
      text.replace('"op":"get","key":"k","value":"a"', '"op":"get","key":"k","value":"z"'),
    );
    expect(report.linearizable).toBe(false);
    expect(objectionsTo(report).join()).toMatch(
      /not linearizable: .*"k".*"value":"z".*could have held no such value/,
    );
  });

  it('objects to an acknowledged write that is gone', () => {
    const report = reportOn(text + formatOperation(operation('get', 8e6, 9e6, { key: 'l', value: null })));
    expect(report.linearizable).toBe(false);
    const put = formatOperation(operation('put', 0, 1, { key: 'm', value: 'x' }));
    const lost = reportOn(put + formatOperation(operation('get', 2, 3, { key: 'm', value: null })));
    expect(lost.acknowledgedWritesLost).toBe(1);
    expect(objectionsTo(lost)).toHaveLength(2);
  });

  it('is honest about a search that was given up', () => {
    const report = reportOn(text, null, { stepsMax: 0 });
    expect(report.linearizable).toBeNull();
    expect(objectionsTo(report)).toEqual([
      'linearizability is unknown: the search was given up for 2 of 2 keys',
    ]);
  });

  it.each([
    ['lost a count', { final: 4 }],
    ['counted twice', { final: 6 }],
    ['counted more than the unknown explain', { unknown: 1, final: 7 }],
    ['answered out of order', { mismatches: 1 }],
    ['could not be read', { final: null }],
  ])('objects to a counter that %s', (_, change) => {
    expect(objectionsTo(reportOn(text, counter(change)))).toHaveLength(1);
  });
});

describe('the scenarios', () => {
  it('are chosen by name with or without a number of nodes, and are all when none is named', () => {
    const names = (...chosen: string[]): string[] => chooseScenarios(chosen).map(({ name }) => name);
    expect(names()).toEqual(scenarios.map(({ name }) => name));
    expect(names('kill-leader')).toEqual(['kill-leader-3', 'kill-leader-5']);
    expect(names('partition-5', 'pause-all-3')).toEqual(['partition-5', 'pause-all-3']);
    expect(() => names('earthquake')).toThrow(RangeError);
    expect(() => names('kill-leader-4')).toThrow('kill-leader-4');
  });

  it('whose kills are to be counted are those that kill, and no others are taken', () => {
    const names = (...chosen: string[]): string[] => chooseKilling(chosen).map(({ name }) => name);
    expect(names('kill-random')).toEqual(['kill-random-3', 'kill-random-5']);
    expect(names()).toEqual(names('kill-leader', 'kill-some', 'kill-all', 'kill-random'));
    expect(() => names('kill-random-5', 'pause-all')).toThrow(RangeError);
    expect(() => names('mixed-3')).toThrow('kill-random');
    expect(() => names('earthquake')).toThrow('earthquake');
  });
});
