/** Single messages: a type byte, then a msgpack map under Go's field names, sorted. */
import type { Address } from '@cluster/core';
import type { Message, PeerRecord, PeerState, PingSource, RejectReason, User } from '../core/messages.ts';
import { noBytes } from '../core/messages.ts';
import { addressOf, hostBytes } from './addresses.ts';
import { Memo } from './memo.ts';
import { metaBytesMax } from './meta.ts';
import { Reader, textOf, type Value, Writer } from './msgpack.ts';
import { WireError } from './wire-error.ts';

export const wireType = {
  ping: 0,
  indirectPing: 1,
  ack: 2,
  suspect: 3,
  alive: 4,
  dead: 5,
  pushPull: 6,
  compound: 7,
  user: 8,
  compress: 9,
  encrypt: 10,
  nack: 11,
  checksum: 12,
  error: 13,
  label: 244,
} as const;

/** Longest member name, in bytes. */
export const nameBytesMax = 128;
// oxlint-disable-next-line no-control-regex -- control characters are what is being refused
const nameForm = /^[^\u0000-\u001f\u007f]+$/;
const peerStates: readonly PeerState[] = ['alive', 'suspect', 'dead', 'left'];

/** A member's name. @throws WireError */
export function nameOf(bytes: Uint8Array): string {
  if (bytes.length > nameBytesMax) throw new WireError('too_large');
  const name = textOf(bytes);
  if (!nameForm.test(name)) throw new WireError('field');
  return name;
}

/** The fields of a received map, checked one by one. */
export class Fields {
  readonly #map: ReadonlyMap<string, Value>;

  constructor(map: ReadonlyMap<string, Value>) {
    this.#map = map;
  }

  /** A whole number in [0, max]. */
  count(name: string, max: number, reason: RejectReason = 'field'): number {
    const value = this.#map.get(name);
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) throw new WireError('field');
    if (value > max) throw new WireError(reason);
    return value;
  }

  u32(name: string): number {
    return this.count(name, 0xffff_ffff);
  }

  value(name: string): Value | undefined {
    return this.#map.get(name);
  }

  /** False when absent, as Go has it. */
  flag(name: string): boolean {
    const value = this.#map.get(name) ?? false;
    if (typeof value !== 'boolean') throw new WireError('field');
    return value;
  }

  /** Copied, so that what is kept does not hold on to the packet; empty when absent or nil. */
  bytes(name: string, max: number): Uint8Array {
    const bytes = this.#raw(name, max);
    return bytes.length === 0 ? noBytes : bytes.slice();
  }

  #raw(name: string, max: number): Uint8Array {
    const value = this.#map.get(name) ?? noBytes;
    if (!(value instanceof Uint8Array)) throw new WireError('field');
    if (value.length > max) throw new WireError('too_large');
    return value;
  }

  /** As `bytes`, for what is kept for every member. */
  #shared(name: string, max: number): Uint8Array {
    return sharedBytes(this.#raw(name, max));
  }

  text(name: string, max: number): string {
    return textOf(this.#raw(name, max));
  }

  name(field: string): string {
    return nameOf(this.bytes(field, nameBytesMax));
  }

  /** Somebody to send to, so port 0 will not do. */
  address(hostField: string, portField: string): Address {
    const host = this.#raw(hostField, 16);
    const port = this.count(portField, 65_535);
    if (port === 0) throw new WireError('address');
    return addressOf(host, port);
  }

  source(): PingSource | null {
    if (this.#raw('SourceAddr', 16).length === 0) return null;
    const node = this.text('SourceNode', nameBytesMax);
    return { address: this.address('SourceAddr', 'SourcePort'), node };
  }

  meta(): Uint8Array {
    return this.#shared('Meta', metaBytesMax);
  }

  vsn(): Uint8Array {
    const vsn = this.#shared('Vsn', 6);
    if (vsn.length === 0) return vsn;
    const [pmin, pmax] = vsn;
    if (vsn.length !== 6 || pmin === 0 || pmax === 0 || (pmin as number) > (pmax as number))
      throw new WireError('versions');
    return vsn;
  }
}

/** One message without the outer layers; what everybody passes on is shared, and must not be changed. @throws WireError */
export function decodeMessage(bytes: Uint8Array, from = 0, to = bytes.length): Message {
  if (from >= to) throw new WireError('truncated');
  const type = bytes[from] as number;
  if (type === wireType.user) return users.of(bytes, readUser, from, to);
  if (!decoded.has(type)) throw new WireError('type');
  if (isClaim(type)) return claims.of(bytes, decodeBody, from, to);
  return decodeBody(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to));
}

const decodeBody = (bytes: Uint8Array): Message =>
  decodeFields(bytes[0] as number, new Fields(new Reader(bytes, 1, bytes.length).map()));

// A copy, not a view: short arrays are kept within their object, unless somebody looks at their buffer.
const readUser = (bytes: Uint8Array): Message => ({ type: 'user', payload: bytes.slice(1) });

const isClaim = (type: number): boolean =>
  type === wireType.alive || type === wireType.suspect || type === wireType.dead;
const claims = new Memo<Message>(16_384);
const users = new Memo<Message>(16_384);
const records = new Memo<PeerRecord>(16_384);
// Meta and versions.
const columns = new Memo<Uint8Array>(16_384);
const asIs = (bytes: Uint8Array): Uint8Array => bytes;

