/** Hostile bytes, a seeded slice: nothing throws, nothing grows, and without the key nothing changes. */
import { Prng } from '@cluster/core';
import { describe, expect, it } from 'vitest';
import type { Message, Ping } from '../src/core/messages.ts';
import { keyring } from '../src/node/keyring.ts';
import {
  decodePacket,
  encodeMessage,
  encodePacket,
  encodePushPull,
  encodeStreamMessage,
  sealStream,
  StreamDecoder,
  type StreamOptions,
} from '../src/wire.ts';
import { addressOf, alive, CoreRig, dead, noBytes, peer, suspect } from './core-rig.ts';

const plain: StreamOptions = {
  label: noBytes,
  cipher: undefined,
  inflateBytesMax: 1 << 16,
  streamBytesMax: 1 << 16,
  userBytesMax: 1 << 12,
};
const sealed: StreamOptions = { ...plain, cipher: keyring([Buffer.alloc(32, 3).toString('base64')]) };

const ping: Ping = { type: 'ping', seqNo: 1, node: 'me', source: { address: addressOf('a'), node: 'a' } };
const samples: Message[] = [
  ping,
  { type: 'indirectPing', seqNo: 2, target: addressOf('b'), node: 'b', nack: true, source: null },
  { type: 'ack', seqNo: 3, payload: Uint8Array.of(1, 2, 3) },
  { type: 'nack', seqNo: 3 },
  suspect('a', 1),
  alive('a', 2, { meta: Uint8Array.of(0xff, 0x81, 0xa1, 0x61, 0xa1, 0x62) }),
  dead('b', 1),
  { type: 'user', payload: Uint8Array.of(0, 1) },
];

/** Flips, cuts, repeats or replaces: each result is close to something valid. */
function mutate(bytes: Uint8Array, prng: Prng): Uint8Array {
  let result = bytes.slice();
  for (let changes = prng.between(1, 4); changes > 0; changes--) {
    const at = prng.below(Math.max(1, result.length));
    switch (prng.below(5)) {
      case 0:
        if (result.length > 0) result[at] = (result[at] as number) ^ (1 << prng.below(8));
        break;
      case 1:
        result = result.slice(0, at);
        break;
      case 2:
        if (result.length > 0)
          result[at] = prng.pick([0, 0x7f, 0x80, 0xc0, 0xc6, 0xcf, 0xdb, 0xdd, 0xdf, 0xff]) as number;
        break;
      case 3:
        result = Uint8Array.from([...result.slice(0, at), ...result.slice(prng.below(result.length + 1))]);
        break;
      case 4:
        result = Uint8Array.from({ length: prng.below(80) }, () => prng.u32() & 0xff);
        break;
    }
  }
  return result;
}

const packetOf = (prng: Prng, options: StreamOptions): Uint8Array => {
  const parts = Array.from({ length: prng.between(1, 4) }, () =>
    encodeMessage(prng.pick(samples) as Message),
  );
  return encodePacket(parts, prng.chance(0.5), options);
};

describe('twenty thousand mutated packets', () => {
  it('in the clear never throw, and what is left of them is handled or refused', () => {
    const prng = Prng.fromSeed(2026);
    const rig = CoreRig.with(['a', 'b', 'c']);
    let refused = 0;
    for (let i = 0; i < 20_000; i++) {
      const packet = decodePacket(mutate(packetOf(prng, plain), prng), plain);
      refused += packet.rejected.length;
      rig.input({ type: 'PACKET', from: addressOf('evil'), ...packet });
      if (i % 100 === 0) {
        rig.run(10);
        rig.take();
      }
    }
    expect(refused).toBeGreaterThan(10_000);
    expect(rig.core.members(0).length).toBeLessThanOrEqual(10_000);
  });

  it('without the key are refused, and change nothing', () => {
    const prng = Prng.fromSeed(2027);
    const rig = CoreRig.with(['a', 'b', 'c']);
    const before = rig.core.checkpoint();
    let [packets, understood] = [0, 0];
    for (let i = 0; i < 20_000; i++) {
      const original = packetOf(prng, sealed);
      const hostile = mutate(prng.chance(0.5) ? original : packetOf(prng, plain), prng);
      if (Buffer.compare(original, hostile) === 0) continue;
      packets++;
      const packet = decodePacket(hostile, sealed);
      understood += packet.messages.length;
      rig.input({ type: 'PACKET', from: addressOf('evil'), ...packet });
    }
    expect(packets).toBeGreaterThan(19_000);
    expect(understood).toBe(0);
    expect(rig.rejections).toHaveLength(packets);
    expect(rig.core.checkpoint()).toEqual(before);
    expect(rig.said('send')).toEqual([]);
  });
});

describe('five thousand mutated streams', () => {
  it.each([
    ['in the clear', plain],
    ['without the key', sealed],
  ])('%s give at most one message, throw nothing, and keep no more than allowed', (_name, options) => {
    const prng = Prng.fromSeed(2028);
    const bodies = [
      encodePushPull({ join: true, members: [peer('a'), peer('b', 'dead')], userState: Uint8Array.of(2, 1) }),
      encodeStreamMessage(ping),
    ];
    let [messages, forged] = [0, 0];
    for (let i = 0; i < 5000; i++) {
      const original = sealStream(prng.pick(bodies) as Uint8Array, options);
      const hostile = mutate(original, prng);
      const decoder = new StreamDecoder(options);
      let given = 0;
      for (let at = 0; at < hostile.length; at += 40) {
        const message = decoder.push(hostile.subarray(at, at + 40));
        if (message === undefined) continue;
        given++;
        // A stream may be cut or extended after a whole message; apart from that, the key decides.
        const isWhole = Buffer.compare(hostile.subarray(0, original.length), original) === 0;
        if (options.cipher && !isWhole && message.kind !== 'rejected') forged++;
      }
      expect(given).toBeLessThanOrEqual(1);
      messages += given;
    }
    expect(messages).toBeGreaterThan(1000);
    expect(forged).toBe(0);
  });
});
