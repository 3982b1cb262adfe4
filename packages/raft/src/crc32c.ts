/**
 * CRC-32C (Castagnoli, as in iSCSI, RFC 3720): what the log's frames are checked with.
 *
 * Slicing-by-8 (Kounavis and Berry, Intel, 2005): eight tables let one step take eight bytes.
 */
const polynomial = 0x82f63b78;

const tables: readonly Uint32Array[] = makeTables();

function makeTables(): Uint32Array[] {
  const first = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    first[byte] = crc;
  }
  const made = [first];
  for (let slice = 1; slice < 8; slice++) {
    const before = made[slice - 1] as Uint32Array;
    made.push(before.map((crc) => (crc >>> 8) ^ (first[crc & 255] as number)));
  }
  return made;
}

// Four bytes are read at a time where they are in the order of the checksum's bits, and where there are enough to make a view for.
const isLittleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;
const longBytes = 64;

const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
];

/**
 * Of the bytes in [from, to).
 *
 * @param seed the checksum of what comes before them, to go on from there.
 */
export function crc32c(bytes: Uint8Array, seed = 0, from = 0, to = bytes.length): number {
  let crc = ~seed;
  let at = from;
  // A table lookup with a byte as its index, or a word of these, is never outside; the assertions cost nothing.
  if (isLittleEndian && to - from >= longBytes) {
    for (; (bytes.byteOffset + at) % 4 !== 0; at++)
      crc = (crc >>> 8) ^ (t0[(crc ^ (bytes[at] as number)) & 255] as number);
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset + at, (to - at) >>> 2);
    const end = words.length - (words.length % 2);
    for (let word = 0; word < end; word += 2) {
      crc ^= words[word] as number;
      const next = words[word + 1] as number;
      crc =
        (t7[crc & 255] as number) ^
        (t6[(crc >>> 8) & 255] as number) ^
        (t5[(crc >>> 16) & 255] as number) ^
        (t4[crc >>> 24] as number) ^
        (t3[next & 255] as number) ^
        (t2[(next >>> 8) & 255] as number) ^
        (t1[(next >>> 16) & 255] as number) ^
        (t0[next >>> 24] as number);
    }
    at += end * 4;
  }
  for (; at < to; at++) crc = (crc >>> 8) ^ (t0[(crc ^ (bytes[at] as number)) & 255] as number);
  return ~crc >>> 0;
}
