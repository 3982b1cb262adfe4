import { describe, expect, it } from 'vitest';
import { Prng } from '@cluster/core';
import {
  encodeFrame,
  FrameParser,
  frameTypes,
  type FrameType,
  headerBytes,
  writeHeader,
} from '@cluster/transport';
import {
  decodeHello,
  decodeRefusal,
  decodeRemoteError,
  encodeHello,
  encodeRefusal,
} from '../src/wire/messages.ts';

interface Frame {
  readonly type: FrameType;
  readonly flags: number;
  readonly typeId: number;
  readonly stream: number;
  readonly sequence: number;
  readonly payload: number[];
}

function collector(max = 1 << 20, goOn = true): { frames: Frame[]; parser: FrameParser } {
  const frames: Frame[] = [];
  const parser = new FrameParser(max, {
    onFrame: (type, flags, typeId, stream, sequence, payload) => {
      frames.push({ type, flags, typeId, stream, sequence, payload: [...payload] });
      return goOn;
    },
  });
  return { frames, parser };
}

function frame(type: FrameType, payload: number[], fields: Partial<Frame> = {}): Uint8Array {
  const bytes = new Uint8Array(headerBytes + payload.length);
  const { flags = 0, typeId = 0, stream = 0, sequence = 0 } = fields;
  writeHeader(bytes, 0, payload.length, type, flags, typeId, stream, sequence);
  bytes.set(payload, headerBytes);
  return bytes;
}

const join = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));

const sample = join(
  frame(frameTypes.message, [1, 2, 3], {
    flags: 3,
    typeId: 0xfffe,
    stream: 0xffff_ffff,
    sequence: 0x8000_0001,
  }),
  frame(frameTypes.ping, [], { stream: 7 }),
  frame(
    frameTypes.request,
    Array.from({ length: 300 }, (_, i) => i & 255),
    { typeId: 64, stream: 1, sequence: 2 },
  ),
  encodeFrame(frameTypes.ack, undefined, 0, 2),
);

