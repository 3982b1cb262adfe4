import { describe, expect, it } from 'vitest';
import type { Message, PushPull } from '../src/core/messages.ts';
import type { PacketCipher } from '../src/ports.ts';
import {
  decodeMessage,
  decodePacket,
  decodeTags,
  encodeMessage,
  encodePacket,
  encodePushPull,
  encodeStreamError,
  encodeTags,
  sealStream,
  StreamDecoder,
  type StreamOptions,
} from '../src/wire.ts';
import { crc32 } from '../src/wire/crc32.ts';
import { inflateLzw } from '../src/wire/lzw.ts';
import { alive, dead, noBytes, peer, suspect, vsn } from './core-rig.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const unhex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));
const ascii = (text: string): string => Buffer.from(text).toString('hex');
const plain: StreamOptions = {
  label: noBytes,
  cipher: undefined,
  inflateBytesMax: 1 << 20,
  streamBytesMax: 1 << 20,
  userBytesMax: 1 << 16,
};
// Sealing that shows its associated data: enough for layering, the real one is tested on its own.
const sealing: PacketCipher = {
  overheadBytes: 4,
  seal: (bytes, aad) => {
    const sealed = new Uint8Array(bytes.length + 4);
    sealed.set(bytes.map((byte) => byte ^ 0x55));
    new DataView(sealed.buffer).setUint32(bytes.length, crc32(new Uint8Array([...bytes, ...aad])));
    return sealed;
  },
  open: (sealed, aad) => {
    if (sealed.length < 4) return null;
    const bytes = sealed.slice(0, -4).map((byte) => byte ^ 0x55);
    const tag = new DataView(sealed.buffer, sealed.byteOffset).getUint32(bytes.length);
    return tag === crc32(new Uint8Array([...bytes, ...aad])) ? bytes : null;
  },
};

// Bytes written by hand from the protocol: type, map of Go field names in order, old-specification raw.
const golden: readonly (readonly [string, Message, string])[] = [
  [
    'ping',
    {
      type: 'ping',
      seqNo: 1,
      node: 'ts3',
      source: { address: { host: '127.0.0.10', port: 7946 }, node: 'ts1' },
    },
    `00 85 a4${ascii('Node')} a3${ascii('ts3')} a5${ascii('SeqNo')} 01 aa${ascii('SourceAddr')} a4 7f00000a
     aa${ascii('SourceNode')} a3${ascii('ts1')} aa${ascii('SourcePort')} cd1f0a`,
  ],
  [
    'ping without a source',
    { type: 'ping', seqNo: 200, node: '', source: null },
    `00 82 a4${ascii('Node')} a0 a5${ascii('SeqNo')} ccc8`,
  ],
  [
    'indirect ping',
    {
      type: 'indirectPing',
      seqNo: 70_000,
      target: { host: '10.0.0.2', port: 1 },
      node: 'b',
      nack: true,
      source: null,
    },
    `01 85 a4${ascii('Nack')} c3 a4${ascii('Node')} a1${ascii('b')} a4${ascii('Port')} 01 a5${ascii('SeqNo')} ce00011170
     a6${ascii('Target')} a4 0a000002`,
  ],
  [
    'ack',
    { type: 'ack', seqNo: 5, payload: noBytes },
    `02 82 a7${ascii('Payload')} a0 a5${ascii('SeqNo')} 05`,
  ],
  ['nack', { type: 'nack', seqNo: 5 }, `0b 81 a5${ascii('SeqNo')} 05`],
  [
    'suspect',
    { type: 'suspect', incarnation: 3, node: 'x', from: 'y' },
    `03 83 a4${ascii('From')} a1${ascii('y')} ab${ascii('Incarnation')} 03 a4${ascii('Node')} a1${ascii('x')}`,
  ],
  [
    'alive',
    {
      type: 'alive',
      incarnation: 1,
      node: 'n1',
      address: { host: '127.0.0.1', port: 7946 },
      meta: Uint8Array.of(0xff, 0x80),
      vsn,
    },
    `04 86 a4${ascii('Addr')} a4 7f000001 ab${ascii('Incarnation')} 01 a4${ascii('Meta')} a2 ff80 a4${ascii('Node')} a2${ascii('n1')}
     a4${ascii('Port')} cd1f0a a3${ascii('Vsn')} a6 010502020505`,
  ],
  [
    'dead',
    { type: 'dead', incarnation: 3, node: 'x', from: 'x' },
    `05 83 a4${ascii('From')} a1${ascii('x')} ab${ascii('Incarnation')} 03 a4${ascii('Node')} a1${ascii('x')}`,
  ],
  ['user', { type: 'user', payload: Uint8Array.of(3, 9) }, '08 0309'],
];

