/** Serf's messages: a type byte, then a msgpack map under Go's field names; they travel as memberlist's user messages. */
import type { Address } from '@cluster/core';
import { noBytes, type RejectReason } from '../core/messages.ts';
import type { EventsOfTime, QueryFilter, SerfMessage, SerfState } from '../serf/messages.ts';
import { type Coordinate, dimensions } from '../serf/vivaldi.ts';
import { hostBytes, hostOf } from './addresses.ts';
import { Fields, nameBytesMax } from './messages.ts';
import { Memo } from './memo.ts';
import { Reader, textOf, type Value, Writer } from './msgpack.ts';
import { reasonOf, WireError } from './wire-error.ts';

const serfType = {
  leave: 0,
  join: 1,
  pushPull: 2,
  event: 3,
  query: 4,
  response: 5,
  conflict: 6,
  keyRequest: 7,
  keyResponse: 8,
  relay: 9,
} as const;

const filterType = { nodes: 0, tag: 1 } as const;
const ackFlag = 1;
const noBroadcastFlag = 2;
const nanosPerMs = 1_000_000;
const filtersMax = 16;
const textBytesMax = 512;

export function encodeSerf(message: SerfMessage): Uint8Array {
  const writer = new Writer();
  switch (message.type) {
    case 'leave':
    case 'join':
      writer.u8(serfType[message.type]).map(message.type === 'leave' ? 3 : 2);
      writer.key('LTime').uint(message.lTime).key('Node').text(message.node);
      return (message.type === 'leave' ? writer.key('Prune').bool(false) : writer).take();
    case 'event':
      writer.u8(serfType.event).map(4).key('CC').bool(message.coalesce).key('LTime').uint(message.lTime);
      return writer.key('Name').text(message.name).key('Payload').raw(message.payload).take();
    case 'query': {
      const flags = (message.acks ? ackFlag : 0) | (message.noBroadcast ? noBroadcastFlag : 0);
      writer.u8(serfType.query).map(11).key('Addr').raw(bytesOf(message.address));
      writer.key('Filters').array(message.filters.length);
      for (const filter of message.filters) writer.raw(encodeFilter(filter));
      writer.key('Flags').uint(flags).key('ID').uint(message.id).key('LTime').uint(message.lTime);
      writer.key('Name').text(message.name).key('Payload').raw(message.payload);
      writer.key('Port').uint(message.address.port).key('RelayFactor').uint(message.relayFactor);
      writer.key('SourceNode').text(message.sourceNode);
      return writer
        .key('Timeout')
        .uint(Math.round(message.timeoutMs * nanosPerMs))
        .take();
    }
    case 'response':
      writer
        .u8(serfType.response)
        .map(5)
        .key('Flags')
        .uint(message.ack ? ackFlag : 0);
      writer.key('From').text(message.from).key('ID').uint(message.id).key('LTime').uint(message.lTime);
      return writer.key('Payload').raw(message.payload).take();
    case 'relay':
      writer.u8(serfType.relay).map(2).key('DestAddr').map(3).key('IP').raw(bytesOf(message.to));
      writer.key('Port').uint(message.to.port).key('Zone').text('');
      return writer.key('DestName').text(message.node).append(message.payload).take();
  }
}

function encodeFilter(filter: QueryFilter): Uint8Array {
  const writer = new Writer();
  if (filter.kind === 'tag')
    return writer
      .u8(filterType.tag)
      .map(2)
      .key('Expr')
      .text(filter.pattern)
      .key('Tag')
      .text(filter.tag)
      .take();
  writer.u8(filterType.nodes).array(filter.nodes.length);
  for (const node of filter.nodes) writer.text(node);
  return writer.take();
}

const bytesOf = ({ host }: Address): Uint8Array => hostBytes(host) ?? noBytes;

/** A message, or why it is refused: never throws for what a peer sent. */
export function decodeSerf(bytes: Uint8Array): SerfMessage | RejectReason {
  try {
    // Intents come in over and over, from everybody who passes them on.
    return bytes[0] === serfType.join || bytes[0] === serfType.leave ? intents.of(bytes, read) : read(bytes);
  } catch (error) {
    return reasonOf(error);
  }
}

const intents = new Memo<SerfMessage>(16_384);

