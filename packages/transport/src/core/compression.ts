/**
 * Large messages made smaller, where both sides have it switched on and the sender asks for it: `deflate` in the capabilities of both
 * HELLOs, and the flag on the message. What was compressed travels as its length before (u32) and a raw DEFLATE stream (RFC 1951).
 *
 * A message is compressed when it begins to leave, so that what waits can still go to a peer that does not take it, and is charged
 * for what it will be: flow control bounds what a peer has to hold, not what the wire carried. So a receiver knows before
 * it makes a byte that the whole has room, and stops where more comes out than was announced.
 *
 * Off by default and asked for by message, because the length of what is compressed tells of its content: who may put text of his own
 * beside a secret, and sees how long the messages are, can guess the secret byte by byte (CRIME, BREACH). TLS hides neither.
 */
import type { Compressor } from '../ports.ts';

/** In HELLO: its speaker takes compressed messages. */
export const deflateCapability = 'deflate';
/** The length before. */
export const plainLengthBytes = 4;

export interface ShrinkLimits {
  readonly compressionBytesMin: number;
  readonly compressionBytesMax: number;
}

/** What a message becomes, or null where it is to go as it is. */
export type Shrink = (bytes: Uint8Array) => Uint8Array | null;

/** @param counted told of each try: the bytes before, and after; null: it was not worth it. */
export function shrinker(
  compressor: Compressor,
  { compressionBytesMin, compressionBytesMax }: ShrinkLimits,
  counted: (before: number, after: number | null) => void,
): Shrink {
  return (bytes) => {
    const { length } = bytes;
    if (length < compressionBytesMin || length > compressionBytesMax) return null;
    // Its reader pays too: less than an eighth is not worth that.
    const packed = compressor.deflate(bytes, length - (length >>> 3) - plainLengthBytes);
    counted(length, packed === null ? null : packed.length + plainLengthBytes);
    if (packed === null) return null;
    const whole = new Uint8Array(plainLengthBytes + packed.length);
    new DataView(whole.buffer).setUint32(0, length);
    whole.set(packed, plainLengthBytes);
    return whole;
  };
}

/** How long it says that it was before; null when that cannot be: it would not have shrunk. */
export function plainLengthOf(bytes: Uint8Array): number | null {
  if (bytes.length <= plainLengthBytes) return null;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  return length > bytes.length ? length : null;
}