describe('messages on the wire', () => {
  it.each(golden)('%s stands byte by byte as memberlist has it', (_name, message, bytes) => {
    expect(hex(encodeMessage(message))).toBe(hex(unhex(bytes)));
    expect(decodeMessage(unhex(bytes))).toEqual(message);
  });

  it('bytes and long text in the newer msgpack types are read too', () => {
    const bytes = `04 86 a4${ascii('Addr')} c404 7f000001 ab${ascii('Incarnation')} cf0000000000000001 a4${ascii('Meta')} c0
      a4${ascii('Node')} d902${ascii('n1')} a4${ascii('Port')} d11f0a a3${ascii('Vsn')} c406010502020505`;
    expect(decodeMessage(unhex(bytes))).toEqual(
      alive('n1', 1, { address: { host: '127.0.0.1', port: 7946 } }),
    );
  });

  it('an IPv6 address keeps its form on the round trip', () => {
    for (const host of [
      '::1',
      '2001:db8::8:800:200c:417a',
      '::ffff:10.1.2.3',
      'fe80::1:0:0:1',
      '1:2:3:4:5:6:7:8',
      '::',
    ]) {
      const message = alive('n', 1, { address: { host, port: 1 } });
      expect(decodeMessage(encodeMessage(message))).toEqual(message);
    }
  });

  it("others' meta and versions come through byte by byte, unread", () => {
    const meta = Uint8Array.from({ length: 512 }, (_, i) => (i * 7) & 0xff);
    const odd = Uint8Array.of(1, 9, 3, 0, 200, 17);
    const message = alive('n', 7, { meta, vsn: odd });
    expect(decodeMessage(encodeMessage(message))).toEqual(message);
  });
});

const rejection = (bytes: Uint8Array, options = plain): string[] => [
  ...decodePacket(bytes, options).rejected,
];

describe('a message that cannot be', () => {
  const ping = (fields: string): Uint8Array => unhex(`00 ${fields}`);
  it.each([
    ['an unknown type', unhex('c8 80'), 'type'],
    ['no byte at all', noBytes, 'truncated'],
    ['a missing number', ping(`81 a4${ascii('Node')} a0`), 'field'],
    ['a negative number', ping(`82 a4${ascii('Node')} a0 a5${ascii('SeqNo')} ff`), 'field'],
    [
      'a number beyond 32 bits',
      ping(`82 a4${ascii('Node')} a0 a5${ascii('SeqNo')} cf0000000100000000`),
      'field',
    ],
    ['a fraction', ping(`82 a4${ascii('Node')} a0 a5${ascii('SeqNo')} ca3fc00000`), 'field'],
    ['an extension', ping(`81 a5${ascii('SeqNo')} d40100`), 'field'],
    ['a length beyond the packet', ping(`81 db7fffffff`), 'too_large'],
    ['a map count beyond the packet', ping(`df7fffffff`), 'truncated'],
    ['an array count beyond the packet', ping(`81 a1${ascii('x')} ddffffffff`), 'truncated'],
    ['endless nesting', ping(`81 a1${ascii('x')} ${'91'.repeat(40)}00`), 'nesting'],
    [
      'a name that is no UTF-8',
      unhex(`03 83 a4${ascii('From')} a1${ascii('y')} ab${ascii('Incarnation')} 03 a4${ascii('Node')} a1ff`),
      'field',
    ],
    ['an empty name', encodeMessage(suspect('')), 'field'],
    ['a name too long', encodeMessage(suspect('n'.repeat(129))), 'too_large'],
    ['a name with a control character', encodeMessage(suspect('a\nb')), 'field'],
    ['port 0', encodeMessage(alive('n', 1, { address: { host: '10.0.0.1', port: 0 } })), 'address'],
    ['meta too long', encodeMessage(alive('n', 1, { meta: new Uint8Array(513) })), 'too_large'],
    ['versions of the wrong length', encodeMessage(alive('n', 1, { vsn: Uint8Array.of(1, 5) })), 'versions'],
    [
      'versions upside down',
      encodeMessage(alive('n', 1, { vsn: Uint8Array.of(5, 1, 2, 2, 5, 5) })),
      'versions',
    ],
  ])('is rejected for %s', (_name, bytes, reason) => {
    expect(decodePacket(bytes, plain)).toEqual({ messages: [], rejected: [reason] });
  });

  it('is rejected for an address of five bytes', () => {
    const bytes =
      unhex(`04 86 a4${ascii('Addr')} a5 7f00000101 ab${ascii('Incarnation')} 01 a4${ascii('Meta')} a0 a4${ascii('Node')} a1${ascii('n')}
      a4${ascii('Port')} 01 a3${ascii('Vsn')} a0`);
    expect(rejection(bytes)).toEqual(['address']);
  });
});

