/**
 * LZW as Go's `compress/lzw` reads it (see `lzw.ts`): least significant bit first, codes of 9 to 12 bits. The table is cleared when it
 * is full, as Go's writer does, so that the code width on both sides stays the same.
 *
 * One loop on local variables, because most of what a full packet costs is spent in it.
 */
const clearCode = 256;
const endCode = 257;
const tableMax = (1 << 12) - 1;
const firstWidth = 9;

// One open-addressed table for all calls, twice the codes there can be: an entry is the word's key (20 bits), then its code (12 bits).
// No code is as high as 4,095, so all ones are no entry.
const slots = 1 << 13;
const slotShift = 32 - 13;
const empty = -1;
const table = new Int32Array(slots);

// Enough for any packet; longer content gets an array of its own.
const scratch = new Uint8Array(8192);

/** @returns valid until the next call. */
export function deflateLzw(bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  // A code takes at most a byte and a half, and stands for at least one byte.
  const bytesMax = 2 * length + 16;
  const out = bytesMax <= scratch.length ? scratch : new Uint8Array(bytesMax);
  let [bits, bitCount, written] = [clearCode, firstWidth, 0];
  let [width, high, overflow] = [firstWidth, endCode, 1 << firstWidth];
  table.fill(empty);

  let word = length === 0 ? -1 : (bytes[0] as number);
  for (let at = 1; word !== -1; at++) {
    // After the last byte comes one that continues no word.
    const byte = at < length ? (bytes[at] as number) : -1;
    let slot = 0;
    if (byte !== -1) {
      const key = (word << 8) | byte;
      slot = Math.imul(key, 0x9e3779b1) >>> slotShift;
      let entry = table[slot] as number;
      while (entry !== empty && entry >>> 12 !== key) {
        slot = (slot + 1) & (slots - 1);
        entry = table[slot] as number;
      }
      if (entry !== empty) {
        word = entry & 0xfff;
        continue;
      }
    }

    bits |= word << bitCount;
    bitCount += width;
    for (; bitCount >= 8; bitCount -= 8) {
      out[written++] = bits & 255;
      bits >>>= 8;
    }
    // The code that the reader defines next.
    high++;
    if (high === overflow) {
      width++;
      overflow <<= 1;
    }
    if (high === tableMax) {
      bits |= clearCode << bitCount;
      bitCount += width;
      [width, high, overflow] = [firstWidth, endCode, 1 << firstWidth];
      table.fill(empty);
    } else if (byte !== -1) table[slot] = (((word << 8) | byte) << 12) | high;
    word = byte;
  }

  bits |= endCode << bitCount;
  for (bitCount += width; bitCount > 0; bitCount -= 8) {
    out[written++] = bits & 255;
    bits >>>= 8;
  }
  return out.subarray(0, written);
}
