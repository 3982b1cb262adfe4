/**
 * The layers of a UDP packet, outside in: label, encryption, checksum, compression, compound, message.
 *
 * What is wrong with a packet as a whole rejects the whole of it; a part of a compound that cannot be read is rejected alone, as
 * memberlist does, so that a newer peer's unknown message does not cost the known ones beside it.
 */
import type { Message, RejectReason, User } from '../core/messages.ts';
import { noBytes } from '../core/messages.ts';
import type { PacketCipher } from '../ports.ts';
import { crc32 } from './crc32.ts';
import { inflateLzw } from './lzw.ts';
import { deflateLzw } from './lzw-encode.ts';
import { decodeMessage, Fields, userBytes, wireType } from './messages.ts';
import { Reader, Writer } from './msgpack.ts';
import { reasonOf, WireError } from './wire-error.ts';

export interface WireOptions {
  /** The label of the pool, encoded; empty for none. */
  readonly label: Uint8Array;
  readonly cipher: PacketCipher | undefined;
  /** Most bytes that compressed content may unfold to. */
  readonly inflateBytesMax: number;
  /** Compress what we send, where that makes it smaller. */
  readonly compress?: boolean | undefined;
}

export interface DecodedPacket {
  readonly messages: readonly Message[];
  readonly rejected: readonly RejectReason[];
}

export const compoundPartsMax = 255;

/** Bytes that a packet of these parts takes beside the parts. */
export const compoundBytes = (parts: number): number => (parts > 1 ? 2 + 2 * parts : 0);

/** Bytes that label, encryption and checksum add to any packet. */
export const envelopeBytes = ({ label, cipher }: WireOptions): number =>
  (label.length > 0 ? 2 + label.length : 0) + (cipher ? cipher.overheadBytes : checksumBytes);

const checksumBytes = 5;

/** An encoded message, or a user message, which is its payload behind a byte: too many are sent to make an array for each. */
export type Part = Uint8Array | User;

const partBytes = (part: Part): number => (part instanceof Uint8Array ? part.length : userBytes(part));

const writePart = (writer: Writer, part: Part): Writer =>
  part instanceof Uint8Array ? writer.append(part) : writer.u8(wireType.user).append(part.payload);

/**
 * @param parts at most {@link compoundPartsMax}.
 * @returns not to be changed: a packet of one part may be that part.
 */
export function encodePacket(parts: readonly Part[], checksum: boolean, options: WireOptions): Uint8Array {
  const { cipher, label } = options;
  const isLong = options.compress === true && bodyBytes(parts) >= compressFromBytes;
  const content = isLong ? deflated(bodyOf(parts)) : null;
  // A cipher's tag does a checksum's work and more.
  if (cipher)
    return withLabel(cipher.seal(content === null ? bodyOf(parts) : compressMessage(content), label), label);
  const [only] = parts;
  // A ping or an answer, most often.
  if (parts.length === 1 && only instanceof Uint8Array && content === null && !checksum)
    return withLabel(only, label);
  const writer = writeLabel(new Writer(), label);
  const start = writer.length;
  if (checksum) writer.u8(wireType.checksum).u32(0);
  const from = writer.length;
  if (content === null) writeBody(writer, parts);
  else writeCompressed(writer, content);
  if (checksum) writer.putU32(start + 1, crc32(writer.view(from)));
  return writer.take();
}

// Of a compress message beside its content: type, map, keys, algorithm, length.
const compressBytes = 15;

// Pings and acks are shorter, and never shrink: codes begin at nine bits, and the frame takes its share.
const compressFromBytes = 256;

/** As a compress message, if that is smaller; as it is otherwise. */
export function compressed(body: Uint8Array): Uint8Array {
  if (body.length <= compressBytes) return body;
  const content = deflated(body);
  return content === null ? body : compressMessage(content);
}

/** Null when it is not worth it. Valid until the next call. */
function deflated(body: Uint8Array): Uint8Array | null {
  const content = deflateLzw(body);
  return content.length + compressBytes < body.length ? content : null;
}

const writeCompressed = (writer: Writer, content: Uint8Array): Writer =>
  writer.u8(wireType.compress).map(2).key('Algo').uint(0).key('Buf').raw(content);

const compressMessage = (content: Uint8Array): Uint8Array => writeCompressed(new Writer(), content).take();

