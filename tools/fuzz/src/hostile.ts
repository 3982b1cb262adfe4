/** Hostile bytes: noise, and what is nearly right. */
import type { Prng } from '@cluster/core';

// Bytes at which decoders branch: ends of ranges, and the markers of long things in msgpack.
const telling = [
  0, 1, 0x7f, 0x80, 0x8f, 0x9f, 0xbf, 0xc0, 0xc1, 0xc6, 0xc7, 0xcf, 0xd4, 0xdb, 0xdd, 0xdf, 0xff,
];
// Lengths that claim more than anybody has: 4 GB, 2 GB, a sign bit, and a few off by one.
const lengths = [0xffff_ffff, 0x7fff_ffff, 0x8000_0000, 0xffff, 0x10_000, 0x100_0000, 0xff];

export const noise = (prng: Prng, bytesMax: number): Uint8Array =>
  Uint8Array.from({ length: prng.below(bytesMax + 1) }, () => prng.below(256));

/** Random bytes, a whole sample, or a sample that was cut, flipped, spliced, stretched, or given a giant length. */
export function hostile(prng: Prng, samples: readonly Uint8Array[], bytesMax = 65_536): Uint8Array {
  if (prng.chance(0.1)) return noise(prng, Math.min(200, bytesMax));
  let bytes = pick(prng, samples);
  for (let changes = prng.between(0, 4); changes > 0; changes--) bytes = change(prng, bytes, samples);
  return bytes.length > bytesMax ? bytes.slice(0, bytesMax) : bytes;
}

function change(prng: Prng, bytes: Uint8Array, samples: readonly Uint8Array[]): Uint8Array {
  const at = prng.below(bytes.length + 1);
  const changed = bytes.slice();
  switch (prng.below(8)) {
    case 0:
      if (at < bytes.length) changed[at] = (bytes[at] ?? 0) ^ (1 << prng.below(8));
      return changed;
    case 1:
      return bytes.slice(0, at);
    case 2:
      if (at < bytes.length) changed[at] = prng.pick(telling) ?? 0;
      return changed;
    case 3:
      return join(bytes.subarray(0, at), bytes.subarray(prng.below(bytes.length + 1)));
    case 4: {
      const other = pick(prng, samples);
      return join(bytes.subarray(0, at), other.subarray(prng.below(other.length + 1)));
    }
    case 5: {
      const view = new DataView(changed.buffer);
      const length = prng.pick(lengths) ?? 0;
      if (at + 4 <= bytes.length) view.setUint32(at, length, prng.chance(0.5));
      return changed;
    }
    case 6:
      return join(bytes, noise(prng, 64));
    default:
      return join(bytes.subarray(0, at), noise(prng, 16), bytes.subarray(at));
  }
}

export function join(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** In pieces, as a network would. */
export function pieces(prng: Prng, bytes: Uint8Array): readonly Uint8Array[] {
  const cut: Uint8Array[] = [];
  // A few hundred pieces at most: cutting is not what is tested.
  const many = prng.chance(0.3) && bytes.length < 4000;
  for (let at = 0; at < bytes.length;) {
    const length = many ? prng.between(1, 40) : prng.between(1, 65_536);
    // A chunk of its own: what comes from a socket is not the sender's array.
    cut.push(bytes.slice(at, at + length));
    at += length;
  }
  return cut;
}

const pick = (prng: Prng, samples: readonly Uint8Array[]): Uint8Array =>
  prng.pick(samples) ?? new Uint8Array(0);
