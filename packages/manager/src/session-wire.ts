/** The answer to "open a session": the client id, 8 bytes, big-endian. */
import { managerError } from './errors.ts';

export function encodeSessionAnswer(clientId: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(clientId));
  return bytes;
}

/** @throws ClusterError `MANAGER_MESSAGE_REFUSED` */
export function decodeSessionAnswer(bytes: Uint8Array): number {
  const clientId =
    bytes.length === 8 ? Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0)) : 0;
  if (!Number.isSafeInteger(clientId) || clientId < 1) {
    throw managerError('MANAGER_MESSAGE_REFUSED', 'The answer holds no client id.');
  }
  return clientId;
}