function read(bytes: Uint8Array): SerfMessage {
  const reader = new Reader(bytes, 1, bytes.length);
  const fields = (): Fields => new Fields(reader.map());
  switch (bytes[0]) {
    case serfType.leave:
    case serfType.join: {
      const map = fields();
      const type = bytes[0] === serfType.leave ? 'leave' : 'join';
      return { type, lTime: lTimeOf(map), node: map.name('Node') };
    }
    case serfType.event: {
      const map = fields();
      return {
        type: 'event',
        lTime: lTimeOf(map),
        name: map.text('Name', textBytesMax),
        payload: map.bytes('Payload', bytes.length),
        coalesce: map.flag('CC'),
      };
    }
    case serfType.query:
      return readQuery(fields(), bytes.length);
    case serfType.response: {
      const map = fields();
      return {
        type: 'response',
        lTime: lTimeOf(map),
        id: map.u32('ID'),
        from: map.name('From'),
        ack: (map.u32('Flags') & ackFlag) !== 0,
        payload: map.bytes('Payload', bytes.length),
      };
    }
    case serfType.relay: {
      const map = fields();
      const to = new Fields(mapOf(map.value('DestAddr')));
      const port = to.count('Port', 65_535);
      if (port === 0) throw new WireError('address');
      return {
        type: 'relay',
        to: { host: hostOf(to.bytes('IP', 16)), port },
        node: map.text('DestName', nameBytesMax),
        payload: bytes.slice(reader.offset),
      };
    }
    case undefined:
    default:
      throw new WireError('type');
  }
}

function readQuery(map: Fields, bytesMax: number): SerfMessage {
  const flags = map.u32('Flags');
  const filters = map.value('Filters') ?? [];
  if (!Array.isArray(filters)) throw new WireError('field');
  if (filters.length > filtersMax) throw new WireError('too_large');
  return {
    type: 'query',
    lTime: lTimeOf(map),
    id: map.u32('ID'),
    address: map.address('Addr', 'Port'),
    sourceNode: map.text('SourceNode', nameBytesMax),
    filters: filters.map(readFilter),
    acks: (flags & ackFlag) !== 0,
    noBroadcast: (flags & noBroadcastFlag) !== 0,
    relayFactor: map.count('RelayFactor', 255),
    timeoutMs: wholeOf(map.value('Timeout')) / nanosPerMs,
    name: map.text('Name', textBytesMax),
    payload: map.bytes('Payload', bytesMax),
  };
}

function readFilter(value: Value): QueryFilter {
  if (!(value instanceof Uint8Array)) throw new WireError('field');
  const reader = new Reader(value, 1, value.length);
  if (value[0] === filterType.nodes) {
    const nodes = reader.value();
    if (!Array.isArray(nodes)) throw new WireError('field');
    return { kind: 'nodes', nodes: nodes.map((node: Value) => textValue(node)) };
  }
  if (value[0] !== filterType.tag) throw new WireError('type');
  const map = new Fields(reader.map());
  return { kind: 'tag', tag: map.text('Tag', textBytesMax), pattern: map.text('Expr', textBytesMax) };
}

export function encodeSerfState(state: SerfState): Uint8Array {
  const writer = new Writer().u8(serfType.pushPull).map(6);
  writer.key('EventLTime').uint(state.eventLTime).key('Events').array(state.events.length);
  for (const { lTime, events } of state.events) {
    writer.map(2).key('Events').array(events.length);
    for (const { name, payload } of events) writer.map(2).key('Name').text(name).key('Payload').raw(payload);
    writer.key('LTime').uint(lTime);
  }
  writer.key('LTime').uint(state.lTime).key('LeftMembers').array(state.left.length);
  for (const name of state.left) writer.text(name);
  writer.key('QueryLTime').uint(state.queryLTime).key('StatusLTimes').map(state.statusLTimes.length);
  for (const [name, lTime] of state.statusLTimes) writer.key(name).uint(lTime);
  return writer.take();
}

export function decodeSerfState(bytes: Uint8Array): SerfState | RejectReason {
  try {
    if (bytes[0] !== serfType.pushPull) throw new WireError('type');
    const map = new Fields(new Reader(bytes, 1, bytes.length).map());
    return {
      lTime: lTimeOf(map),
      statusLTimes: [...mapOf(map.value('StatusLTimes') ?? new Map<string, Value>())].map(
        ([name, lTime]) => [name, wholeOf(lTime)] as const,
      ),
      left: arrayOf(map.value('LeftMembers')).map(textValue),
      eventLTime: wholeOf(map.value('EventLTime')),
      // Go's ring has empty places.
      events: arrayOf(map.value('Events'))
        .filter((value) => value !== null)
        .map(readEvents),
      queryLTime: wholeOf(map.value('QueryLTime')),
    };
  } catch (error) {
    return reasonOf(error);
  }
}

