import { Packr } from 'msgpackr';
import fc from 'fast-check';
import * as z from 'zod';
import { ClusterError } from '@cluster/core';
import { ObjectCodec } from '@cluster/transport/codec';
import { describe, expect, it } from 'vitest';
import { compileCheck } from '../src/codec/check.ts';

const line = z.strictObject({ sku: z.string(), count: z.int().min(1), note: z.string().optional() });
const order = z.strictObject({
  id: z.int(),
  key: z.string().max(16),
  paid: z.boolean(),
  total: z.bigint(),
  weight: z.number(),
  state: z.enum(['new', 'sent']),
  lines: z.array(line).max(3),
  parent: z.strictObject({ id: z.int() }).nullable(),
  labels: z.record(z.string(), z.string()),
  body: z.instanceof(Uint8Array),
  either: z.union([z.string(), z.number()]),
});
type Order = z.output<typeof order>;
const note = z.strictObject({ text: z.string() });
const codec = new ObjectCodec({ name: 'orders', version: 1, kinds: { Order: order, Note: note } });

const example: Order = {
  id: 7,
  key: 'k',
  paid: true,
  total: 2n ** 60n,
  weight: 0.5,
  state: 'sent',
  lines: [
    { sku: 'a', count: 2 },
    { sku: 'b', count: 1, note: 'n' },
  ],
  parent: { id: 6 },
  labels: { color: 'red', sku: 'x' },
  body: Uint8Array.of(0, 255),
  either: 3,
};

