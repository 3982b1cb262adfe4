/**
 * LZW as Go's `compress/lzw` writes it: least significant bit first, 8-bit literals, codes of 9 to 12 bits, 256 = clear,
 * 257 = end. Decoding only; the output is bounded, because a few kilobytes can unfold to megabytes.
 */
import { WireError } from './wire-error.ts';

const clearCode = 256;
const endCode = 257;
const widthMax = 12;
const none = -1;

// Of each code, where its word stands in the output, and how long it is: a word that is defined is one that has just been written,
// with the first byte of the next. For all calls: a code is looked up only once this call has defined it, so what an earlier one left
// is never read.
const starts = new Uint32Array(1 << widthMax);
const sizes = new Uint16Array(1 << widthMax);

// Enough for any packet; longer content gets an array of its own.
const scratch = new Uint8Array(16_384);

/**
 * @returns valid until the next call: what is to be kept has to be copied.
 * @throws WireError `compression` for a code that cannot be, `too_large` above `bytesMax`.
 */
export function inflateLzw(packed: Uint8Array, bytesMax: number): Uint8Array {
  let output: Uint8Array = scratch;
  let length = 0;
  let [width, high] = [9, endCode];
  let [last, lastSize] = [none, 0];
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

    if (code === endCode) return output.subarray(0, length);
    if (code === clearCode) {
      [width, high, last] = [9, endCode, none];
      continue;
    }
    if (code > high) throw new WireError('compression');

    if (last !== none) {
      starts[high] = last;
      sizes[high] = lastSize + 1;
    }
    const size = code < clearCode ? 1 : (sizes[code] as number);
    if (length + size > bytesMax) throw new WireError('too_large');
    if (length + size > output.length) output = grown(output, length, length + size, bytesMax);
    if (code < clearCode) output[length] = code;
    else {
      // Byte by byte: the word of a code that was defined right now ends with its own first byte.
      const from = starts[code] as number;
      for (let i = 0; i < size; i++) output[length + i] = output[from + i] as number;
    }

    [last, lastSize] = [length, size];
    length += size;
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

function grown(output: Uint8Array, length: number, needed: number, bytesMax: number): Uint8Array {
  const larger = new Uint8Array(Math.min(bytesMax, Math.max(needed, output.length * 2)));
  larger.set(output.subarray(0, length));
  return larger;
}
