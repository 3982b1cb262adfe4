/**
 * Where a message belongs in a distributed trace: the fields of a W3C `traceparent` (Trace Context, level 1, version 00) in 25 bytes
 * before the body. `tracestate`, which has no bound worth the name, is not carried.
 */
export const traceBytes = 25;

const pattern = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;

/** The body behind its trace context; null when that is not a valid one, which by the standard is then left out. */
export function withTrace(traceparent: string, body: Uint8Array): Uint8Array | null {
  const match = pattern.exec(traceparent);
  if (match === null) return null;
  const hex = `${match[1]}${match[2]}${match[3]}`;
  const bytes = new Uint8Array(traceBytes + body.length);
  for (let i = 0; i < traceBytes; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  bytes.set(body, traceBytes);
  return bytes;
}

/** The `traceparent` that a body begins with; undefined when a peer has sent one that is not valid. */
export function readTrace(bytes: Uint8Array): string | undefined {
  let hex = '';
  for (let i = 0; i < traceBytes; i++) hex += (bytes[i] as number).toString(16).padStart(2, '0');
  const text = `00-${hex.slice(0, 32)}-${hex.slice(32, 48)}-${hex.slice(48)}`;
  return pattern.test(text) ? text : undefined;
}