const refusal = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    if (ClusterError.is(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'accepted';
};

describe('an object codec', () => {
  it('brings an object back as it was, by the quick check and by the schema', () => {
    const bytes = codec.encode('Order', example);
    expect(codec.decode('Order', bytes)).toEqual(example);
    expect(codec.parse('Order', bytes)).toEqual(example);
    const bare: Order = { ...example, lines: [], parent: null, labels: {} };
    expect(codec.decode('Order', codec.encode('Order', bare))).toEqual(bare);
  });

  it('writes fields by their place in the schema, whatever order they come in, and no name', () => {
    const bytes = codec.encode('Note', { text: 'hi' });
    // the fourth structure (Order, its line, its parent, Note), a text of two letters
    expect([...bytes]).toEqual([0x43, 0xa2, 0x68, 0x69]);
    const { id, key, ...rest } = example;
    expect(codec.encode('Order', { ...rest, key, id })).toEqual(codec.encode('Order', example));
  });

  it('writes an object without parts as it is when it stands in order, and any other as the same', () => {
    const plain = new ObjectCodec({
      name: 'plain',
      version: 1,
      kinds: { Point: z.strictObject({ a: z.int(), b: z.string(), c: z.instanceof(Uint8Array) }) },
    });
    const c = Uint8Array.of(9);
    class Point {
      a = 1;
      b = 'b';
      c = c;
      toJSON(): string {
        return 'not this';
      }
    }
    const values = [
      { a: 1, b: 'b', c },
      { c, b: 'b', a: 1 },
      { b: 'b', a: 1, c },
      new Point(),
      Object.assign(Object.create({ a: 1 }) as { a: number }, { b: 'b', c }),
      Object.defineProperty({ a: 1, b: 'b', c }, 'toJSON', { value: () => 'not this' }),
    ];
    for (const value of values)
      expect([...plain.encode('Point', value)]).toEqual([0x40, 1, 0xa1, 0x62, 0xc4, 1, 9]);
    const more = { a: 1, b: 'b', c, d: 4 };
    expect(refusal(() => plain.encode('Point', more))).toContain('TRANSPORT_CODEC_INVALID');
  });

  it('lends byte fields as it was lent them, or copies them', () => {
    const copying = new ObjectCodec({ name: 'orders', version: 1, kinds: { Order: order }, copyBytes: true });
    const bytes = codec.encode('Order', example);
    const [lent, copied] = [codec.decode('Order', bytes).body, copying.decode('Order', bytes).body];
    bytes.fill(1);
    expect([[...lent], [...copied]]).toEqual([
      [1, 1],
      [0, 255],
    ]);
  });

  it('gives bytes that later ones do not change', () => {
    const many = Array.from({ length: 500 }, (_, i) => codec.encode('Note', { text: `note ${i}` }));
    expect(many.map((bytes) => codec.decode('Note', bytes).text)).toEqual(many.map((_, i) => `note ${i}`));
  });

  it('has a hash for the handshake that shapes and versions change, and nothing else', () => {
    const make = (version: number, kinds: Record<string, z.ZodObject>): string =>
      new ObjectCodec({ name: 'n', version, kinds }).hash['n'] ?? '';
    const base = make(1, { Note: note });
    expect(base).toMatch(/^[0-9a-f]{16}$/);
    expect(make(1, { Note: z.strictObject({ text: z.string() }) })).toBe(base);
    const others = [
      make(2, { Note: note }),
      make(1, { Memo: note }),
      make(1, { Note: z.strictObject({ words: z.string() }) }),
      make(1, { Note: note, Line: line }),
    ];
    expect(new Set([base, ...others]).size).toBe(5);
  });

  it('has another hash where fields of the same names are of other kinds, and the same where only the bounds of a value differ', () => {
    const hashOf = (a: z.ZodType, second: z.ZodType = z.string()): string =>
      new ObjectCodec({
        name: 'n',
        version: 1,
        kinds: { One: z.strictObject({ a }), Two: z.strictObject({ a: second }) },
      }).hash['n'] ?? '';
    const kinds = [
      z.string(),
      z.number(),
      z.boolean(),
      z.bigint(),
      z.instanceof(Uint8Array),
      z.instanceof(Date),
      z.string().optional(),
      z.string().nullable(),
      z.array(z.string()),
      z.array(z.number()),
      z.array(z.string().nullable()),
      z.array(z.string()).nullable(),
      z.record(z.string(), z.string()),
      z.record(z.string(), z.number()),
      z.record(z.enum(['x']), z.string()),
      z.enum(['x', 'y']),
      z.enum(['x', 'z']),
      z.literal(1),
      z.literal('1'),
      z.literal(1n),
      z.literal(null),
      z.null(),
      z.union([z.string(), z.number()]),
      z.union([z.string(), z.boolean()]),
      z.templateLiteral(['a', z.number()]),
      z.strictObject({ b: z.string() }),
      z.strictObject({ b: z.number() }),
      z.strictObject({ b: z.string().optional() }),
    ];
    expect(new Set(kinds.map((kind) => hashOf(kind))).size).toBe(kinds.length);
    // Which of the kinds has which.
    expect(hashOf(z.string(), z.number())).not.toBe(hashOf(z.number(), z.string()));
    // A value that one side does not take is refused there, and never taken for another.
    const bounded = [z.string().max(5), z.uuid(), z.string().regex(/x/)];
    expect(new Set([z.string(), ...bounded].map((kind) => hashOf(kind))).size).toBe(1);
    expect(hashOf(z.int().min(1))).toBe(hashOf(z.number()));
    expect(hashOf(z.array(z.string()).max(3))).toBe(hashOf(z.array(z.string())));
  });

  it('refuses to send what does not fit, and says why', () => {
    expect(refusal(() => codec.encode('Order', { ...example, key: 'x'.repeat(17) }))).toMatch(
      /^TRANSPORT_CODEC_INVALID: This is no Order: key: /,
    );
    expect(refusal(() => codec.encode('Nothing' as 'Note', { text: '' }))).toMatch(/no such kind/);
    const small = new ObjectCodec({ name: 'small', version: 1, kinds: { Note: note }, bytesMax: 8 });
    expect(refusal(() => small.encode('Note', { text: 'x'.repeat(9) }))).toMatch(/8 are allowed/);
    expect(refusal(() => small.decode('Note', new Uint8Array(9)))).toMatch(/^TRANSPORT_CODEC_REFUSED/);
  });

  it.each<[string, z.ZodObject]>([
    ['takes unknown fields', z.object({ a: z.string() })],
    ['changes what comes', z.strictObject({ a: z.string().default('x') })],
    ['transforms', z.strictObject({ a: z.string().transform((text) => text.length) })],
    ['holds anything', z.strictObject({ a: z.unknown() })],
    ['chooses between objects', z.strictObject({ a: z.union([note, line]) })],
    ['has a field that is optional and nullable', z.strictObject({ a: z.string().nullish() })],
    ['has no fields', z.strictObject({})],
    ['is refined as a whole', z.strictObject({ a: z.int() }).refine(({ a }) => a > 0)],
  ])('takes no schema that %s', (_what, schema) => {
    const make = (): unknown => new ObjectCodec({ name: 'n', version: 1, kinds: { Kind: schema } });
    expect(refusal(make)).toMatch(/^TRANSPORT_CODEC_SCHEMA/);
  });
});

describe('the quick check', () => {
  const check = compileCheck(order, 'order');
  const odd = fc.oneof(
    fc.constantFrom(
      null,
      undefined,
      '',
      'new',
      'sent',
      0,
      -1,
      1.5,
      NaN,
      Infinity,
      2 ** 53,
      5n,
      true,
      'x'.repeat(17),
    ),
    fc.constantFrom(
      [],
      {},
      new Uint8Array(1),
      [{ sku: 'a', count: 0 }],
      [{ sku: 'a', count: 1, more: 1 }],
      { id: 1 },
      { a: 1 },
    ),
    fc.array(fc.constantFrom<unknown>({ sku: 'a', count: 1 }, { sku: 'a', count: 1, note: 5 }, null), {
      maxLength: 4,
    }),
  );
  const fields = Object.keys(order.shape);

  it('says yes exactly where the schema does', () => {
    const seen = { yes: 0, no: 0 };
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(...fields, 'stranger'), odd), { maxLength: 2 }),
        (changes) => {
          const value: unknown = { ...example, ...Object.fromEntries(changes) };
          const expected = order.safeParse(value).success;
          seen[expected ? 'yes' : 'no']++;
          return check(value) === expected;
        },
      ),
      { numRuns: 4000 },
    );
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withNullPrototype: true }), (value) => {
        return check(value) === order.safeParse(value).success;
      }),
      { numRuns: 1000 },
    );
    for (const name of fields) {
      const rest = Object.fromEntries(Object.entries(example).filter(([field]) => field !== name));
      expect(check(rest)).toBe(order.safeParse(rest).success);
    }
    expect(seen.yes).toBeGreaterThan(300);
    expect(seen.no).toBeGreaterThan(1000);
  });
});