describe('packets', () => {
  const messages = [suspect('a'), dead('b')];
  const parts = messages.map(encodeMessage);

  it('of one message are the message; of several, a compound with a length for each', () => {
    expect(encodePacket([parts[0] as Uint8Array], false, plain)).toEqual(parts[0]);
    const [a, b] = parts as [Uint8Array, Uint8Array];
    const expected = `07 02 00${a.length.toString(16)} 00${b.length.toString(16)} ${hex(a)} ${hex(b)}`;
    expect(hex(encodePacket(parts, false, plain))).toBe(hex(unhex(expected)));
    expect(decodePacket(unhex(expected), plain)).toEqual({ messages, rejected: [] });
  });

  it('with a checksum are dropped when a bit has flipped', () => {
    const packet = encodePacket(parts, true, plain);
    expect(hex(packet.subarray(0, 5))).toBe(`0c${crc32(packet.subarray(5)).toString(16).padStart(8, '0')}`);
    expect(decodePacket(packet, plain)).toEqual({ messages, rejected: [] });
    packet[9] = (packet[9] as number) ^ 1;
    expect(decodePacket(packet, plain)).toEqual({ messages: [], rejected: ['checksum'] });
  });

  it('have the check value of CRC-32', () => {
    expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
  });

  it('of another label are dropped, and so are those without the label, and with one where there is none', () => {
    const labelled = { ...plain, label: new TextEncoder().encode('east') };
    const packet = encodePacket(parts, false, labelled);
    expect(hex(packet.subarray(0, 6))).toBe(`f404${ascii('east')}`);
    expect(decodePacket(packet, labelled).messages).toEqual(messages);
    expect(rejection(packet, { ...plain, label: new TextEncoder().encode('west') })).toEqual(['label']);
    expect(rejection(packet)).toEqual(['label']);
    expect(rejection(encodePacket(parts, false, plain), labelled)).toEqual(['label']);
  });

  it('are sealed with the label bound to them', () => {
    const sealed = { ...plain, cipher: sealing, label: new TextEncoder().encode('east') };
    const packet = encodePacket(parts, true, sealed);
    expect(decodePacket(packet, sealed).messages).toEqual(messages);
    expect(rejection(encodePacket(parts, false, plain), { ...plain, cipher: sealing })).toEqual(['key']);
    const moved = packet.slice();
    moved.set(new TextEncoder().encode('west'), 2);
    expect(rejection(moved, { ...sealed, label: new TextEncoder().encode('west') })).toEqual(['key']);
  });

  it('with a damaged part keep the others, and say so', () => {
    const [a] = parts as [Uint8Array];
    const packet = encodePacket([a, unhex('c880'), a], false, plain);
    expect(decodePacket(packet, plain)).toEqual({ messages: [messages[0], messages[0]], rejected: ['type'] });
  });

  it('cut short keep the whole parts, and say so', () => {
    const packet = encodePacket(parts, false, plain);
    expect(decodePacket(packet.subarray(0, -1), plain)).toEqual({
      messages: [messages[0]],
      rejected: ['truncated'],
    });
    expect(rejection(packet.subarray(0, 4))).toEqual(['truncated']);
  });

  it('with layers in each other are refused', () => {
    const compound = encodePacket(parts, false, plain);
    expect(rejection(encodePacket([compound, compound], false, plain))).toEqual(['nesting', 'nesting']);
    const checked = encodePacket(parts, true, plain);
    expect(rejection(encodePacket([checked], true, plain))).toEqual(['nesting']);
  });
});