function writeBody(writer: Writer, parts: readonly Part[]): Writer {
  if (parts.length === 1) return writePart(writer, parts[0] as Part);
  writer.u8(wireType.compound).u8(parts.length);
  for (const part of parts) writer.u16(partBytes(part));
  for (const part of parts) writePart(writer, part);
  return writer;
}

const bodyOf = (parts: readonly Part[]): Uint8Array => writeBody(new Writer(), parts).take();

function bodyBytes(parts: readonly Part[]): number {
  let bytes = compoundBytes(parts.length);
  for (const part of parts) bytes += partBytes(part);
  return bytes;
}

export const withLabel = (body: Uint8Array, label: Uint8Array): Uint8Array =>
  label.length === 0 ? body : writeLabel(new Writer(), label).append(body).take();

const writeLabel = (writer: Writer, label: Uint8Array): Writer =>
  label.length === 0 ? writer : writer.u8(wireType.label).u8(label.length).append(label);

/** Never throws for what a peer sent. */
export function decodePacket(bytes: Uint8Array, options: WireOptions): DecodedPacket {
  try {
    return readBody(openPacket(bytes, options), options, 0);
  } catch (error) {
    return { messages: [], rejected: [reasonOf(error)] };
  }
}

function openPacket(bytes: Uint8Array, { label, cipher }: WireOptions): Uint8Array {
  const { label: found, rest } = splitLabel(bytes);
  if (!sameBytes(found, label)) throw new WireError('label');
  if (!cipher) return rest;
  const opened = cipher.open(rest, label);
  if (opened === null) throw new WireError('key');
  return opened;
}

/** @throws WireError `truncated` while the label is not all there. */
export function splitLabel(bytes: Uint8Array): { readonly label: Uint8Array; readonly rest: Uint8Array } {
  if (bytes.length === 0) throw new WireError('truncated');
  if (bytes[0] !== wireType.label) return { label: noBytes, rest: bytes };
  const length = bytes[1];
  if (length === undefined || bytes.length < 2 + length) throw new WireError('truncated');
  if (length === 0) throw new WireError('label');
  return { label: bytes.subarray(2, 2 + length), rest: bytes.subarray(2 + length) };
}

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);

// The order of the layers that may still come: each may appear once, and only inside the one before.
const layers: readonly number[] = [wireType.checksum, wireType.compress, wireType.compound];

function readBody(bytes: Uint8Array, options: WireOptions, from: number): DecodedPacket {
  const [type] = bytes;
  const layer = type === undefined ? -1 : layers.indexOf(type);
  if (layer === -1) return { messages: [decodeMessage(bytes)], rejected: [] };
  if (layer < from) throw new WireError('nesting');
  if (type === wireType.compound) return readCompound(bytes);
  const inner = type === wireType.checksum ? checked(bytes) : inflate(bytes, options.inflateBytesMax);
  return readBody(inner, options, layer + 1);
}

function checked(bytes: Uint8Array): Uint8Array {
  if (bytes.length < checksumBytes) throw new WireError('truncated');
  const expected = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(1);
  const body = bytes.subarray(checksumBytes);
  if (crc32(body) !== expected) throw new WireError('checksum');
  return body;
}

/** The content of a compress message (type byte included); valid until the next call. */
export function inflate(bytes: Uint8Array, bytesMax: number): Uint8Array {
  const fields = new Fields(new Reader(bytes, 1, bytes.length).map());
  if (fields.count('Algo', 255) !== 0) throw new WireError('compression');
  return inflateLzw(fields.bytes('Buf', bytes.length), bytesMax);
}

function readCompound(bytes: Uint8Array): DecodedPacket {
  const count = bytes[1];
  if (count === undefined || bytes.length < 2 + 2 * count) throw new WireError('truncated');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const messages: Message[] = [];
  const rejected: RejectReason[] = [];
  let at = 2 + 2 * count;
  for (let i = 0; i < count; i++) {
    const end = at + view.getUint16(2 + 2 * i);
    if (end > bytes.length) {
      rejected.push('truncated');
      break;
    }
    try {
      if (at < end && layers.includes(bytes[at] as number)) throw new WireError('nesting');
      messages.push(decodeMessage(bytes, at, end));
    } catch (error) {
      rejected.push(reasonOf(error));
    }
    at = end;
  }
  return { messages, rejected };
}