function readEvents(value: Value): EventsOfTime {
  const map = mapOf(value);
  const events = arrayOf(map.get('Events')).map((item) => {
    const fields = new Fields(mapOf(item));
    return { name: fields.text('Name', textBytesMax), payload: fields.bytes('Payload', 65_535) };
  });
  return { lTime: wholeOf(map.get('LTime')), events };
}

const coordinateVersion = 1;

/** A coordinate as the payload of an ack. */
export function encodeCoordinate({ vec, error, adjustment, height }: Coordinate): Uint8Array {
  const writer = new Writer().u8(coordinateVersion).map(4).key('Adjustment').f64(adjustment);
  writer.key('Error').f64(error).key('Height').f64(height).key('Vec').array(vec.length);
  for (const value of vec) writer.f64(value);
  return writer.take();
}

/** Null for anything else that an ack may carry. */
export function decodeCoordinate(payload: Uint8Array): Coordinate | null {
  if (payload[0] !== coordinateVersion) return null;
  try {
    const map = new Fields(new Reader(payload, 1, payload.length).map());
    const vec = arrayOf(map.value('Vec')).map(numberOf);
    if (vec.length !== dimensions) return null;
    const [error, adjustment, height] = ['Error', 'Adjustment', 'Height'].map((key) =>
      numberOf(map.value(key)),
    );
    return { vec, error: error ?? 0, adjustment: adjustment ?? 0, height: height ?? 0 };
  } catch (error) {
    reasonOf(error);
    return null;
  }
}

function numberOf(value: Value | undefined): number {
  if (typeof value !== 'number') throw new WireError('field');
  return value;
}

/** What a key request carries. */
export function decodeKeyRequest(payload: Uint8Array): Uint8Array | null {
  try {
    if (payload[0] !== serfType.keyRequest) return null;
    return new Fields(new Reader(payload, 1, payload.length).map()).bytes('Key', 64);
  } catch (error) {
    reasonOf(error);
    return null;
  }
}

export const encodeKeyRequest = (key: Uint8Array): Uint8Array =>
  new Writer().u8(serfType.keyRequest).map(1).key('Key').raw(key).take();

export interface KeyAnswer {
  readonly ok: boolean;
  readonly message: string;
  /** In base64. */
  readonly keys: readonly string[];
  readonly primary: string;
}

export function encodeKeyAnswer({ ok, message, keys, primary }: KeyAnswer): Uint8Array {
  const writer = new Writer().u8(serfType.keyResponse).map(4).key('Keys').array(keys.length);
  for (const key of keys) writer.text(key);
  writer.key('Message').text(message).key('PrimaryKey').text(primary);
  return writer.key('Result').bool(ok).take();
}

/** Null for what is no answer to a key request. */
export function decodeKeyAnswer(payload: Uint8Array): Pick<KeyAnswer, 'ok' | 'message'> | null {
  try {
    if (payload[0] !== serfType.keyResponse) return null;
    const fields = new Fields(new Reader(payload, 1, payload.length).map());
    return { ok: fields.flag('Result'), message: fields.text('Message', textBytesMax) };
  } catch (error) {
    reasonOf(error);
    return null;
  }
}

/** Where a member believes a name to be, in answer to `_serf_conflict`. */
export function encodeNameAnswer(name: string, address: Address, status: number): Uint8Array {
  const writer = new Writer().u8(serfType.conflict).map(5).key('Addr').raw(bytesOf(address));
  writer.key('Name').text(name).key('Port').uint(address.port).key('Status').uint(status);
  return writer.key('Tags').map(0).take();
}

/** Null for what is no answer: also for one who does not know the name. */
export function decodeNameAnswer(payload: Uint8Array): Address | null {
  try {
    if (payload[0] !== serfType.conflict) return null;
    return new Fields(new Reader(payload, 1, payload.length).map()).address('Addr', 'Port');
  } catch (error) {
    reasonOf(error);
    return null;
  }
}

const lTimeOf = (map: Fields): number => wholeOf(map.value('LTime'));

function wholeOf(value: Value | undefined): number {
  if (typeof value === 'bigint') throw new WireError('lamport');
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) throw new WireError('field');
  return value;
}

function textValue(value: Value): string {
  if (!(value instanceof Uint8Array)) throw new WireError('field');
  return textOf(value);
}

function arrayOf(value: Value | undefined): readonly Value[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new WireError('field');
  return value as readonly Value[];
}

function mapOf(value: Value | undefined): ReadonlyMap<string, Value> {
  if (!(value instanceof Map)) throw new WireError('field');
  return value as ReadonlyMap<string, Value>;
}
