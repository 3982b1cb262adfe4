/** DEFLATE by Node's own zlib. */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { Compressor } from '../ports.ts';

/** Made in pieces of at most this size, so that bytes which claim to become much take no more than they become. */
const pieceBytesMax = 65_536;
/** zlib's own least. */
const pieceBytesMin = 64;

/** @param level 1 (fast) to 9 (small). */
export const nodeDeflate = (level: number): Compressor => ({
  deflate: (bytes, bytesMax) => {
    if (bytesMax < 1) return null;
    try {
      return plain(deflateRawSync(bytes, { level, maxOutputLength: bytesMax, chunkSize: pieceOf(bytesMax) }));
    } catch (error) {
      if (isTooLong(error)) return null;
      throw error;
    }
  },
  inflate: (bytes, length) => {
    try {
      const options = { maxOutputLength: length, chunkSize: pieceOf(length), info: true } as const;
      // With `info` it tells, too, how much of what it was given it has used.
      const made = inflateRawSync(bytes, options) as unknown as Made;
      return made.buffer.length === length && made.engine.bytesWritten === bytes.length
        ? plain(made.buffer)
        : null;
    } catch {
      return null;
    }
  },
});

interface Made {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

const pieceOf = (bytes: number): number => Math.min(pieceBytesMax, Math.max(pieceBytesMin, bytes + 1));

const isTooLong = (error: unknown): boolean =>
  (error as NodeJS.ErrnoException | null)?.code === 'ERR_BUFFER_TOO_LARGE';

/** Buffer's own methods differ in what they copy. */
const plain = ({ buffer, byteOffset, length }: Buffer): Uint8Array =>
  new Uint8Array(buffer, byteOffset, length);
