import { Packr } from 'msgpackr';
import fc from 'fast-check';
import { ClusterError } from '@cluster/core';
import { describe, expect, it } from 'vitest';
import { MessageCodec, messageCodecHash } from '../src/codec.ts';
import { type ClusterMessageInput, type MessageKind, messageKinds, messageSchemas } from '../src/messages.ts';

const codec = new MessageCodec();

const examples: Record<MessageKind, ClusterMessageInput> = {
  Query: {
    kind: 'Query',
    sql: 'SELECT ?, ?, ?, ?, ?, ?',
    params: [null, 1.5, -7n, 'ü', true, Uint8Array.of(0, 255)],
    consistency: 'linearizable',
    session: { clientId: 2 ** 40, sequence: 100 },
    key: 'k',
  },
  QueryResult: {
    kind: 'QueryResult',
    columns: ['a', 'b'],
    rows: [
      [1, 2n ** 60n],
      [null, 'x'],
    ],
    rowsAffected: 3,
    lastInsertRowid: 77n,
    nodeId: 'n1',
    index: 100,
    failure: { code: 'X', fault: 'caller', message: 'm', advice: 'a', retry: 'useless', stateChanged: false },
    load: { queueDepth: 70, inFlight: 100, utilization: 0.5 },
  },
  ReplicationLog: { kind: 'ReplicationLog', term: 3, fromIndex: 64, entries: [Uint8Array.of(1)] },
  HeartBeat: { kind: 'HeartBeat', nodeId: 'n1', term: 1, commitIndex: 2 },
  MetadataSync: { kind: 'MetadataSync', nodeId: 'n1', version: 1, entries: { a: 'b', kind: 'c' } },
  TransactionPrepare: {
    kind: 'TransactionPrepare',
    transactionId: 't',
    coordinator: 'n1',
    statements: [{ sql: 'DELETE FROM t', params: [1] }],
    timeoutMs: 100,
  },
  TransactionCommit: { kind: 'TransactionCommit', transactionId: 't' },
  TransactionAbort: { kind: 'TransactionAbort', transactionId: 't' },
  Custom: { kind: 'Custom', topic: 'greeting', body: Uint8Array.of(1, 2, 3) },
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

describe('the message codec', () => {
  it.each(messageKinds)('brings %s back as it was, defaults filled in', (kind) => {
    const expected = messageSchemas[kind].parse(examples[kind]);
    const decoded = codec.decode(kind, codec.encode(examples[kind]));
    expect(decoded).toEqual(expected);
  });

  it('says a field name only where it is data', () => {
    const bytes = codec.encode({ kind: 'Custom', topic: 't', body: new Uint8Array(0) });
    // structure 8, the kind, the topic, empty bytes
    expect([...bytes]).toEqual([0x48, 0xa6, ...new TextEncoder().encode('Custom'), 0xa1, 0x74, 0xc4, 0]);
  });

  it('keeps no memory of what it decoded from', () => {
    const bytes = codec.encode(examples.Custom);
    const { body } = codec.decode('Custom', bytes);
    bytes.fill(0);
    expect([...body]).toEqual([1, 2, 3]);
  });

  it('has a hash that two builds can compare', () => {
    expect(messageCodecHash).toMatch(/^[0-9a-f]{16}$/);
  });

  it('refuses to send what is no message', () => {
    expect(refusal(() => codec.encode({ kind: 'Query', sql: '' }))).toMatch(
      /^MANAGER_MESSAGE_INVALID: .*sql/,
    );
    expect(refusal(() => codec.encode({ kind: 'Nothing' } as never))).toMatch(/^MANAGER_MESSAGE_INVALID/);
    const small = new MessageCodec({ bytesMax: 10 });
    expect(refusal(() => small.encode(examples.Query))).toMatch(/^MANAGER_MESSAGE_INVALID: .*10 are allowed/);
  });
});

describe('bytes of a hostile peer', () => {
  const plain = new Packr({ useRecords: false });
  const refuse = (bytes: Uint8Array): string => refusal(() => codec.decode('Custom', bytes));

  it.each([
    ['a date', plain.pack({ kind: 'Custom', topic: new Date() })],
    ['a regular expression', Uint8Array.of(0xc7, 4, 0x78, 0x92, 0xa1, 0x78, 0xa0)],
    ['an error', new Packr({ useRecords: false, moreTypes: true }).pack(new Error('x'))],
    ['undefined', plain.pack([undefined])],
    ['ext 8', Uint8Array.of(0xc7, 1, 0x70, 0)],
    ['ext 16', Uint8Array.of(0xc8, 0, 1, 0x70, 0)],
    ['ext 32', Uint8Array.of(0xc9, 0, 0, 0, 1, 0x70, 0)],
    [
      'a structure defined in the stream',
      new Packr({ useRecords: true }).pack({ kind: 'Custom', topic: 't' }),
    ],
  ])('holding %s are refused as an extension', (_name, bytes) => {
    expect(refuse(bytes)).toMatch(/^MANAGER_MESSAGE_REFUSED: .*extension type/);
  });

  it.each([
    ['nothing', [], 'ends early'],
    ['an unknown structure', [0x40 + 40, 0], 'unknown structure'],
    ['the unused type', [0xc1], 'unused type'],
    ['an array of four thousand million', [0xdd, 255, 255, 255, 255], 'more values than it has bytes'],
    ['a map of four thousand million', [0xdf, 255, 255, 255, 255], 'more values than it has bytes'],
    ['a string longer than the bytes', [0xdb, 127, 255, 255, 255, 0x61], 'ends early'],
    ['a length cut short', [0xda, 1], 'ends early'],
    ['depth', [...Array<number>(1000).fill(0x91), 0], 'nested too deeply'],
    ['something after the end', [0xc0, 0xc0], 'follow its end'],
  ])('holding %s are refused', (_name, bytes, problem) => {
    expect(refuse(Uint8Array.from(bytes))).toContain(problem);
  });

  it('of another kind, or with a field too many, are refused by the schema', () => {
    expect(refusal(() => codec.decode('Query', codec.encode(examples.Custom)))).toMatch(
      /^MANAGER_MESSAGE_REFUSED/,
    );
    const extra = plain.pack({ kind: 'Custom', topic: 't', body: new Uint8Array(0), more: 1 });
    expect(refuse(extra)).toMatch(/^MANAGER_MESSAGE_REFUSED/);
    const proto = plain.pack(JSON.parse('{"kind":"Custom","topic":"t","__proto__":{"body":1}}'));
    expect(refuse(proto)).toMatch(/^MANAGER_MESSAGE_REFUSED/);
  });

  it('never do anything but be refused or decode, and leave the codec as it was', () => {
    const valid = messageKinds.map((kind) => ({ kind, bytes: codec.encode(examples[kind]) }));
    const counts = { accepted: 0, refused: 0 };
    const attempt = (kind: MessageKind, bytes: Uint8Array): void => {
      const outcome = refusal(() => codec.decode(kind, bytes));
      if (outcome === 'accepted') counts.accepted++;
      else if (outcome.startsWith('MANAGER_MESSAGE_REFUSED')) counts.refused++;
      else throw new Error(outcome);
    };
    fc.assert(
      fc.property(
        fc.constantFrom(...valid),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
        fc.option(fc.nat(), { nil: undefined }),
        ({ kind, bytes }, edits, cut) => {
          const mutated = cut === undefined ? bytes.slice() : bytes.slice(0, cut % (bytes.length + 1));
          for (const [at, value] of edits) if (mutated.length > 0) mutated[at % mutated.length] = value;
          attempt(kind, mutated);
        },
      ),
      { numRuns: 5000 },
    );
    fc.assert(fc.property(fc.constantFrom(...messageKinds), fc.uint8Array({ maxLength: 64 }), attempt), {
      numRuns: 5000,
    });
    expect(counts.accepted).toBeGreaterThan(100);
    expect(counts.refused).toBeGreaterThan(5000);
    for (const { kind, bytes } of valid) expect(codec.encode(examples[kind])).toEqual(bytes);
  });
});
