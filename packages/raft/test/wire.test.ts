import { Prng } from '@cluster/core';
import { describe, expect, it } from 'vitest';
import { crc32c, decodeMessage, encodeMessage, raftCodecHash, type RaftMessage } from '../src/index.ts';
import { encodeConfiguration } from '../src/core/membership.ts';
import { log } from './support/bench.ts';

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);
const big = 2 ** 40 + 5;

const samples: readonly RaftMessage[] = [
  { type: 'voteRequest', term: 3, pre: true, lastIndex: big, lastTerm: 2 },
  { type: 'voteResponse', term: 3, pre: false, granted: true },
  { type: 'append', term: big, prevIndex: 7, prevTerm: 1, commit: 6, entries: [] },
  {
    type: 'append',
    term: 5,
    prevIndex: 0,
    prevTerm: 0,
    commit: 2,
    entries: [
      ...log(1, 2),
      { index: 3, term: 5, kind: 'noop', session: null, command: bytes() },
      {
        index: 4,
        term: 5,
        kind: 'command',
        session: { clientId: big, sequence: 9 },
        command: bytes(1, 2, 3),
      },
      { index: 5, term: 5, kind: 'openSession', session: null, command: bytes() },
      { index: 6, term: 5, kind: 'barrier', session: null, command: bytes() },
      {
        index: 7,
        term: 5,
        kind: 'configuration',
        session: null,
        command: encodeConfiguration({
          voters: ['a', 'b'],
          outgoing: ['b', 'c'],
          learners: ['d'],
          learnersNext: ['c'],
          staging: ['d'],
          autoLeave: true,
        }),
      },
    ],
  },
  { type: 'appendAccepted', term: 1, match: big },
  { type: 'appendRejected', term: 1, rejected: 5, hintIndex: 4, hintTerm: 1 },
  { type: 'commit', term: 1, commit: 5 },
  {
    type: 'propose',
    term: 4,
    boot: 0xffff_ffff,
    drafts: [
      { ref: 1, kind: 'command', session: { clientId: 3, sequence: 4 }, command: bytes(9) },
      { ref: big, kind: 'barrier', session: null, command: bytes() },
    ],
  },
  { type: 'proposed', term: 4, boot: 1, ref: 2, asked: 3, verdict: { status: 'busy' } },
  {
    type: 'proposed',
    term: 4,
    boot: 1,
    ref: 2,
    asked: 3,
    verdict: { status: 'applied', index: 9, term: 4, result: bytes(7, 7) },
  },
  { type: 'confirm', term: 2, round: big },
  { type: 'confirmed', term: 2, round: 1 },
  { type: 'readRequest', term: 2, boot: 0xffff_ffff, request: big },
  { type: 'readAnswer', term: 2, boot: 1, request: 2, index: big },
  { type: 'timeoutNow', term: big },
  { type: 'leftOut', term: 3, index: big, indexTerm: 2 },
  {
    type: 'snapshotPiece',
    term: 5,
    snapshot: { index: big, term: 4, bytes: big + 1, crc: 0xffff_ffff },
    offset: 77,
    bytes: bytes(1, 2, 3),
  },
  { type: 'snapshotAnswer', term: 5, index: big, offset: 80, status: 'refused' },
  { type: 'voteRequest', term: 3, pre: false, invited: true, lastIndex: 4, lastTerm: 2 },
];

const decode = (wire: Uint8Array) => decodeMessage(wire, 1 << 20);

