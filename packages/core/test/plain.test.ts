import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ClusterError,
  fromBase64,
  packPlain,
  parsePlain,
  plainDifference,
  plainEqual,
  stringifyPlain,
  toBase64,
  unpackPlain,
} from '@cluster/core';

const tagLike = fc.constantFrom(
  '$bytes',
  '$bigint',
  '$number',
  '$undefined',
  '$map',
  '$set',
  '$error',
  '$plain',
  '__proto__',
);
const leaf = fc.oneof(
  fc.string(),
  fc.double(),
  fc.integer(),
  fc.bigInt(),
  fc.boolean(),
  fc.constantFrom(null, undefined, -0, Number.NaN, -Infinity),
  fc.uint8Array(),
);
const { plain } = fc.letrec<{ plain: unknown }>((tie) => ({
  plain: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc.array(tie('plain'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(fc.string(), tagLike), tie('plain'), { maxKeys: 3, noNullPrototype: true }),
    fc.array(fc.tuple(tie('plain'), tie('plain')), { maxLength: 3 }).map((pairs) => new Map(pairs)),
    fc.array(tie('plain'), { maxLength: 3 }).map((items) => new Set(items)),
  ),
}));

describe('plain data', () => {
  it('comes back from text and from bytes as it was, whatever it holds', () => {
    fc.assert(
      fc.property(plain, (value) => {
        const text = stringifyPlain(value);
        expect(text).not.toContain('\n');
        expect(parsePlain(text)).toEqual(value);
        expect(plainEqual(parsePlain(text), value)).toBe(true);
        expect(plainEqual(unpackPlain(packPlain(value)), value)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('is equal exactly when its text is', () => {
    fc.assert(
      fc.property(plain, plain, (a, b) => {
        expect(plainEqual(a, b)).toBe(stringifyPlain(a) === stringifyPlain(b));
      }),
    );
    expect(plainEqual({ a: 1, b: 2 }, { b: 2, a: 1 })).toBe(true);
    expect(plainEqual({ toString: 1 }, { x: 1 })).toBe(false);
    expect(plainEqual({ a: undefined }, {})).toBe(false);
    expect(plainEqual([], {})).toBe(false);
    expect(plainEqual(new Map([[1, 2]]), new Map([[1, 3]]))).toBe(false);
    expect(plainEqual(Uint8Array.of(1), [1])).toBe(false);
  });

  it('keeps an error an error, without its cause', () => {
    const error = new ClusterError({
      code: 'DISK_FULL',
      fault: 'environment',
      message: 'Full.',
      advice: 'Free some.',
      retry: 'unsafe',
      cause: new Error('ENOSPC'),
    });
    const back = parsePlain(stringifyPlain({ error })) as { error: ClusterError };
    expect(ClusterError.is(back.error)).toBe(true);
    expect(back.error).toMatchObject({
      code: 'DISK_FULL',
      message: 'Full.',
      advice: 'Free some.',
      retry: 'unsafe',
    });
    expect(back.error.cause).toBeUndefined();
    expect(plainEqual(back, { error })).toBe(true);
    expect(plainEqual(error, new ClusterError({ code: 'X', fault: 'bug', message: '', advice: '' }))).toBe(
      false,
    );
  });

  it('tells the keys that changed, came and went', () => {
    const difference = plainDifference(
      { same: [1], changed: 1, gone: 0 },
      { same: [1], changed: 2, came: undefined },
    );
    expect(Object.entries(difference)).toEqual([
      ['changed', 2],
      ['came', undefined],
      ['gone', undefined],
    ]);
  });
});

describe('base64', () => {
  it('is what the platform makes of the same bytes, both ways', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const text = toBase64(bytes);
        expect(text).toBe(Buffer.from(bytes).toString('base64'));
        expect(fromBase64(text)).toEqual(bytes);
      }),
    );
  });

  it.each(['A', 'AAA', 'A===', '=', '====', 'AA=A', 'A\u00e9AA', 'AA\n=', 'A-_A'])('refuses %j', (text) => {
    expect(() => fromBase64(text)).toThrow(
      expect.objectContaining({ code: 'CORE_BASE64_INVALID', fault: 'caller' }),
    );
  });
});
