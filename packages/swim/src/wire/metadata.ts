/**
 * Metadata messages: a type byte that Serf does not use, the kind, then one msgpack array. They travel as memberlist's user
 * messages, in packets and over streams, and only to members that are known to read them.
 */
import type { RejectReason } from '../core/messages.ts';
import type { MapDelta, MetadataMessage, OwnerVersion, WrittenEntry } from '../metadata/messages.ts';
import { nameBytesMax, nameOf } from './messages.ts';
import { Reader, textOf, type Value, Writer } from './msgpack.ts';
import { reasonOf, WireError } from './wire-error.ts';

/** Serf counts its own types up from 0. */
const metadataType = 0x6d;
const kinds = ['summary', 'digest', 'offer', 'want', 'deltas'] as const;
const u32Max = 0xffff_ffff;

export const isMetadata = (bytes: Uint8Array): boolean => bytes[0] === metadataType;

export function encodeMetadata(message: MetadataMessage): Uint8Array {
  const writer = new Writer().u8(metadataType).u8(kinds.indexOf(message.type));
  switch (message.type) {
    case 'summary':
      return writer.array(2).text(message.from).uint(message.hash).take();
    case 'digest': {
      writer.array(4).text(message.from).text(message.after).text(message.until);
      return writeVersions(writer, message.versions).take();
    }
    case 'offer':
    case 'want':
      return writeVersions(writer.array(2).text(message.from), message.versions).take();
    case 'deltas':
      writer.array(3).text(message.from).bool(message.more).array(message.deltas.length);
      for (const delta of message.deltas) writeDelta(writer, delta);
      return writer.take();
  }
}

function writeVersions(writer: Writer, versions: readonly OwnerVersion[]): Writer {
  writer.array(4 * versions.length);
  for (const { owner, epoch, boot, counter } of versions)
    writer.text(owner).uint(epoch).uint(boot).uint(counter);
  return writer;
}

function writeDelta(writer: Writer, delta: MapDelta): void {
  const { owner, epoch, boot, from, upTo, collectedTo, whole, entries } = delta;
  writer.array(8).text(owner).uint(epoch).uint(boot).uint(from).uint(upTo).uint(collectedTo).bool(whole);
  writer.array(3 * entries.length);
  for (const { key, value, counter } of entries) {
    writer.text(key).uint(counter);
    if (value === null) writer.nil();
    else writer.raw(value);
  }
}

/** A message, or why it is refused: never throws for what a peer sent. */
export function decodeMetadata(bytes: Uint8Array): MetadataMessage | RejectReason {
  try {
    return read(bytes);
  } catch (error) {
    return reasonOf(error);
  }
}

function read(bytes: Uint8Array): MetadataMessage {
  const kind = kinds[bytes[1] ?? kinds.length];
  if (!isMetadata(bytes) || kind === undefined) throw new WireError('type');
  const reader = new Reader(bytes, 2, bytes.length);
  const fields = arrayOf(reader.value());
  if (reader.offset !== bytes.length) throw new WireError('field');
  const from = nameOf(bytesOf(fields[0]));
  switch (kind) {
    case 'summary':
      return { type: kind, from, hash: wholeOf(fields[1]) };
    case 'digest': {
      const [, after, until, versions] = fields;
      return {
        type: kind,
        from,
        after: boundOf(after),
        until: boundOf(until),
        versions: versionsOf(versions),
      };
    }
    case 'offer':
    case 'want':
      return { type: kind, from, versions: versionsOf(fields[1]) };
    case 'deltas':
      return { type: kind, from, more: flagOf(fields[1]), deltas: arrayOf(fields[2]).map(deltaOf) };
  }
}

function versionsOf(value: Value | undefined): readonly OwnerVersion[] {
  return groups(arrayOf(value), 4).map(([owner, epoch, boot, counter]) => ({
    owner: nameOf(bytesOf(owner)),
    epoch: wholeOf(epoch, u32Max),
    boot: wholeOf(boot, u32Max),
    counter: wholeOf(counter),
  }));
}

function deltaOf(value: Value): MapDelta {
  const [owner, epoch, boot, first, last, collected, whole, entries] = arrayOf(value);
  const [from, upTo, collectedTo] = [wholeOf(first), wholeOf(last), wholeOf(collected)];
  if (from > upTo || collectedTo > upTo) throw new WireError('field');
  return {
    owner: nameOf(bytesOf(owner)),
    epoch: wholeOf(epoch, u32Max),
    boot: wholeOf(boot, u32Max),
    from,
    upTo,
    collectedTo,
    whole: flagOf(whole),
    entries: entriesOf(entries, upTo),
  };
}

/** In the order of their writes, each key once. */
function entriesOf(value: Value | undefined, upTo: number): readonly WrittenEntry[] {
  const keys = new Set<string>();
  let before = 0;
  return groups(arrayOf(value), 3).map(([name, written, content]) => {
    const key = textOf(bytesOf(name));
    const counter = wholeOf(written, upTo);
    if (counter <= before || keys.has(key)) throw new WireError('field');
    keys.add(key);
    before = counter;
    // Copied, so that what is kept does not hold on to the packet.
    return { key, counter, value: content === null ? null : bytesOf(content).slice() };
  });
}

function groups(values: readonly Value[], size: number): readonly (readonly Value[])[] {
  if (values.length % size !== 0) throw new WireError('field');
  return Array.from({ length: values.length / size }, (_, at) => values.slice(at * size, (at + 1) * size));
}

function arrayOf(value: Value | undefined): readonly Value[] {
  if (!Array.isArray(value)) throw new WireError('field');
  return value as readonly Value[];
}

function bytesOf(value: Value | undefined): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new WireError('field');
  return value;
}

/** A name that bounds a range; empty where the range is open. */
function boundOf(value: Value | undefined): string {
  const bytes = bytesOf(value);
  if (bytes.length > nameBytesMax) throw new WireError('too_large');
  return textOf(bytes);
}

function flagOf(value: Value | undefined): boolean {
  if (typeof value !== 'boolean') throw new WireError('field');
  return value;
}

function wholeOf(value: Value | undefined, max: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max)
    throw new WireError('field');
  return value;
}
