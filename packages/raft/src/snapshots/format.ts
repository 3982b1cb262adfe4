/**
 * The bytes of a snapshot, the same on the disk and on the wire.
 *
 *     magic 8 · version u32 · length of meta u32 · meta · crc u32 · image · crc u32 · end u32
 *     meta     group u32 · index u64 · term u64 · configuration · sessions
 *     session  clientId u64 · lastIndex u64 · owner blob · count u32 · (sequence u64 · result blob)*
 *
 * The first crc (CRC-32C) covers everything before it, so that what a snapshot is about can be trusted without reading the image;
 * the second covers everything before it, the image included.
 */
import { ByteReader, ByteWriter } from '../bytes.ts';
import { readConfiguration, writeConfiguration } from '../configuration-codec.ts';
import type { SessionRecord, SnapshotMeta } from '../core/types.ts';
import { crc32c } from '../crc32c.ts';

const version = 1;
const magicBytes = new TextEncoder().encode('CLRFSNAP');
const end = 0x444e_4553; // SEND

/** Magic, version and the length of what follows. */
export const preambleBytes = 16;
export const trailerBytes = 8;
const metaBytesMax = 1024 * 1024 * 1024;

/** Everything before the image. */
export function encodeHead(groupId: number, meta: SnapshotMeta): Uint8Array {
  const body = new ByteWriter(1024);
  body.u32(groupId);
  body.u64(meta.index);
  body.u64(meta.term);
  writeConfiguration(body, meta.configuration);
  body.u32(meta.sessions.length);
  for (const session of meta.sessions) writeSession(body, session);
  const head = new ByteWriter(body.length + preambleBytes + 4);
  head.raw(magicBytes);
  head.u32(version);
  head.u32(body.length);
  head.raw(body.view());
  head.u32(crc32c(head.view()));
  return head.take();
}

/** Length of everything before the image; null when this is no snapshot of this version. */
export function headBytes(preamble: Uint8Array): number | null {
  const reader = new ByteReader(preamble.subarray(magicBytes.length));
  const isMagic = magicBytes.every((byte, i) => byte === preamble[i]);
  const isVersion = reader.u32() === version;
  const length = reader.u32();
  const isSnapshot = isMagic && isVersion && !reader.failed && length <= metaBytesMax;
  return isSnapshot ? preambleBytes + length + 4 : null;
}

/** @returns null when the bytes are not those that were written for this group. */
export function decodeHead(groupId: number, head: Uint8Array): SnapshotMeta | null {
  const crcAt = head.length - 4;
  if (crcAt < preambleBytes || new ByteReader(head.subarray(crcAt)).u32() !== crc32c(head.subarray(0, crcAt)))
    return null;
  const reader = new ByteReader(head.subarray(preambleBytes, crcAt));
  const isGroup = reader.u32() === groupId;
  const index = reader.u64();
  const term = reader.u64();
  const configuration = readConfiguration(reader);
  const sessions: SessionRecord[] = [];
  for (let left = reader.u32(); left > 0 && !reader.failed; left--) sessions.push(readSession(reader));
  const isWhole = !reader.failed && reader.remaining === 0;
  return isGroup && isWhole ? { index, term, configuration, sessions } : null;
}

export function encodeTrailer(crc: number): Uint8Array {
  const writer = new ByteWriter(trailerBytes);
  writer.u32(crc);
  writer.u32(end);
  return writer.take();
}

/** The checksum that the end of a snapshot states; null when it is no end. */
export function decodeTrailer(trailer: Uint8Array): number | null {
  const reader = new ByteReader(trailer);
  const crc = reader.u32();
  return reader.u32() === end && !reader.failed ? crc : null;
}

function writeSession(writer: ByteWriter, { clientId, lastIndex, owner = '', results }: SessionRecord): void {
  writer.u64(clientId);
  writer.u64(lastIndex);
  writer.blob(new TextEncoder().encode(owner));
  writer.u32(results.length);
  for (const { sequence, result } of results) {
    writer.u64(sequence);
    writer.blob(result);
  }
}

function readSession(reader: ByteReader): SessionRecord {
  const clientId = reader.u64();
  const lastIndex = reader.u64();
  const owner = new TextDecoder().decode(reader.blob());
  const results: { sequence: number; result: Uint8Array }[] = [];
  for (let left = reader.u32(); left > 0 && !reader.failed; left--) {
    results.push({ sequence: reader.u64(), result: reader.blob() });
  }
  return { clientId, lastIndex, owner, results };
}