// From Go's compress/lzw, LSB, 8 bits: clear, T O B E O R N O T <TO> <BE> <OR> <TOT>…
const lzwOf = (codes: readonly number[]): Uint8Array => {
  const bits: number[] = [];
  let [width, high] = [9, 257];
  for (const code of codes) {
    for (let i = 0; i < width; i++) bits.push((code >> i) & 1);
    if (code === 256) [width, high] = [9, 257];
    else if (++high >= 1 << width && width < 12) width++;
  }
  const bytes = new Uint8Array(Math.ceil(bits.length / 8));
  for (const [i, bit] of bits.entries()) bytes[i >> 3] = (bytes[i >> 3] as number) | (bit << (i & 7));
  return bytes;
};
const codesOf = (text: string): number[] => [...Buffer.from(text)];

describe('compressed content', () => {
  it('unfolds', () => {
    const packed = lzwOf([256, ...codesOf('TOBEORNOT'), 258, 260, 262, 267, 261, 263, 265, 257]);
    expect(Buffer.from(inflateLzw(packed, 1000)).toString()).toBe('TOBEORNOTTOBEORTOBEORNOT');
  });

  it('unfolds a word that begins with the word being defined', () => {
    expect(Buffer.from(inflateLzw(lzwOf([256, 97, 258, 259, 260, 257]), 1000)).toString()).toBe(
      'a'.repeat(10),
    );
  });

  it('unfolds beyond a full table', () => {
    const codes = [256];
    for (let i = 0; i < 4500; i++) codes.push(i & 0xff);
    codes.push(257);
    expect(inflateLzw(lzwOf(codes), 10_000)).toEqual(Uint8Array.from({ length: 4500 }, (_, i) => i & 0xff));
  });

  it('is refused above its limit, for a code that cannot be, and without its end', () => {
    const bomb = [256, 0];
    for (let code = 258; code < 1500; code++) bomb.push(code);
    expect(() => inflateLzw(lzwOf([...bomb, 257]), 100_000)).toThrow('too_large');
    expect(() => inflateLzw(lzwOf([256, 97, 300, 257]), 100)).toThrow('compression');
    expect(() => inflateLzw(lzwOf([256, 97]), 100)).toThrow('compression');
  });

  const compressed = (body: Uint8Array, algorithm = '00'): Uint8Array => {
    const packed = lzwOf([256, ...body, 257]);
    const length = packed.length.toString(16).padStart(4, '0');
    return unhex(`09 82 a4${ascii('Algo')} ${algorithm} a3${ascii('Buf')} da${length} ${hex(packed)}`);
  };

  it('in a packet is read, bounded, and refused when the algorithm is unknown or it is nested', () => {
    const body = encodeMessage(suspect('a'));
    expect(decodePacket(compressed(body), plain)).toEqual({ messages: [suspect('a')], rejected: [] });
    expect(rejection(compressed(body), { ...plain, inflateBytesMax: 10 })).toEqual(['too_large']);
    expect(rejection(compressed(body, '01'))).toEqual(['compression']);
    expect(rejection(compressed(compressed(body)))).toEqual(['nesting']);
  });

  it('in a stream is read, however it arrives', () => {
    const half: PushPull = { join: false, members: [peer('a')], userState: noBytes };
    const bytes = compressed(encodePushPull(half));
    const decoder = new StreamDecoder(plain);
    const read = [...bytes]
      .map((byte) => decoder.push(Uint8Array.of(byte)))
      .filter((message) => message !== undefined);
    expect(read).toEqual([{ kind: 'pushPull', content: half }]);
  });
});

