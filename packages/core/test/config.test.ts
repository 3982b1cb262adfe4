import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { assert, ClusterError, describeConfig, describeError, parseConfig, unreachable } from '@cluster/core';

const schema = z.strictObject({
  periodMs: z
    .int()
    .min(10)
    .max(60_000)
    .default(1000)
    .meta({ unit: 'ms', advice: 'Shorter finds failures sooner.' })
    .describe('Probe period.'),
  share: z.number().gt(0).lt(1).default(0.5),
  mode: z.enum(['plain', 'sealed']).default('plain'),
  keys: z.array(z.string()).default([]),
  bind: z
    .strictObject({ host: z.string().default('127.0.0.1'), port: z.int().nonnegative().default(0) })
    .prefault({}),
  limit: z.union([z.number(), z.null()]).default(null),
  name: z.string(),
});

describe('a configuration', () => {
  it('is completed with its defaults', () => {
    expect(parseConfig(schema, { name: 'n1' }, 'X_CONFIG_INVALID')).toEqual({
      periodMs: 1000,
      share: 0.5,
      mode: 'plain',
      keys: [],
      bind: { host: '127.0.0.1', port: 0 },
      limit: null,
      name: 'n1',
    });
  });

  it('that is wrong becomes one line that names every key', () => {
    const parse = (): unknown =>
      parseConfig(schema, { periodMs: 1, bind: { prot: 1 }, name: 5 }, 'X_CONFIG_INVALID');
    expect(parse).toThrow(expect.objectContaining({ code: 'X_CONFIG_INVALID', fault: 'caller' }));
    let line = '';
    try {
      parse();
    } catch (error) {
      line = describeError(error);
    }
    for (const key of ['X_CONFIG_INVALID', 'periodMs: ', 'bind: ', '"prot"', 'name: '])
      expect(line).toContain(key);
    expect(line).not.toContain('\n');
    expect(() => parseConfig(schema, 7, 'X_CONFIG_INVALID')).toThrow('expected object');
  });

  it('describes itself for the reference page', () => {
    const rows = new Map(describeConfig(schema).map((row) => [row.key, row]));
    expect([...rows.keys()]).toEqual([
      'periodMs',
      'share',
      'mode',
      'keys',
      'bind.host',
      'bind.port',
      'limit',
      'name',
    ]);
    expect(rows.get('periodMs')).toEqual({
      key: 'periodMs',
      type: 'integer',
      default: 1000,
      unit: 'ms',
      range: '10 … 60000',
      description: 'Probe period.',
      advice: 'Shorter finds failures sooner.',
    });
    expect(rows.get('share')?.range).toBe('>0 … <1');
    expect(rows.get('bind.port')?.range).toBe('0 …');
    expect(rows.get('mode')?.type).toBe('"plain" | "sealed"');
    expect(rows.get('keys')?.type).toBe('string[]');
    expect(rows.get('limit')?.type).toBe('number | null');
    expect(rows.get('name')).toMatchObject({ default: undefined, range: '' });
  });
});

describe('an error', () => {
  const options = { code: 'A_B', message: 'It broke.', advice: 'Mend it.' } as const;

  it('is one line with its code and what to do', () => {
    const error = new ClusterError({ ...options, fault: 'peer' });
    expect(describeError(error)).toBe('A_B: It broke. Mend it.');
    expect(describeError(new Error('plain'))).toBe('plain');
    expect(describeError('text')).toBe('text');
    expect(describeError(Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }))).toBe(
      'ECONNREFUSED',
    );
    expect(describeError(new TypeError())).toBe('TypeError');
  });

  it('says whether a retry makes sense, by whose fault it is unless told', () => {
    const retry = (fault: 'peer' | 'caller' | 'environment' | 'bug'): string =>
      new ClusterError({ ...options, fault }).retry;
    expect([retry('peer'), retry('environment'), retry('caller'), retry('bug')]).toEqual([
      'safe',
      'safe',
      'useless',
      'useless',
    ]);
    expect(new ClusterError({ ...options, fault: 'peer', retry: 'unsafe' }).retry).toBe('unsafe');
    expect(new ClusterError({ ...options, fault: 'peer' }).stateChanged).toBe(false);
  });

  it('is recognised from another copy of the package, and nothing else is', () => {
    const foreign = { [Symbol.for('@cluster/core/ClusterError')]: true };
    expect([
      ClusterError.is(foreign),
      ClusterError.is(new Error('x')),
      ClusterError.is(null),
      ClusterError.is('x'),
    ]).toEqual([true, false, false, false]);
  });

  it('marks a broken invariant and an unhandled case as bugs', () => {
    expect(() => assert(false, 'one leader a term')).toThrow(
      expect.objectContaining({
        code: 'CORE_ASSERTION_FAILED',
        fault: 'bug',
        message: 'Invariant broken: one leader a term.',
      }),
    );
    expect(() => unreachable({ type: 'NEW' } as never)).toThrow('Unhandled case NEW.');
    expect(() => unreachable(1n as never)).toThrow(expect.objectContaining({ code: 'CORE_UNREACHABLE' }));
  });
});
