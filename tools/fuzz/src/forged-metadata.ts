/** Metadata as whoever is believed could forge it: versions at the ends of their ranges, names nobody has, deletions of what never was. */
import type { Prng } from '@cluster/core';

const userType = 8;
const metadataType = 0x6d;
const kinds = 5;
const nil = 0xc0;
const encoder = new TextEncoder();
// Ends of ranges, and what is beyond them: a life is 32 bits, a count of writes 53.
const lives = [0, 1, 2, 1 << 24, (1 << 24) + 1, 0x7fff_ffff, 0xffff_fffe, 0xffff_ffff, 2 ** 32, 2 ** 53];
const counts = [0, 1, 2, 3, 4, 100, 0xffff_ffff, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 2 ** 63];
const names = ['', 'nobody', '__proto__', 'liar', 'x'.repeat(300), '\u0000', 'a b', '../../x'];
const keys = ['short', 'long', 'new', '', '__proto__', 'k'.repeat(300)];

/** One message, as memberlist carries those of the layer above. */
export function forgedMetadata(prng: Prng, members: readonly string[]): Uint8Array {
  const kind = prng.below(kinds);
  const body = [userType, metadataType, kind, ...fields(prng, kind, members)];
  return Uint8Array.from(body);
}

/** The same over a stream of its own. */
export function overStream(packet: Uint8Array): Uint8Array {
  const payload = packet.subarray(1);
  const head = [userType, 0x81, ...text('UserMsgLen'), ...uint(payload.length)];
  return Uint8Array.from([...head, ...payload]);
}

function fields(prng: Prng, kind: number, members: readonly string[]): number[] {
  const from = text(prng.chance(0.9) ? pick(prng, members) : pick(prng, names));
  const name = (): number[] => text(pick(prng, prng.chance(0.7) ? members : names));
  const version = (): number[] => [
    ...name(),
    ...uint(pick(prng, lives)),
    ...uint(pick(prng, lives)),
    ...uint(pick(prng, counts)),
  ];
  const many = <T>(item: () => T): T[] => Array.from({ length: prng.below(5) }, item);
  const versions = (): number[] => {
    const list = many(version);
    return [...array(4 * list.length), ...list.flat()];
  };
  switch (kind) {
    case 0:
      return [...array(2), ...from, ...uint(pick(prng, counts))];
    case 1:
      return [...array(4), ...from, ...text(''), ...name(), ...versions()];
    case 2:
    case 3:
      return [...array(2), ...from, ...versions()];
    default: {
      const deltas = many(() => delta(prng, name()));
      return [...array(3), ...from, bool(prng), ...array(deltas.length), ...deltas.flat()];
    }
  }
}

function delta(prng: Prng, owner: number[]): number[] {
  // Half of them fit together: such are believed, or refused for what they say.
  const fits = prng.chance(0.5);
  const count = prng.below(4);
  const upTo = fits ? count + pick(prng, [0, 1, 2 ** 32]) : pick(prng, counts);
  const before = (): number => (fits ? 0 : pick(prng, counts));
  const entries = Array.from({ length: count }, (_, i) => [
    ...text((fits ? keys[i] : pick(prng, keys)) ?? ''),
    ...uint(fits ? i + 1 : pick(prng, counts)),
    // A tombstone, or a value.
    ...(prng.chance(0.5) ? [nil] : bytes(new Uint8Array(prng.below(200)))),
  ]);
  return [
    ...array(8),
    ...owner,
    ...uint(pick(prng, lives)),
    ...uint(pick(prng, lives)),
    ...uint(before()),
    ...uint(upTo),
    ...uint(before()),
    bool(prng),
    ...array(3 * entries.length),
    ...entries.flat(),
  ];
}

const bool = (prng: Prng): number => (prng.chance(0.5) ? 0xc2 : 0xc3);
const array = (length: number): number[] => [0xdc, length >> 8, length & 255];
const text = (value: string): number[] => bytes(encoder.encode(value));
const bytes = (value: Uint8Array): number[] => [0xda, value.length >> 8, value.length & 255, ...value];

function uint(value: number): number[] {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(value));
  return [0xcf, ...new Uint8Array(view.buffer)];
}

function pick<T>(prng: Prng, values: readonly T[]): T {
  return values[prng.below(values.length)] as T;
}
