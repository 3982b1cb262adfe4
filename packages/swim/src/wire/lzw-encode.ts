/**
 * LZW as Go's `compress/lzw` reads it (see `lzw.ts`): least significant bit first, codes of 9 to 12 bits. The table is cleared when it
 * is full, as Go's writer does, so that the code width on both sides stays the same.
 */
const clearCode = 256;
const endCode = 257;
const tableMax = (1 << 12) - 1;

// One open-addressed table for all calls, twice the codes there can be: an entry is the word's key (20 bits), then its code (12 bits).
// No code is as high as 4,095, so all ones are no entry.
const slots = 1 << 13;
const slotShift = 32 - 13;
const empty = -1;
const table = new Int32Array(slots);

/** Where a word stands, or belongs. */
function slotOf(key: number): number {
  let slot = Math.imul(key, 0x9e3779b1) >>> slotShift;
  for (;;) {
    const entry = table[slot] as number;
    if (entry === empty || entry >>> 12 === key) return slot;
    slot = (slot + 1) & (slots - 1);
  }
}

export function deflateLzw(bytes: Uint8Array): Uint8Array {
  // A code takes at most a byte and a half, and stands for at least one byte.
  const out = new Uint8Array(2 * bytes.length + 16);
  let length = 0;
  table.fill(empty);
  let [bits, bitCount] = [0, 0];
  let [width, high, overflow] = [9, endCode, 512];
  const put = (code: number): void => {
    bits |= code << bitCount;
    bitCount += width;
    for (; bitCount >= 8; bitCount -= 8) {
      out[length++] = bits & 255;
      bits >>>= 8;
    }
  };
  /** Counts the code that the reader defines next. @returns false when the table was full and has been cleared. */
  const grow = (): boolean => {
    high++;
    if (high === overflow) {
      width++;
      overflow <<= 1;
    }
    if (high < tableMax) return true;
    put(clearCode);
    [width, high, overflow] = [9, endCode, 512];
    table.fill(empty);
    return false;
  };

  put(clearCode);
  let word = -1;
  for (const byte of bytes) {
    if (word === -1) {
      word = byte;
      continue;
    }
    const key = (word << 8) | byte;
    const slot = slotOf(key);
    const entry = table[slot] as number;
    if (entry !== empty) {
      word = entry & 0xfff;
      continue;
    }
    put(word);
    word = byte;
    if (grow()) table[slot] = (key << 12) | high;
  }
  if (word !== -1) {
    put(word);
    grow();
  }
  put(endCode);
  if (bitCount > 0) out[length++] = bits & 255;
  return out.slice(0, length);
}
