import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkHistory } from '../src/checker/check-history.ts';
import { checkRegister } from '../src/checker/linearizability.ts';
import type { Operation } from '../src/history/operation.ts';
import { bruteForce, inventedHistory, operation, recordedHistory } from './histories.ts';

const bounds = { stepsMax: 1_000_000 };
const verdictOf = (operations: readonly Operation[]): string => checkRegister(operations, bounds).type;

describe('the linearizability checker', () => {
  it('agrees with trying every order, on invented histories, and meets both answers often', () => {
    const met = { linearizable: 0, violation: 0, unknown: 0 };
    fc.assert(
      fc.property(inventedHistory, (history) => {
        const { type } = checkRegister(history, bounds);
        met[type]++;
        expect(type).toBe(bruteForce(history) ? 'linearizable' : 'violation');
      }),
      { numRuns: 20_000 },
    );
    expect(Math.min(met.linearizable, met.violation)).toBeGreaterThan(2000);
  });

  it('agrees with trying every order, on recorded histories with one answer changed', () => {
    const met = { linearizable: 0, violation: 0 };
    fc.assert(
      fc.property(
        recordedHistory(7),
        fc.nat(),
        fc.constantFrom(null, ';0', ';1', ';2', ';0;1'),
        (history, at, value) => {
          const edited = history.with(at % history.length, {
            ...(history[at % history.length] as Operation),
            ...((history[at % history.length] as Operation).op === 'get' ? { value } : {}),
          });
          const explained = bruteForce(edited);
          met[explained ? 'linearizable' : 'violation']++;
          expect(verdictOf(edited)).toBe(explained ? 'linearizable' : 'violation');
        },
      ),
      { numRuns: 5000 },
    );
    expect(Math.min(met.linearizable, met.violation)).toBeGreaterThan(200);
  });

  it('accepts every history that a register has produced, long ones and unanswered operations included', () => {
    fc.assert(
      fc.property(recordedHistory(400, 60), (history) => {
        expect(checkRegister(history, bounds).type).toBe('linearizable');
      }),
      { numRuns: 200 },
    );
  });

  it('rejects a recorded history in which one read was changed to what nobody wrote', () => {
    let edits = 0;
    fc.assert(
      fc.property(recordedHistory(60), fc.nat(), (history, pick) => {
        const reads = history.flatMap(({ op, status }, at) => (op === 'get' && status === 'ok' ? [at] : []));
        const at = reads[pick % reads.length];
        if (at === undefined) return;
        const edited = history.with(at, { ...(history[at] as Operation), value: 'forged' });
        edits++;
        expect(checkRegister(edited, bounds)).toMatchObject({ type: 'violation' });
      }),
      { numRuns: 1000 },
    );
    expect(edits).toBeGreaterThan(500);
  });

  it('rejects any change of a read at all, where operations do not overlap', () => {
    let edits = 0;
    fc.assert(
      fc.property(recordedHistory(30, 4), fc.nat(), fc.nat(), (history, pick, from) => {
        const answered = history.filter(({ status }) => status !== 'info');
        const sequential = checkRegister(answered, bounds).type === 'linearizable' ? answered : [];
        const reads = sequential.flatMap(({ op, status }, at) =>
          op === 'get' && status === 'ok' ? [at] : [],
        );
        const at = reads[pick % reads.length];
        const other = sequential[from % Math.max(1, sequential.length)]?.value;
        if (at === undefined || other === undefined || other === sequential[at]?.value) return;
        edits++;
        expect(verdictOf(sequential.with(at, { ...(sequential[at] as Operation), value: other }))).toBe(
          'violation',
        );
      }),
      { numRuns: 2000 },
    );
    expect(edits).toBeGreaterThan(300);
  });
});

