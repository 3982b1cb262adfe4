/**
 * Stands for DEFLATE in the world: the same in every browser, and it shrinks what the nodes say to each other by about a quarter, so
 * that large messages stay large. The last third of a message, which is zeros but for a mark now and then, becomes pairs of how many zeros
 * and what comes after them.
 */
import type { Compressor } from '@cluster/transport';

const headBytes = 4;

export const tailPacker: Compressor = {
  deflate(bytes, bytesMax) {
    const kept = Math.ceil((bytes.length * 2) / 3);
    const packed: number[] = [];
    for (let at = kept, zeros = 0; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      if (byte === 0 && zeros < 255 && at < bytes.length - 1) zeros++;
      else {
        packed.push(zeros, byte);
        zeros = 0;
      }
    }
    const length = headBytes + kept + packed.length;
    if (length > bytesMax) return null;
    const whole = new Uint8Array(length);
    new DataView(whole.buffer).setUint32(0, kept);
    whole.set(bytes.subarray(0, kept), headBytes);
    whole.set(packed, headBytes + kept);
    return whole;
  },

  inflate(bytes, length) {
    if (bytes.length < headBytes) return null;
    const kept = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
    if (headBytes + kept > bytes.length || kept > length) return null;
    const whole = new Uint8Array(length);
    whole.set(bytes.subarray(headBytes, headBytes + kept));
    let to = kept;
    for (let at = headBytes + kept; at < bytes.length; at += 2) {
      to += bytes[at] as number;
      if (to >= length) return null;
      whole[to++] = bytes[at + 1] ?? 0;
    }
    return to === length ? whole : null;
  },
};
