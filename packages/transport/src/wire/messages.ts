/**
 * The payloads of the frames that peers exchange before they trust each other, and of errors: JSON behind a check, small and
 * readable in a capture. Nothing here throws: what does not fit is null.
 */
import * as z from 'zod';
import type { Hello } from '../core/handshake.ts';
import type { Refusal } from '../core/refusal.ts';

/** First bytes of HELLO and HELLO_ACK, "CLTP": tells this protocol from any other that found its way to the port. */
const magic = [0x43, 0x4c, 0x54, 0x50] as const;

/** The largest payload before a peer is admitted. */
export const helloBytesMax = 16_384;

const name = z.string().regex(/^[A-Za-z0-9._-]{1,128}$/);
const printable = z.string().regex(/^[\x21-\x7e]{1,128}$/);
const u32 = z.int().min(0).max(0xffff_ffff);

// Keys that a later version adds are dropped; what it changes otherwise goes with a new version number.
const helloSchema = z.object({
  versionMin: z.int().min(0).max(0xffff),
  versionMax: z.int().min(0).max(0xffff),
  clusterName: name,
  nodeId: name,
  expectedId: name,
  bootId: name,
  capabilities: z.array(name).max(64),
  line: z.enum(['control', 'bulk']).default('control'),
  limits: z.object({
    messageBytesMax: z.int().min(1024).max(0x7fff_ffff),
    streamWindowBytes: z.int().min(1024).max(0x3fff_ffff),
    sessionWindowBytes: z.int().min(1024).max(0x3fff_ffff),
    streamsMax: z.int().min(0).max(0xffff).default(0),
    streamBufferBytes: z.int().min(1024).max(0x3fff_ffff).default(1024),
    streamsBufferBytes: z.int().min(1024).max(0x3fff_ffff).default(1024),
  }),
  codecHashes: z.record(printable, printable).refine((hashes) => Object.keys(hashes).length <= 64),
  sessionId: name.nullable(),
  proposedId: name.nullable(),
  received: u32,
});

// A peer's words end in logs and terminals: no control characters.
const words = (max: number) =>
  z
    .string()
    .max(max)
    .transform((text) => text.replaceAll(/\p{Cc}/gu, ' '));

const refusalSchema = z.object({ code: z.string().regex(/^[A-Z0-9_]{1,64}$/), reason: words(1024) });

const remoteErrorSchema = z.object({ code: words(128), message: words(8192) });
export type RemoteError = z.output<typeof remoteErrorSchema>;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

export function encodeHello(hello: Hello): Uint8Array {
  const body = encoder.encode(JSON.stringify(hello));
  const bytes = new Uint8Array(magic.length + body.length);
  bytes.set(magic);
  bytes.set(body, magic.length);
  return bytes;
}

export function decodeHello(bytes: Uint8Array): Hello | null {
  if (!magic.every((byte, i) => bytes[i] === byte)) return null;
  return parse(helloSchema, bytes.subarray(magic.length));
}

export function encodeRefusal({ code, reason }: Refusal): Uint8Array {
  return encoder.encode(JSON.stringify({ code, reason: reason.slice(0, 1024) }));
}

export function decodeRefusal(bytes: Uint8Array): Refusal | null {
  return parse(refusalSchema, bytes);
}

export function encodeRemoteError({ code, message }: RemoteError): Uint8Array {
  return encoder.encode(JSON.stringify({ code: code.slice(0, 128), message: message.slice(0, 8192) }));
}

/** An error that cannot be read is still an error. */
export function decodeRemoteError(bytes: Uint8Array): RemoteError {
  return (
    parse(remoteErrorSchema, bytes) ?? {
      code: 'UNKNOWN',
      message: 'the peer sent an error that cannot be read',
    }
  );
}

function parse<T>(schema: z.ZodType<T>, bytes: Uint8Array): T | null {
  try {
    const result = schema.safeParse(JSON.parse(decoder.decode(bytes)));
    return result.success ? result.data : null;
  } catch {
    return null;
  }
}
