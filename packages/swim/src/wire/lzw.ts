/**
 * LZW as Go's `compress/lzw` writes it: least significant bit first, 8-bit literals, codes of 9 to 12 bits, 256 = clear,
 * 257 = end. Decoding only; the output is bounded, because a few kilobytes can unfold to megabytes.
 */
import { WireError } from './wire-error.ts';

const clearCode = 256;
const endCode = 257;
const widthMax = 12;
const none = -1;

// For all calls: a code is looked up only once this call has defined it, so what an earlier one left is never read.
const suffix = new Uint8Array(1 << widthMax);
const prefix = new Uint16Array(1 << widthMax);
const reversed = new Uint8Array(1 << widthMax);

/** @throws WireError `compression` for a code that cannot be, `too_large` above `bytesMax`. */
export function inflateLzw(packed: Uint8Array, bytesMax: number): Uint8Array {
  let output = new Uint8Array(Math.min(bytesMax, Math.max(256, packed.length * 4)));
  let length = 0;
  let [width, high, last] = [9, endCode, none];
  let [bits, bitCount, at] = [0, 0, 0];

  for (;;) {
    while (bitCount < width) {
      if (at === packed.length) throw new WireError('compression');
      bits |= (packed[at++] as number) << bitCount;
      bitCount += 8;
    }
    const code = bits & ((1 << width) - 1);
    bits >>>= width;
    bitCount -= width;

    if (code === endCode) return output.slice(0, length);
    if (code === clearCode) {
      [width, high, last] = [9, endCode, none];
      continue;
    }
    if (code > high) throw new WireError('compression');

    // The word of a code, from its end: the code about to be defined is the last word and its own first byte.
    let count = 0;
    let walk = code;
    if (code === high && last !== none) {
      let first = last;
      while (first > clearCode) first = prefix[first] as number;
      reversed[count++] = first;
      walk = last;
    }
    while (walk > clearCode) {
      reversed[count++] = suffix[walk] as number;
      walk = prefix[walk] as number;
    }
    reversed[count++] = walk;
    if (length + count > bytesMax) throw new WireError('too_large');
    if (length + count > output.length) {
      const larger = new Uint8Array(Math.min(bytesMax, Math.max(length + count, output.length * 2)));
      larger.set(output);
      output = larger;
    }
    while (count > 0) output[length++] = reversed[--count] as number;
    if (last !== none) {
      suffix[high] = walk;
      prefix[high] = last;
    }

    last = code;
    high++;
    if (high < 1 << width) continue;
    if (width < widthMax) width++;
    else {
      // The table is full: nothing is defined any more until the sender clears it.
      last = none;
      high--;
    }
  }
}