describe('a push/pull stream', () => {
  const half: PushPull = {
    join: true,
    members: [
      peer('a', 'alive', 3),
      peer('b', 'suspect'),
      peer('c', 'dead'),
      peer('d', 'left'),
      ...Array.from({ length: 60 }, (_, i) => peer(`m${i}`)),
    ],
    userState: Uint8Array.of(2, 1, 0),
  };
  const body = encodePushPull(half);

  it('begins as memberlist has it', () => {
    const head = `06 83 a4${ascii('Join')} c3 a5${ascii('Nodes')} 40 ac${ascii('UserStateLen')} 03
      87 a4${ascii('Addr')} a4`;
    expect(hex(body).startsWith(hex(unhex(head)))).toBe(true);
  });

  it.each([1, 7, 1000, 1 << 20])('is read in chunks of %i', (size) => {
    for (const options of [plain, { ...plain, cipher: sealing, label: new TextEncoder().encode('l') }]) {
      const bytes = sealStream(body, options);
      const decoder = new StreamDecoder(options);
      const read = [];
      for (let at = 0; at < bytes.length; at += size) {
        const message = decoder.push(bytes.subarray(at, at + size));
        if (message !== undefined) read.push(message);
      }
      expect(read).toEqual([{ kind: 'pushPull', content: half }]);
    }
  });

  const first = (bytes: Uint8Array, options = plain): unknown =>
    new StreamDecoder(options).push(bytes)?.content;

  it('is refused when it is larger than allowed, before it is all there', () => {
    const small = { ...plain, streamBytesMax: 2000 };
    expect(first(new Uint8Array(4000), small)).toBe('too_large');
    expect(
      first(
        unhex(`06 83 a4${ascii('Join')} c2 a5${ascii('Nodes')} ce7fffffff ac${ascii('UserStateLen')} 00`),
        small,
      ),
    ).toBe('too_large');
    expect(
      first(
        unhex(`06 83 a4${ascii('Join')} c2 a5${ascii('Nodes')} 00 ac${ascii('UserStateLen')} ceffffffff`),
        small,
      ),
    ).toBe('too_large');
    expect(first(unhex('0a 7fffffff'), { ...small, cipher: sealing })).toBe('too_large');
    expect(first(unhex(`08 81 aa${ascii('UserMsgLen')} ce7fffffff`), small)).toBe('too_large');
  });

  it('is refused in the clear where it must be sealed, sealed where there is no key, and under another label', () => {
    const sealed = { ...plain, cipher: sealing };
    expect(first(body, sealed)).toBe('plaintext');
    expect(first(sealStream(body, sealed))).toBe('encrypted');
    const other = { ...sealed, cipher: { ...sealing, open: () => null } };
    expect(first(sealStream(body, sealed), other)).toBe('key');
    expect(first(sealStream(body, { ...plain, label: Uint8Array.of(65) }))).toBe('label');
  });

  it('that is sealed whole but cut short is refused, not waited for', () => {
    const sealed = { ...plain, cipher: sealing };
    expect(first(sealStream(body.subarray(0, -1), sealed), sealed)).toBe('truncated');
  });

  it('carries pings, user messages and errors too', () => {
    expect(first(encodeMessage({ type: 'ping', seqNo: 4, node: 'x', source: null }))).toMatchObject({
      seqNo: 4,
    });
    expect(first(encodeMessage({ type: 'ack', seqNo: 4, payload: noBytes }))).toMatchObject({ seqNo: 4 });
    expect(first(unhex(`08 81 aa${ascii('UserMsgLen')} 03 010203`))).toEqual(Uint8Array.of(1, 2, 3));
    expect(first(encodeStreamError('no'))).toBe('no');
    expect(first(unhex('20'))).toBe('type');
  });
});

describe('tags', () => {
  it('are 0xFF and a map of text, sorted', () => {
    expect(hex(encodeTags({ ta: 'h:1', dc: 'eu' }))).toBe(
      `ff82a2${ascii('dc')}a2${ascii('eu')}a2${ascii('ta')}a3${ascii('h:1')}`,
    );
    expect(decodeTags(encodeTags({ ta: 'h:1', dc: 'eu' }))).toEqual({ ta: 'h:1', dc: 'eu' });
    expect(encodeTags({})).toEqual(noBytes);
  });

  it('of an old peer are its role; of a strange one, none', () => {
    expect(decodeTags(new TextEncoder().encode('web'))).toEqual({ role: 'web' });
    expect(decodeTags(noBytes)).toEqual({});
    expect(decodeTags(unhex('ff 82 a1'))).toEqual({});
    expect(decodeTags(unhex('c3 28'))).toEqual({});
  });

  it('cannot reach into objects', () => {
    const tags = decodeTags(encodeTags(JSON.parse('{"__proto__":"x","a":"b"}') as Record<string, string>));
    expect(Object.getPrototypeOf(tags)).toBe(Object.prototype);
    expect(Object.keys(tags).sort()).toEqual(['__proto__', 'a']);
  });
});