describe('a message', () => {
  it('comes back as it was sent, with its group', () => {
    for (const message of samples)
      expect(decode(encodeMessage({ groupId: 0xfffffffe, message }))).toEqual({
        groupId: 0xfffffffe,
        message,
      });
  });

  it('is refused when anything is missing from it', () => {
    for (const message of samples) {
      const wire = encodeMessage({ groupId: 1, message });
      for (let length = 0; length < wire.length; length++) {
        expect([message.type, length, decode(wire.subarray(0, length))]).toEqual([
          message.type,
          length,
          { problem: expect.any(String) },
        ]);
      }
    }
  });

  it('is refused when anything follows it', () => {
    for (const message of samples) {
      const wire = encodeMessage({ groupId: 1, message });
      expect(decode(bytes(...wire, 0))).toEqual({ problem: 'trailingBytes' });
    }
  });

  it('is refused unread when it is too large', () => {
    expect(decodeMessage(new Uint8Array(100), 99)).toEqual({ problem: 'tooLarge' });
  });

  it('is refused when it claims more entries than it can hold', () => {
    const wire = encodeMessage({ groupId: 1, message: samples[2] as RaftMessage });
    wire.fill(255, wire.length - 4);
    expect(decode(wire)).toEqual({ problem: 'malformed' });
  });

  it('is refused when its entries cannot stand in one log', () => {
    const append = (prevTerm: number, ...terms: number[]) =>
      decode(
        encodeMessage({
          groupId: 1,
          message: { type: 'append', term: 3, prevIndex: 0, prevTerm, commit: 0, entries: log(...terms) },
        }),
      );
    expect(append(1, 1, 2, 3)).toMatchObject({ groupId: 1 });
    expect(append(1, 2, 1)).toEqual({ problem: 'malformed' });
    expect(append(2, 1)).toEqual({ problem: 'malformed' });
    expect(append(1, 4)).toEqual({ problem: 'malformed' });
    expect(append(0, 0)).toEqual({ problem: 'malformed' });
  });

  it('is refused when a peer forwards what only a leader may log', () => {
    const noop = encodeMessage({
      groupId: 1,
      message: {
        type: 'propose',
        term: 1,
        boot: 1,
        drafts: [{ ref: 1, kind: 'barrier', session: null, command: bytes() }],
      },
    });
    const at = noop.length - 5;
    expect(noop[at]).toBe(3);
    noop[at] = 0;
    expect(decode(noop)).toEqual({ problem: 'malformed' });
  });

  it('never makes the decoder throw, whatever its bytes are', () => {
    const prng = Prng.fromSeed(1, 'wire');
    let refused = 0;
    for (let i = 0; i < 20_000; i++) {
      const wire = encodeMessage({ groupId: 1, message: prng.pick(samples) as RaftMessage });
      for (let flips = prng.between(1, 4); flips > 0; flips--)
        wire[prng.below(wire.length)] = prng.below(256);
      if ('problem' in decode(prng.chance(0.3) ? wire.subarray(0, prng.below(wire.length)) : wire)) refused++;
    }
    expect(refused).toBeGreaterThan(8000);
  });
});

describe('the codec’s hash', () => {
  it('stands for these bytes: whoever changes one changes the other', () => {
    const all = samples.reduce((crc, message) => crc32c(encodeMessage({ groupId: 5, message }), crc), 0);
    expect([raftCodecHash, all.toString(16)]).toEqual(['bffee6a0', '6221822f']);
  });
});

describe('CRC-32C', () => {
  it('gives the known checksums (RFC 3720, appendix B.4)', () => {
    const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
    expect(crc32c(ascending)).toBe(0x46dd794e);
    expect(crc32c(ascending.toReversed())).toBe(0x113fdb5c);
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(0))).toBe(0);
  });

  it('gives the same of any length, from any address, as byte after byte does', () => {
    const memory = Uint8Array.from({ length: 200 }, (_, i) => i * 37 + (i >> 3));
    for (let from = 0; from < 9; from++) {
      for (let to = from; to <= memory.length; to++) {
        let byByte = 0;
        for (let at = from; at < to; at++) byByte = crc32c(memory, byByte, at, at + 1);
        expect(crc32c(memory, 0, from, to)).toBe(byByte);
        expect(crc32c(memory.subarray(from, to))).toBe(byByte);
      }
    }
  });

  it('goes on from a checksum, at any split', () => {
    const data = Uint8Array.from({ length: 161 }, (_, i) => i * 37);
    for (let at = 0; at <= data.length; at++) {
      expect(crc32c(data.subarray(at), crc32c(data.subarray(0, at)))).toBe(crc32c(data));
    }
  });
});
