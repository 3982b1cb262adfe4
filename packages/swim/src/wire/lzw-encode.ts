/**
 * LZW as Go's `compress/lzw` reads it (see `lzw.ts`): least significant bit first, codes of 9 to 12 bits. The table is cleared when it
 * is full, as Go's writer does, so that the code width on both sides stays the same.
 */
const clearCode = 256;
const endCode = 257;
const tableMax = (1 << 12) - 1;

export function deflateLzw(bytes: Uint8Array): Uint8Array {
  const out: number[] = [];
  const table = new Map<number, number>();
  let [bits, bitCount] = [0, 0];
  let [width, high, overflow] = [9, endCode, 512];
  const put = (code: number): void => {
    bits |= code << bitCount;
    bitCount += width;
    for (; bitCount >= 8; bitCount -= 8) {
      out.push(bits & 255);
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
    table.clear();
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
    const known = table.get(key);
    if (known !== undefined) {
      word = known;
      continue;
    }
    put(word);
    word = byte;
    if (grow()) table.set(key, high);
  }
  if (word !== -1) {
    put(word);
    grow();
  }
  put(endCode);
  if (bitCount > 0) out.push(bits & 255);
  return Uint8Array.from(out);
}
