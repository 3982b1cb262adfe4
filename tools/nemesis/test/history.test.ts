import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countLostWrites, longestInterruptionMs } from '../src/history/measures.ts';
import { formatOperation, parseHistory } from '../src/history/operation.ts';
import { operation, recordedHistory } from './histories.ts';

const line = (change: Record<string, unknown>): string =>
  JSON.stringify({ ...operation('put', 1, 2, { value: 'a' }), ...change });

describe('a history as text', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(recordedHistory(20), (history) => {
        expect(parseHistory(history.map(formatOperation).join(''))).toEqual(history);
      }),
    );
  });

  it('has the fields that others expect, in their order', () => {
    expect(formatOperation(operation('cas', 1, null, { client: 7, value: 'b', expect: 'a' }))).toBe(
      '{"client":7,"op":"cas","key":"k","value":"b","expect":"a","call":1,"return":null,"status":"info"}\n',
    );
  });

  it.each([
    ['no JSON', '{', 'not JSON'],
    ['no object', '[]', 'client'],
    ['an unknown operation', line({ op: 'incr' }), 'op'],
    ['a key that is a number', line({ key: 1 }), 'key'],
    ['a value that is a number', line({ value: 1 }), 'value'],
    ['an expectation left out', line({ expect: undefined }), 'expect'],
    ['an unknown status', line({ status: 'maybe' }), 'status'],
    ['a write of nothing', line({ value: null }), 'value'],
    ['a call that is text', line({ call: '1' }), 'call'],
    ['an answer without a time', line({ return: null }), 'returned'],
    ['an answer before its call', line({ return: 0 }), 'before'],
  ])('refuses %s, naming the line', (_, bad, named) => {
    const text = `${line({})}\n\n${bad}\n`;
    expect(() => parseHistory(text)).toThrow(/^Line 3 is no operation/);
    expect(() => parseHistory(text)).toThrow(named);
  });
});

describe('what else a history tells', () => {
  it('counts acknowledged writes that a later read misses, and no others', () => {
    const put = (key: string): ReturnType<typeof operation> => operation('put', 0, 10, { key, value: 'a' });
    const get = (key: string, call: number, value: string | null): ReturnType<typeof operation> =>
      operation('get', call, call + 1, { key, value });
    expect(countLostWrites([put('kept'), get('kept', 20, 'a'), put('unread')])).toBe(0);
    expect(countLostWrites([put('gone'), get('gone', 20, null), get('gone', 30, null)])).toBe(1);
    expect(countLostWrites([put('changed'), get('changed', 20, 'b')])).toBe(1);
    expect(countLostWrites([put('early'), get('early', 5, null)])).toBe(0);
    expect(countLostWrites([{ ...put('open'), status: 'info', return: null }, get('open', 20, null)])).toBe(
      0,
    );
    expect(
      countLostWrites([put('written twice'), put('written twice'), get('written twice', 20, null)]),
    ).toBe(0);
  });

  it('measures the longest time between two acknowledged writes, in milliseconds', () => {
    const at = (ms: number, op: 'put' | 'get' = 'put'): ReturnType<typeof operation> =>
      operation(op, 0, ms * 1e6, { value: 'a' });
    expect(longestInterruptionMs([at(700), at(100), at(400, 'get'), at(150), at(9000, 'get')])).toBe(550);
    expect(longestInterruptionMs([at(100), at(200, 'get')])).toBeNull();
  });
});