describe('known anomalies are rejected', () => {
  const put = (call: number, end: number | null, value: string): Operation =>
    operation('put', call, end, { value });
  const get = (call: number, end: number, value: string | null): Operation =>
    operation('get', call, end, { value });
  const append = (call: number, end: number | null, value: string): Operation =>
    operation('append', call, end, { value });
  const cas = (call: number, end: number | null, expect: string | null, value: string): Operation =>
    operation('cas', call, end, { expect, value });

  it.each<[string, Operation[]]>([
    ['a stale read after a write was acknowledged', [put(0, 1, 'a'), put(2, 3, 'b'), get(4, 5, 'a')]],
    ['a read that goes back in time', [put(0, 1, 'a'), put(2, 10, 'b'), get(3, 4, 'b'), get(5, 6, 'a')]],
    ['a lost write', [put(0, 1, 'a'), get(2, 3, null)]],
    ['a read from the future', [get(0, 1, 'a'), put(2, 3, 'a')]],
    ['an append applied twice', [append(0, 1, 'x'), get(2, 3, 'xx')]],
    [
      'an append of unknown outcome applied twice',
      [append(0, null, 'x'), append(5, 6, 'y'), get(7, 8, 'xyx')],
    ],
    ['two swaps from the same value', [put(0, 1, 'a'), cas(2, 5, 'a', 'b'), cas(2, 5, 'a', 'c')]],
    ['a swap of a value that was not there', [put(0, 1, 'a'), cas(2, 3, 'b', 'c')]],
    [
      'a swap that failed although the value was there',
      [put(0, 1, 'a'), { ...cas(2, 3, 'a', 'b'), status: 'fail' }],
    ],
    ['a write that failed and was seen', [{ ...put(0, 1, 'a'), status: 'fail' }, get(2, 3, 'a')]],
    [
      'a write of unknown outcome that comes and goes',
      [put(0, 1, 'a'), put(2, null, 'b'), get(3, 4, 'b'), get(5, 6, 'a'), get(7, 8, 'b')],
    ],
    ['a deleted value that returns', [put(0, 1, 'a'), operation('del', 2, 3), get(4, 5, 'a')]],
  ])('%s', (_, history) => {
    expect(bruteForce(history)).toBe(false);
    expect(verdictOf(history)).toBe('violation');
  });

  it.each<[string, Operation[]]>([
    ['a write of unknown outcome that never happened', [put(0, null, 'a'), get(1, 2, null)]],
    [
      'a write of unknown outcome that takes effect much later',
      [put(0, null, 'a'), get(1, 2, null), put(3, 4, 'b'), get(5, 6, 'b'), get(7, 8, 'a')],
    ],
    ['concurrent reads that see old and new', [put(0, 10, 'a'), get(1, 2, null), get(3, 4, 'a')]],
    [
      'a swap that failed because of a write of unknown outcome',
      [put(0, 1, 'a'), put(2, null, 'b'), { ...cas(3, 4, 'a', 'c'), status: 'fail' }],
    ],
    ['what happens at the same instant, in either order', [put(0, 5, 'a'), get(5, 6, null)]],
  ])('but not %s', (_, history) => {
    expect(bruteForce(history)).toBe(true);
    expect(verdictOf(history)).toBe('linearizable');
  });

  it('names the answer that nothing explains and what the register could have held', () => {
    const later = put(7, 8, 'z');
    const history = [put(0, 1, 'a'), put(2, null, 'b'), get(3, 4, 'z'), get(5, 6, 'b'), later];
    expect(checkRegister(history, bounds)).toMatchObject({
      type: 'violation',
      operation: { op: 'get', value: 'z' },
      states: ['a', 'b'],
    });
    expect(checkRegister([get(0, 1, 'never written')], bounds)).toMatchObject({
      type: 'violation',
      operation: { value: 'never written' },
      states: [],
    });
  });
});

describe('the bounds of the search', () => {
  // Appends that all overlap, and a read no order explains: every order has to be tried.
  const hard = Array.from({ length: 12 }, (_, i) => operation('append', 0, 100, { value: `${i};` })).concat(
    operation('get', 101, 102, { value: 'x0;' }),
  );

  it('gives up after so many steps, and calls it unknown', () => {
    expect(checkRegister(hard, { stepsMax: 10_000 })).toEqual({ type: 'unknown', steps: 10_001 });
  });

  it('gives up when time is out, and calls the history unknown', () => {
    let nowMs = 0;
    const verdict = checkHistory(hard, { timeoutMs: 5, nowMs: () => nowMs++ });
    expect(verdict).toMatchObject({ verdict: 'unknown', unknownKeys: ['k'], violations: [] });
  });

  it('lets a violation of one key stand beside another key that is unknown', () => {
    const lost = [
      operation('put', 0, 1, { key: 'l', value: 'a' }),
      operation('get', 2, 3, { key: 'l', value: null }),
    ];
    const verdict = checkHistory([...hard, ...lost], { stepsMax: 1000 });
    expect(verdict).toMatchObject({
      verdict: 'violation',
      keys: 2,
      unknownKeys: ['k'],
      violations: [{ key: 'l' }],
    });
  });

  it('needs few steps for thirty clients that are busy with one key all the time, where every value is new', () => {
    fc.assert(
      fc.property(recordedHistory(300, 150), fc.nat(), (history, pick) => {
        const short = { stepsMax: 200_000 };
        expect(checkRegister(history, short).type).toBe('linearizable');
        const at = pick % history.length;
        const { op, status } = history[at] as Operation;
        if (op !== 'get' || status !== 'ok') return;
        const edited = history.with(at, { ...(history[at] as Operation), value: 'forged' });
        expect(checkRegister(edited, short).type).toBe('violation');
      }),
      { numRuns: 30 },
    );
  });

  it('needs few steps where forty writes of unknown outcome are about and a read is wrong', () => {
    const open = Array.from({ length: 40 }, (_, i) => operation('put', i, null, { value: `u${i}` }));
    const history = [
      ...open,
      operation('put', 50, 60, { value: 'a' }),
      operation('get', 70, 80, { value: 'b' }),
      operation('put', 90, 95, { value: 'b' }),
    ];
    const verdict = checkRegister(history, bounds);
    expect(verdict.type).toBe('violation');
    expect(verdict.steps).toBeLessThan(5000);
  });
});
