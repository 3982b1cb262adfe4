/**
 * Has a TLS socket read into memory of ours, instead of fresh memory for each record: at a gigabyte a second that is sixty thousand buffers a
 * second, and V8 answers with a full collection for every few megabytes of them.
 *
 * It is what `onread` of node:net does. Node gives that to sockets that dial and has no door to it for those that a server has accepted, whose parts
 * are the same: they are looked for by their names. Where one is missing, as it may be in a later Node, nothing is changed, and each record comes
 * in memory of its own as usual.
 */
import type { TLSSocket } from 'node:tls';

/** What a record holds at most (RFC 8446, 5.1): Node hands them on one by one. */
const recordBytes = 16_384;

type Parts = Record<symbol, unknown> & {
  readonly _handle?: { readonly useUserBuffer?: (buffer: Uint8Array) => void } | null;
};

/**
 * @param onBytes what was read, until it returns.
 * @returns whether it does so from now on; if not, 'data' is emitted as before.
 */
export function lendReads(socket: TLSSocket, onBytes: (bytes: Uint8Array) => void): boolean {
  const parts = socket as unknown as Parts;
  const symbols = Object.getOwnPropertySymbols(socket);
  const find = (name: string): symbol | undefined => symbols.find(({ description }) => description === name);
  const [buffer, callback] = [find('kBuffer'), find('kBufferCb')];
  const { _handle: handle } = parts;
  if (buffer === undefined || callback === undefined || typeof handle?.useUserBuffer !== 'function')
    return false;
  // What has been read already comes as 'data': nothing may overtake it.
  if (socket.readableLength > 0) return false;
  const memory = Buffer.allocUnsafeSlow(recordBytes);
  parts[buffer] = memory;
  parts[callback] = (length: number): boolean => {
    onBytes(new Uint8Array(memory.buffer, 0, length));
    return true;
  };
  handle.useUserBuffer(memory);
  return true;
}
