/** Histories for tests: written by hand, invented, or recorded from a register in memory; and a checker without any cleverness. */
import fc from 'fast-check';
import type { Operation, OperationKind, OperationStatus, Value } from '../src/history/operation.ts';

export interface Brief {
  readonly client?: number;
  readonly value?: Value;
  readonly expect?: Value;
  readonly status?: OperationStatus;
  readonly key?: string;
}

/** `call` and `end` in any unit; an end of null: no answer. */
export const operation = (
  op: OperationKind,
  call: number,
  end: number | null,
  brief: Brief = {},
): Operation => ({
  client: brief.client ?? 1,
  op,
  key: brief.key ?? 'k',
  value: brief.value ?? null,
  expect: brief.expect ?? null,
  call,
  return: end,
  status: brief.status ?? (end === null ? 'info' : 'ok'),
});

/**
 * Tries every order of every subset that contains all answered operations. Says the same thing as the definition, and takes as long.
 */
export function bruteForce(operations: readonly Operation[]): boolean {
  const relevant = operations.filter(
    ({ op, status }) => status === 'ok' || (op === 'cas' && status === 'fail') || status === 'info',
  );
  const search = (left: readonly Operation[], state: Value): boolean => {
    if (left.every(({ status }) => status === 'info')) return true;
    return left.some((candidate) => {
      const mayComeFirst = left.every(
        (other) =>
          other === candidate ||
          other.status === 'info' ||
          other.return === null ||
          other.return >= candidate.call,
      );
      if (!mayComeFirst) return false;
      const next = specification(candidate, state);
      return (
        next !== 'impossible' &&
        search(
          left.filter((other) => other !== candidate),
          next.state,
        )
      );
    });
  };
  return search(relevant, null);
}

function specification(
  { op, value, expect, status }: Operation,
  state: Value,
): { readonly state: Value } | 'impossible' {
  switch (op) {
    case 'get':
      return status === 'info' || value === state ? { state } : 'impossible';
    case 'put':
      return { state: value };
    case 'del':
      return { state: null };
    case 'append':
      return { state: `${state ?? ''}${value ?? ''}` };
    case 'cas':
      if (status === 'ok') return state === expect ? { state: value } : 'impossible';
      if (status === 'fail') return state === expect ? 'impossible' : { state };
      return { state: state === expect ? value : state };
  }
}

/** Invented without a register behind it: some explainable, some not. Few values and short times make both common. */
export const inventedHistory: fc.Arbitrary<Operation[]> = fc.array(
  fc
    .record({
      op: fc.constantFrom<OperationKind>('get', 'put', 'del', 'append', 'cas'),
      value: fc.constantFrom('a', 'b', 'ab'),
      nothing: fc.integer({ min: 0, max: 3 }),
      expect: fc.constantFrom(null, 'a', 'b'),
      call: fc.integer({ min: 0, max: 12 }),
      length: fc.integer({ min: 0, max: 6 }),
      status: fc.constantFrom<OperationStatus>('ok', 'ok', 'ok', 'fail', 'info'),
    })
    .map(({ op, value, nothing, expect, call, length, status }) =>
      operation(op, call, status === 'info' ? null : call + length, {
        value: op === 'del' || (op === 'get' && nothing === 0) ? null : value,
        expect: op === 'cas' ? expect : null,
        status,
      }),
    ),
  { maxLength: 7 },
);

interface Draft {
  readonly op: OperationKind;
  readonly target: number;
  readonly before: number;
  readonly after: number;
  readonly answered: boolean;
  readonly happens: boolean;
}

/**
 * Recorded from a register in memory: operations take effect at 10, 20, 30, …, are called some time before and answered some time
 * after. Every written value is new. Always linearizable.
 */
export const recordedHistory = (maxLength: number, overlap = 40): fc.Arbitrary<Operation[]> =>
  fc
    .array(
      fc.record<Draft>({
        op: fc.constantFrom<OperationKind>('get', 'get', 'put', 'del', 'append', 'cas'),
        target: fc.integer({ min: 0, max: 2 }),
        before: fc.integer({ min: 0, max: overlap }),
        after: fc.integer({ min: 0, max: overlap }),
        answered: fc.integer({ min: 0, max: 9 }).map((n) => n > 0),
        happens: fc.boolean(),
      }),
      { minLength: 1, maxLength },
    )
    .map((drafts) => {
      let state: Value = null;
      return drafts.map(({ op, target, before, after, answered, happens }, i): Operation => {
        const at = 10 * (i + 1);
        const found: Value = state;
        const hits = target > 0;
        const written = op === 'get' || op === 'del' ? null : `;${i}`;
        const expect = op !== 'cas' ? null : hits ? found : `no such value ${i}`;
        const takesEffect = (answered || happens) && (op !== 'cas' || hits);
        if (takesEffect && op === 'append') state = `${state ?? ''}${written}`;
        else if (takesEffect && op !== 'get') state = written;
        return operation(op, at - before, answered ? at + after : null, {
          client: i,
          value: op === 'get' && answered ? found : written,
          expect,
          status: answered ? (op === 'cas' && !hits ? 'fail' : 'ok') : 'info',
        });
      });
    });