/** One and the same array for equal bytes, most often, not to be changed: to be kept once and compared at a glance. */
export const sharedBytes = (bytes: Uint8Array): Uint8Array =>
  bytes.length === 0 ? noBytes : columns.of(bytes, asIs);

const decoded: ReadonlySet<number> = new Set([
  wireType.ping,
  wireType.indirectPing,
  wireType.ack,
  wireType.nack,
  wireType.suspect,
  wireType.alive,
  wireType.dead,
]);

export function decodeFields(type: number, fields: Fields): Message {
  switch (type) {
    case wireType.ping:
      return {
        type: 'ping',
        seqNo: fields.u32('SeqNo'),
        node: fields.text('Node', nameBytesMax),
        source: fields.source(),
      };
    case wireType.indirectPing:
      return {
        type: 'indirectPing',
        seqNo: fields.u32('SeqNo'),
        target: fields.address('Target', 'Port'),
        node: fields.text('Node', nameBytesMax),
        nack: fields.flag('Nack'),
        source: fields.source(),
      };
    case wireType.ack:
      return { type: 'ack', seqNo: fields.u32('SeqNo'), payload: fields.bytes('Payload', 65_535) };
    case wireType.nack:
      return { type: 'nack', seqNo: fields.u32('SeqNo') };
    case wireType.alive:
      return {
        type: 'alive',
        incarnation: fields.u32('Incarnation'),
        node: fields.name('Node'),
        address: fields.address('Addr', 'Port'),
        meta: fields.meta(),
        vsn: fields.vsn(),
      };
    case wireType.suspect:
    case wireType.dead:
      return {
        type: type === wireType.dead ? 'dead' : 'suspect',
        incarnation: fields.u32('Incarnation'),
        node: fields.name('Node'),
        from: fields.text('From', nameBytesMax),
      };
    default:
      throw new WireError('type');
  }
}

/** The next record of a push/pull: most are as they were the last time, or as another peer has them. @throws WireError */
export function decodePeer(bytes: Uint8Array, reader: Reader): PeerRecord {
  const from = reader.offset;
  reader.skip();
  return records.of(bytes, readPeer, from, reader.offset);
}

function readPeer(bytes: Uint8Array): PeerRecord {
  const fields = new Fields(new Reader(bytes, 0, bytes.length).map());
  return {
    name: fields.name('Name'),
    address: fields.address('Addr', 'Port'),
    meta: fields.meta(),
    incarnation: fields.u32('Incarnation'),
    state: peerStates[fields.count('State', 3)] as PeerState,
    vsn: fields.vsn(),
  };
}

// Our own address goes out with every ping.
const addresses = new WeakMap<Address, Uint8Array>();

function addressBytes(address: Address): Uint8Array {
  const known = addresses.get(address);
  if (known !== undefined) return known;
  const bytes = hostBytes(address.host);
  if (bytes === undefined) throw new Error(`${address.host} is a name, not an address`);
  addresses.set(address, bytes);
  return bytes;
}

function writeSource(writer: Writer, source: PingSource | null): Writer {
  if (source === null) return writer;
  writer.key('SourceAddr').raw(addressBytes(source.address));
  return writer.key('SourceNode').text(source.node).key('SourcePort').uint(source.address.port);
}

/** One message, as it stands in a packet of its own or as a part of a compound. */
export function encodeMessage(message: Message): Uint8Array {
  const writer = new Writer();
  switch (message.type) {
    case 'ping':
      writer.u8(wireType.ping).map(message.source === null ? 2 : 5);
      writer.key('Node').text(message.node).key('SeqNo').uint(message.seqNo);
      return writeSource(writer, message.source).take();
    case 'indirectPing':
      writer.u8(wireType.indirectPing).map(message.source === null ? 5 : 8);
      writer
        .key('Nack')
        .bool(message.nack)
        .key('Node')
        .text(message.node)
        .key('Port')
        .uint(message.target.port);
      writer.key('SeqNo').uint(message.seqNo);
      writeSource(writer, message.source);
      return writer.key('Target').raw(addressBytes(message.target)).take();
    case 'ack':
      writer.u8(wireType.ack).map(2).key('Payload').raw(message.payload);
      return writer.key('SeqNo').uint(message.seqNo).take();
    case 'nack':
      return writer.u8(wireType.nack).map(1).key('SeqNo').uint(message.seqNo).take();
    case 'alive':
      writer.u8(wireType.alive).map(6).key('Addr').raw(addressBytes(message.address));
      writer.key('Incarnation').uint(message.incarnation).key('Meta').raw(message.meta);
      writer.key('Node').text(message.node).key('Port').uint(message.address.port);
      return writer.key('Vsn').raw(message.vsn).take();
    case 'suspect':
    case 'dead':
      writer.u8(wireType[message.type]).map(3).key('From').text(message.from);
      return writer.key('Incarnation').uint(message.incarnation).key('Node').text(message.node).take();
    case 'user':
      return writer.u8(wireType.user).append(message.payload).take();
  }
}

/** Encoded length of a user message: too many are measured to encode each for it. */
export const userBytes = ({ payload }: User): number => 1 + payload.length;

export function writePeer(writer: Writer, peer: PeerRecord): void {
  writer.map(7).key('Addr').raw(addressBytes(peer.address)).key('Incarnation').uint(peer.incarnation);
  writer.key('Meta').raw(peer.meta).key('Name').text(peer.name).key('Port').uint(peer.address.port);
  writer.key('State').uint(peerStates.indexOf(peer.state)).key('Vsn').raw(peer.vsn);
}