describe('bytes of a hostile peer', () => {
  const plainPackr = new Packr({ useRecords: false });
  const refuse = (bytes: Uint8Array): string => refusal(() => codec.decode('Note', bytes));

  it.each([
    ['a date', plainPackr.pack({ text: new Date() })],
    ['a regular expression', Uint8Array.of(0xc7, 4, 0x78, 0x92, 0xa1, 0x78, 0xa0)],
    ['an error', new Packr({ useRecords: false, moreTypes: true }).pack(new Error('x'))],
    ['ext 8', Uint8Array.of(0xc7, 1, 0x70, 0)],
    ['ext 16', Uint8Array.of(0xc8, 0, 1, 0x70, 0)],
    ['ext 32', Uint8Array.of(0xc9, 0, 0, 0, 1, 0x70, 0)],
    ['a record definition', new Packr({ useRecords: true }).pack({ text: 't' })],
  ])('holding %s are refused as an extension', (_what, bytes) => {
    expect(refuse(bytes)).toMatch(/^TRANSPORT_CODEC_REFUSED: .*extension type/);
  });

  it.each([
    ['nothing', []],
    ['a structure that nobody has', [0x40 + 20, 0]],
    ['four thousand million values', [0xdd, 255, 255, 255, 255]],
    ['a string longer than the bytes', [0xdb, 127, 255, 255, 255, 0x61]],
    ['something after the end', [0x43, 0xa0, 0xc0]],
    ['another kind', [...codec.encode('Order', example)]],
    ['a number where a text should be', [0x43, 5]],
    ['a map with a field too many', [...plainPackr.pack({ text: 't', more: 1 })]],
    ['a prototype', [...plainPackr.pack(JSON.parse('{"__proto__":{"text":"t"}}'))]],
  ])('holding %s are refused', (_what, bytes) => {
    expect(refuse(Uint8Array.from(bytes))).toMatch(/^TRANSPORT_CODEC_REFUSED/);
  });

  it('never do anything but be refused or decode, and leave the codec as it was', () => {
    const valid = codec.encode('Order', example);
    const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 });
    fc.assert(
      fc.property(edits, (changes) => {
        const bytes = valid.slice();
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        return /^(accepted|TRANSPORT_CODEC_REFUSED)/.test(refusal(() => codec.decode('Order', bytes)));
      }),
      { numRuns: 3000 },
    );
    expect(codec.encode('Order', example)).toEqual(valid);
    expect(codec.decode('Order', valid)).toEqual(example);
  });
});
