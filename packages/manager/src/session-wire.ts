/**
 * "Open a session": whom it is for (nothing = the sender), as text. The answer: the client id, 8 bytes, big-endian.
 *
 * An identity is what a certificate says, role and name: `client/app` or `node/a`.
 */
import { managerError } from './errors.ts';

/** @param id as the transport names a peer: a node by its plain id, which holds no slash, a client as `client/…`. */
export const identityOf = (role: 'node' | 'client', id: string): string =>
  id.startsWith(`${role}/`) ? id : `${role}/${id}`;

const identityPattern = /^(node|client)\/[A-Za-z0-9._-]{1,128}$/;

export const encodeSessionRequest = (owner: string | null): Uint8Array =>
  new TextEncoder().encode(owner ?? '');

/** @throws ClusterError `MANAGER_MESSAGE_REFUSED` */
export function decodeSessionRequest(bytes: Uint8Array): string | null {
  if (bytes.length === 0) return null;
  const owner = new TextDecoder().decode(bytes.subarray(0, 256));
  if (bytes.length <= 256 && identityPattern.test(owner)) return owner;
  throw managerError('MANAGER_MESSAGE_REFUSED', 'A session was asked for in a name that is none.');
}

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
