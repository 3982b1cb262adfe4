/**
 * What bytes say, remembered: in a pool of any size the same few names, addresses and claims come in over and over (a claim is
 * heard a dozen times, because everybody passes it on), and reading them is most of the work of a packet.
 *
 * A cache with two places for each hash of the bytes; a newcomer takes the first, and who was there the second. So it is bounded,
 * needs no clean-up, and costs one comparison, seldom two. What comes out is shared, and must not be changed. Rejected: a Map keyed
 * by text, which has to decode before it can look; one place for each hash, which of 2,000 claims in 8,192 places loses a fifth.
 */

// Longer bytes are seldom repeated, and would make the bound of the memory a large one.
const keyBytesMax = 512;

interface Entry<T> {
  readonly key: Uint8Array;
  readonly value: T;
}

export class Memo<T> {
  readonly #mask: number;
  /** Of the entries: one of another hash is not even looked at. */
  readonly #hashes: Int32Array;
  readonly #entries: (Entry<T> | undefined)[];

  /** @param places a power of two. */
  constructor(places: number) {
    this.#mask = places - 2;
    this.#hashes = new Int32Array(places);
    this.#entries = Array.from({ length: places });
  }

  /**
   * @param read pure: what it gives for these bytes is given again. It gets a copy that is its own to keep. Nothing is remembered
   * when it throws.
   */
  of(bytes: Uint8Array, read: (bytes: Uint8Array) => T, from = 0, to = bytes.length): T {
    if (to - from > keyBytesMax) return read(bytes.slice(from, to));
    const sum = hash(bytes, from, to);
    const first = sum & this.#mask;
    for (let place = first; place <= first + 1; place++) {
      if (this.#hashes[place] !== sum) continue;
      const entry = this.#entries[place];
      if (entry !== undefined && isAt(entry.key, bytes, from, to)) return entry.value;
    }
    // The packet is its owner's.
    const key = bytes.slice(from, to);
    const value = read(key);
    this.#hashes[first + 1] = this.#hashes[first] as number;
    this.#entries[first + 1] = this.#entries[first];
    this.#hashes[first] = sum;
    this.#entries[first] = { key, value };
    return value;
  }
}

function isAt(key: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  if (key.length !== to - from) return false;
  for (let i = 0; i < key.length; i++) if (key[i] !== bytes[from + i]) return false;
  return true;
}

/** FNV-1a, with the high bits folded in. */
function hash(bytes: Uint8Array, from: number, to: number): number {
  let sum = 0x811c9dc5;
  for (let i = from; i < to; i++) sum = Math.imul(sum ^ (bytes[i] as number), 0x01000193);
  return sum ^ (sum >>> 15);
}
