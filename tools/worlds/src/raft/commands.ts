/** What clients write: an operation number of four bytes, different for every logical operation. */
const commandBytes = 12;

/** The filler makes writes span more than one place that can tear. */
export function encodeCommand(operation: number): Uint8Array {
  const bytes = new Uint8Array(commandBytes + (operation % 7) * 100);
  new DataView(bytes.buffer).setUint32(0, operation);
  bytes.fill(operation & 255, 4);
  return bytes;
}

export function decodeNumber(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0);
}

export function encodeNumber(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

export const describeCommand = (bytes: Uint8Array): string =>
  bytes.length < 4 ? '' : `#${decodeNumber(bytes)}`;

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a === b || (a.length === b.length && a.every((byte, at) => byte === b[at]));
