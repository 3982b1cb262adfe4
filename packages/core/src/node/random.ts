import { randomBytes } from 'node:crypto';
import type { Random } from '../ports.ts';

export const systemRandom: Random = {
  u32: () => randomBytes(4).readUInt32LE(),
  bytes: (length) => new Uint8Array(randomBytes(length)),
};
