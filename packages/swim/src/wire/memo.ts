/**
 * What bytes say, remembered: in a pool of any size the same few names, addresses and claims come in over and over (a claim is
 * heard a dozen times, because everybody passes it on), and reading them is most of the work of a packet.
 *
 * A direct-mapped cache: the hash of the bytes gives the only slot they can be in, and a newcomer takes it. So it is bounded,
 * needs no clean-up, and costs one comparison. What comes out is shared, and must not be changed. Rejected: a Map keyed by text,
 * which has to decode before it can look.
 */
import { bytesEqual } from '../core/messages.ts';

// Longer bytes are seldom repeated, and would make the bound of the memory a large one.
const keyBytesMax = 512;

export class Memo<T> {
  readonly #mask: number;
  readonly #keys: (Uint8Array | undefined)[];
  readonly #values: (T | undefined)[];

  /** @param slots a power of two. */
  constructor(slots: number) {
    this.#mask = slots - 1;
    this.#keys = Array.from({ length: slots });
    this.#values = Array.from({ length: slots });
  }

  /** @param read pure: what it gives for these bytes is given again. Nothing is remembered when it throws. */
  of(bytes: Uint8Array, read: (bytes: Uint8Array) => T): T {
    if (bytes.length > keyBytesMax) return read(bytes);
    const slot = hash(bytes) & this.#mask;
    const key = this.#keys[slot];
    if (key !== undefined && bytesEqual(key, bytes)) return this.#values[slot] as T;
    const value = read(bytes);
    // A copy: the packet is its owner's.
    this.#keys[slot] = bytes.slice();
    this.#values[slot] = value;
    return value;
  }
}

/** FNV-1a, with the high bits folded in. */
function hash(bytes: Uint8Array): number {
  let sum = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) sum = Math.imul(sum ^ (bytes[i] as number), 0x01000193);
  return sum ^ (sum >>> 15);
}