describe('the frame parser', () => {
  const whole = collector();
  whole.parser.push(sample);

  it('reads what was written', () => {
    expect(whole.frames).toHaveLength(4);
    expect(whole.frames[0]).toEqual({
      type: frameTypes.message,
      flags: 3,
      typeId: 0xfffe,
      stream: 0xffff_ffff,
      sequence: 0x8000_0001,
      payload: [1, 2, 3],
    });
    expect(whole.frames[3]).toMatchObject({ type: frameTypes.ack, sequence: 2 });
  });

  it('reads the same from one byte at a time, and from any other pieces', () => {
    const bytewise = collector();
    for (const byte of sample) expect(bytewise.parser.push(Uint8Array.of(byte))).toBeNull();
    expect(bytewise.frames).toEqual(whole.frames);
    const prng = Prng.fromSeed(1);
    for (let round = 0; round < 500; round++) {
      const pieces = collector();
      for (let at = 0; at < sample.length;) {
        const length = 1 + prng.below(40);
        expect(pieces.parser.push(sample.subarray(at, at + length))).toBeNull();
        at += length;
      }
      expect(pieces.frames).toEqual(whole.frames);
      expect(pieces.parser.pendingBytes).toBe(0);
    }
  });

  it('does not copy a payload that lies in one chunk', () => {
    let seen: Uint8Array | null = null;
    const parser = new FrameParser(1024, {
      onFrame: (...fields) => {
        seen = fields[5];
        return true;
      },
    });
    const bytes = frame(frameTypes.message, [9]);
    parser.push(bytes);
    expect(seen).toMatchObject({ buffer: bytes.buffer });
  });

  it('gathers a frame that spans chunks where its sink wants it', () => {
    const place = new Uint8Array(3);
    const seen: unknown[] = [];
    const parser = new FrameParser(1024, {
      onFrame: (...fields) => {
        seen.push(fields[5]);
        return true;
      },
      place: (type, flags, typeId, stream, sequence, length) => {
        seen.push([type, flags, typeId, stream, sequence, length]);
        return typeId === 7 ? place : null;
      },
    });
    const bytes = new Uint8Array(2 * (headerBytes + 3));
    for (const [i, typeId] of [7, 8].entries()) {
      const at = i * (headerBytes + 3);
      writeHeader(bytes, at, 3, frameTypes.chunk, 2, typeId, 300_000, 5);
      bytes.set([1, 2, 3], at + headerBytes);
    }
    for (const byte of bytes) parser.push(Uint8Array.of(byte));
    expect(seen).toEqual([
      [frameTypes.chunk, 2, 7, 300_000, 5, 3],
      place,
      [frameTypes.chunk, 2, 8, 300_000, 5, 3],
      Uint8Array.of(1, 2, 3),
    ]);
    expect(seen[1]).toBe(place);
    expect([...place]).toEqual([1, 2, 3]);
    // One that is there whole need not be gathered.
    parser.push(bytes.subarray(0, headerBytes + 3));
    expect(seen).toHaveLength(5);
  });

  it('refuses a length over the limit from the header alone, before anything is allocated', () => {
    for (const length of [1025, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) {
      const { parser, frames } = collector(1024);
      const header = new Uint8Array(headerBytes);
      writeHeader(header, 0, length, frameTypes.message, 0, 0, 0, 1);
      expect(parser.push(header)).toBe('oversized');
      expect(parser.pendingBytes).toBe(0);
      expect(parser.push(sample)).toBeNull();
      expect(frames).toEqual([]);
    }
  });

  it('takes a payload of exactly the limit', () => {
    const { parser, frames } = collector(1024);
    expect(
      parser.push(
        frame(
          frameTypes.message,
          Array.from({ length: 1024 }, () => 1),
        ),
      ),
    ).toBeNull();
    expect(frames[0]?.payload).toHaveLength(1024);
  });

  it('refuses unknown types and flags', () => {
    for (const type of [0, 10, 15, 28, 255]) {
      expect(collector().parser.push(frame(type as FrameType, []))).toBe('type');
    }
    for (const flags of [64, 128])
      expect(collector().parser.push(frame(frameTypes.ping, [], { flags }))).toBe('flags');
  });

  it('stops where its owner has had enough', () => {
    const { parser, frames } = collector(1024, false);
    parser.push(sample);
    parser.push(sample);
    expect(frames).toHaveLength(1);
  });

  it('survives 20,000 mutated streams without an exception or growth', () => {
    const prng = Prng.fromSeed(20_000);
    const outcomes = new Map<string, number>();
    let heldMax = 0;
    for (let round = 0; round < 20_000; round++) {
      const bytes = sample.slice();
      for (let i = prng.between(1, 6); i > 0; i--) {
        // Mostly headers: there is little to get wrong in a payload.
        const at = prng.chance(0.8) ? prng.below(headerBytes * 2 + 3) : prng.below(bytes.length);
        bytes[at] = prng.below(256);
      }
      const { parser, frames } = collector(65_536);
      let fault: string | null = null;
      for (let at = 0; at < bytes.length && fault === null;) {
        const length = 1 + prng.below(200);
        fault = parser.push(bytes.subarray(at, at + length));
        at += length;
      }
      heldMax = Math.max(heldMax, parser.pendingBytes);
      if (frames.length > bytes.length / headerBytes) throw new Error('more frames than bytes');
      outcomes.set(fault ?? 'read', (outcomes.get(fault ?? 'read') ?? 0) + 1);
    }
    expect(heldMax).toBeLessThanOrEqual(65_536 + headerBytes);
    expect([...outcomes.keys()].toSorted()).toEqual(['flags', 'oversized', 'read', 'type']);
  });
});

const hello = {
  versionMin: 1,
  versionMax: 1,
  clusterName: 'prod',
  nodeId: 'a',
  expectedId: 'b',
  bootId: 'boot-1',
  capabilities: ['chunks'],
  line: 'control' as const,
  limits: {
    messageBytesMax: 1 << 24,
    streamWindowBytes: 1 << 24,
    sessionWindowBytes: 1 << 25,
    streamsMax: 9,
    streamBufferBytes: 4096,
    streamsBufferBytes: 8192,
  },
  codecHashes: { raft: 'sha256:abc/+=' },
  sessionId: null,
  proposedId: 'p-1',
  received: 0xffff_ffff,
};

describe('the payloads of the handshake', () => {
  it('read what was written', () => {
    expect(decodeHello(encodeHello(hello))).toEqual(hello);
    expect(decodeRefusal(encodeRefusal({ code: 'A_B', reason: 'no' }))).toEqual({
      code: 'A_B',
      reason: 'no',
    });
  });

  it('take a later version that says more', () => {
    const bytes = encodeHello({ ...hello, versionMax: 2, fairness: 'drr' } as typeof hello);
    expect(decodeHello(bytes)).toEqual({ ...hello, versionMax: 2 });
  });

  it('refuse another protocol, and what is out of bounds', () => {
    expect(decodeHello(new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n'))).toBeNull();
    expect(decodeHello(new Uint8Array(0))).toBeNull();
    const wrong: object[] = [
      { nodeId: 'a b' },
      { nodeId: '' },
      { clusterName: 'x'.repeat(129) },
      { received: -1 },
      { received: 1.5 },
      { received: 2 ** 32 },
      { limits: { ...hello.limits, messageBytesMax: 0 } },
      { codecHashes: { raft: 'with space' } },
      { codecHashes: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`c${i}`, 'h'])) },
      { capabilities: Array.from({ length: 65 }, () => 'c') },
      { sessionId: 7 },
    ];
    for (const change of wrong) expect(decodeHello(encodeHello({ ...hello, ...change }))).toBeNull();
  });

  it("keep a peer's control characters out of logs and terminals", () => {
    const refusal = decodeRefusal(encodeRefusal({ code: 'X', reason: 'a\u001b[31mb\nc' }));
    expect(refusal?.reason).toBe('a [31mb c');
    expect(decodeRefusal(encodeRefusal({ code: 'lower case', reason: '' }))).toBeNull();
    expect(decodeRemoteError(Uint8Array.of(0xff, 0xfe))).toMatchObject({ code: 'UNKNOWN' });
  });

  it('never throw, whatever the bytes', () => {
    const prng = Prng.fromSeed(7);
    const good = encodeHello(hello);
    let rejected = 0;
    for (let round = 0; round < 5000; round++) {
      const bytes = good.slice(0, 1 + prng.below(good.length));
      for (let i = prng.below(4); i >= 0; i--) bytes[prng.below(bytes.length)] = prng.below(256);
      if (decodeHello(bytes) === null) rejected++;
      decodeRefusal(bytes.subarray(4));
      decodeRemoteError(bytes.subarray(4));
    }
    expect(rejected).toBeGreaterThan(4000);
  });
});
