/** What we send compressed: read by ourselves here, and by Serf in `serf.node.test.ts`, whose preset compresses. */
import { Prng } from '@cluster/core';
import { parseSwimConfig } from '@cluster/swim';
import { describe, expect, it } from 'vitest';
import {
  decodePacket,
  encodeMessage,
  encodePacket,
  encodePushPull,
  sealStream,
  StreamDecoder,
} from '../src/wire.ts';
import { deflateLzw } from '../src/wire/lzw-encode.ts';
import { inflateLzw } from '../src/wire/lzw.ts';
import { alive, noBytes, peer } from './core-rig.ts';

const options = {
  label: noBytes,
  cipher: undefined,
  inflateBytesMax: 1 << 20,
  streamBytesMax: 1 << 20,
  userBytesMax: 1 << 20,
  compress: true,
};
const long = { meta: new Uint8Array(400).fill(65) };

describe('compression', () => {
  it('gives back what it was given, whatever that is, over many tables and code widths', () => {
    const prng = Prng.fromSeed(7);
    for (let i = 0; i < 150; i++) {
      const length = prng.below(i < 10 ? 60_000 : 2000);
      const letters = prng.between(1, 256);
      const bytes = Uint8Array.from({ length }, () => prng.below(letters));
      const packed = deflateLzw(bytes);
      expect(Buffer.compare(inflateLzw(packed, 60_000), bytes)).toBe(0);
    }
  });

  it('makes a packet smaller, within its checksum, and leaves what does not shrink as it is', () => {
    const messages = [alive('a', 1, long), alive('b', 2, long)];
    const parts = messages.map(encodeMessage);
    const packet = encodePacket(parts, true, options);
    expect(packet.length).toBeLessThan(250);
    expect([packet[0], packet[5]]).toEqual([12, 9]);
    expect(decodePacket(packet, options)).toEqual({ messages, rejected: [] });
    const nack = encodeMessage({ type: 'nack', seqNo: 5 });
    expect(encodePacket([nack], false, options)).toEqual(nack);
    const noise = Uint8Array.from({ length: 600 }, (_, i) => (i * i * 31 + i * 7 + (i >> 3)) & 255);
    const user = encodeMessage({ type: 'user', payload: noise });
    expect(encodePacket([user], false, options).length).toBeLessThanOrEqual(user.length);
    expect(encodePacket(parts, false, { ...options, compress: false })[0]).toBe(7);
  });

  it('makes a push/pull smaller', () => {
    const members = Array.from({ length: 100 }, (_, i) => ({ ...peer(`n${i}`), ...long }));
    const content = { join: true, members, userState: noBytes };
    const body = encodePushPull(content);
    const sealed = sealStream(body, options);
    expect(sealed.length * 4).toBeLessThan(body.length);
    expect(new StreamDecoder(options).push(sealed)).toEqual({ kind: 'pushPull', content });
  });

  it('is not tried on what is as short as a ping: that never shrinks', () => {
    const alike = encodeMessage({ type: 'user', payload: new Uint8Array(200).fill(65) });
    expect(encodePacket([alike], false, options)).toEqual(alike);
    const longer = encodeMessage({ type: 'user', payload: new Uint8Array(300).fill(65) });
    expect(encodePacket([longer], false, options).length).toBeLessThan(longer.length);
  });

  it('is on unless it is turned off', () => {
    const isOn = (preset: 'default' | 'lan' | 'wan' | 'local'): boolean =>
      parseSwimConfig({ name: 'a', preset }).compression;
    expect([isOn('default'), isOn('lan'), isOn('wan'), isOn('local')]).toEqual([true, true, true, true]);
    expect(parseSwimConfig({ name: 'a', preset: 'lan', compression: false }).compression).toBe(false);
  });
});
