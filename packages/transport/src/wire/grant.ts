/** The payload of a WINDOW: u32 how many bytes have been read since the last one, u32 how many more may be sent. */
import type { Grant } from '../core/stream-window.ts';

const grantLength = 8;

export function encodeGrant({ consumedBytes, roomBytes }: Grant): Uint8Array {
  const bytes = new Uint8Array(grantLength);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, consumedBytes);
  view.setUint32(4, roomBytes);
  return bytes;
}

export function decodeGrant(bytes: Uint8Array): Grant | null {
  if (bytes.length !== grantLength) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return { consumedBytes: view.getUint32(0), roomBytes: view.getUint32(4) };
}
