/**
 * msgpack as Go's memberlist writes it: the old specification, where one "raw" type serves for text and bytes alike.
 *
 * A library made for the current specification decodes raw as text and destroys addresses on the way, so this reader hands raw
 * out as bytes and leaves it to the field to know what it is. It reads the newer str8 and bin types too, and no extensions.
 * Every length is held against what is there before anything is allocated.
 */
import { Memo } from './memo.ts';
import { WireError } from './wire-error.ts';

export type Value =
  | null
  | boolean
  | number
  | bigint
  | Uint8Array
  | readonly Value[]
  | ReadonlyMap<string, Value>;

// No message of the protocol nests deeper; Serf's push/pull state reaches five.
const depthMax = 8;
const utf8 = new TextDecoder('utf-8', { fatal: true });
const encoder = new TextEncoder();

// Field names and members' names: one string for each, however often it comes.
const texts = new Memo<string>(16_384);

export const textOf = (bytes: Uint8Array): string => texts.of(bytes, decodeText);

function decodeText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new WireError('field');
  }
}

export class Reader {
  readonly #bytes: Uint8Array;
  readonly #rawMax: number;
  #lastView: DataView | null = null;
  offset: number;

  /** @param rawMax longest raw accepted, in bytes: what a stream has not delivered yet is not worth waiting for beyond it. */
  constructor(bytes: Uint8Array, offset: number, rawMax: number) {
    this.#bytes = bytes;
    this.#rawMax = rawMax;
    this.offset = offset;
  }

  /** Made only for the rare wide numbers, of which a coordinate has eleven: a reader is made for every message. */
  get #view(): DataView {
    return (this.#lastView ??= new DataView(
      this.#bytes.buffer,
      this.#bytes.byteOffset,
      this.#bytes.byteLength,
    ));
  }

  value(depth = 0): Value {
    if (depth > depthMax) throw new WireError('nesting');
    const tag = this.#uint(1);
    if (tag <= 0x7f) return tag;
    if (tag >= 0xe0) return tag - 0x100;
    if (tag <= 0x8f) return this.#map(tag & 0x0f, depth);
    if (tag <= 0x9f) return this.#array(tag & 0x0f, depth);
    if (tag <= 0xbf) return this.#raw(tag & 0x1f);
    switch (tag) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xd9:
        return this.#raw(this.#uint(1));
      case 0xc5:
      case 0xda:
        return this.#raw(this.#uint(2));
      case 0xc6:
      case 0xdb:
        return this.#raw(this.#uint(4));
      case 0xca:
        return this.#view.getFloat32(this.#advance(4));
      case 0xcb:
        return this.#view.getFloat64(this.#advance(8));
      case 0xcc:
        return this.#uint(1);
      case 0xcd:
        return this.#uint(2);
      case 0xce:
        return this.#uint(4);
      case 0xcf:
        return narrow(this.#view.getBigUint64(this.#advance(8)));
      case 0xd0:
        return this.#view.getInt8(this.#advance(1));
      case 0xd1:
        return this.#view.getInt16(this.#advance(2));
      case 0xd2:
        return this.#view.getInt32(this.#advance(4));
      case 0xd3:
        return narrow(this.#view.getBigInt64(this.#advance(8)));
      case 0xdc:
        return this.#array(this.#uint(2), depth);
      case 0xdd:
        return this.#array(this.#uint(4), depth);
      case 0xde:
        return this.#map(this.#uint(2), depth);
      case 0xdf:
        return this.#map(this.#uint(4), depth);
      default:
        throw new WireError('field');
    }
  }

  /** A value that must be a map. */
  map(): ReadonlyMap<string, Value> {
    const value = this.value();
    if (!(value instanceof Map)) throw new WireError('field');
    return value as ReadonlyMap<string, Value>;
  }

  /** Passes over a value, held to the same bounds as one that is read. */
  skip(depth = 0): void {
    if (depth > depthMax) throw new WireError('nesting');
    const tag = this.#uint(1);
    if (tag <= 0x7f || tag >= 0xe0) return;
    if (tag <= 0x8f) return this.#skipAll(2 * (tag & 0x0f), depth);
    if (tag <= 0x9f) return this.#skipAll(tag & 0x0f, depth);
    if (tag <= 0xbf) return this.#skipRaw(tag & 0x1f);
    switch (tag) {
      case 0xc0:
      case 0xc2:
      case 0xc3:
        return;
      case 0xcc:
      case 0xd0:
        return void this.#advance(1);
      case 0xcd:
      case 0xd1:
        return void this.#advance(2);
      case 0xca:
      case 0xce:
      case 0xd2:
        return void this.#advance(4);
      case 0xcb:
      case 0xcf:
      case 0xd3:
        return void this.#advance(8);
      case 0xc4:
      case 0xd9:
        return this.#skipRaw(this.#uint(1));
      case 0xc5:
      case 0xda:
        return this.#skipRaw(this.#uint(2));
      case 0xc6:
      case 0xdb:
        return this.#skipRaw(this.#uint(4));
      case 0xdc:
        return this.#skipAll(this.#uint(2), depth);
      case 0xdd:
        return this.#skipAll(this.#uint(4), depth);
      case 0xde:
        return this.#skipAll(2 * this.#uint(2), depth);
      case 0xdf:
        return this.#skipAll(2 * this.#uint(4), depth);
      default:
        throw new WireError('field');
    }
  }

  /** The next bytes as they are. */
  bytes(length: number): Uint8Array {
    const start = this.#advance(length);
    return this.#bytes.subarray(start, start + length);
  }

  #map(size: number, depth: number): ReadonlyMap<string, Value> {
    // An entry takes two bytes at the least, so a count beyond that is not waited for, nor allocated.
    this.#expect(size * 2);
    const map = new Map<string, Value>();
    for (let i = 0; i < size; i++) {
      const key = this.#key(depth + 1);
      map.set(key, this.value(depth + 1));
    }
    return map;
  }

  #key(depth: number): string {
    const tag = this.#bytes[this.offset];
    // A short text, as every field's name is: read where it stands.
    if (tag !== undefined && tag >= 0xa0 && tag <= 0xbf && depth <= depthMax) {
      this.offset++;
      this.#skipRaw(tag & 0x1f);
      return texts.of(this.#bytes, decodeText, this.offset - (tag & 0x1f), this.offset);
    }
    const key = this.value(depth);
    if (!(key instanceof Uint8Array)) throw new WireError('field');
    return textOf(key);
  }

  #array(size: number, depth: number): readonly Value[] {
    this.#expect(size);
    const items: Value[] = [];
    for (let i = 0; i < size; i++) items.push(this.value(depth + 1));
    return items;
  }

  #raw(length: number): Uint8Array {
    if (length > this.#rawMax) throw new WireError('too_large');
    return this.bytes(length);
  }

  #skipRaw(length: number): void {
    if (length > this.#rawMax) throw new WireError('too_large');
    this.#advance(length);
  }

  #skipAll(count: number, depth: number): void {
    this.#expect(count);
    for (let i = 0; i < count; i++) this.skip(depth + 1);
  }

  #uint(width: 1 | 2 | 4): number {
    let value = 0;
    const end = this.#advance(width) + width;
    for (let at = end - width; at < end; at++) value = value * 256 + (this.#bytes[at] as number);
    return value;
  }

  #advance(length: number): number {
    const at = this.offset;
    this.#expect(length);
    this.offset += length;
    return at;
  }

  #expect(length: number): void {
    if (this.offset + length > this.#bytes.length) throw new WireError('truncated');
  }
}

const narrow = (value: bigint): number | bigint =>
  value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;

const none = new Uint8Array(0);
const scratchBytes = 2048;
// Of the writer that was ended last, for the next one to begin in.
let spare: DataView | null = null;
let spareBytes: Uint8Array = none;

/** Grows as it is written to; `take` ends it. */
export class Writer {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor() {
    this.#bytes = spare === null ? new Uint8Array(scratchBytes) : spareBytes;
    this.#view = spare ?? new DataView(this.#bytes.buffer);
    spare = null;
  }

  u8(value: number): this {
    const at = this.#grow(1);
    this.#bytes[at] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.#grow(2);
    this.#view.setUint16(at, value);
    return this;
  }

  u32(value: number): this {
    const at = this.#grow(4);
    this.#view.setUint32(at, value);
    return this;
  }

  append(bytes: Uint8Array): this {
    const { length } = bytes;
    const at = this.#grow(length);
    const into = this.#bytes;
    // Short ones, which most are, cost less by hand.
    if (length > 64) into.set(bytes, at);
    else for (let i = 0; i < length; i++) into[at + i] = bytes[i] as number;
    return this;
  }

  map(size: number): this {
    if (size < 16) return this.u8(0x80 | size);
    return size < 0x1_0000 ? this.u8(0xde).u16(size) : this.u8(0xdf).u32(size);
  }

  key(name: string): this {
    return this.text(name);
  }

  text(text: string): this {
    return this.#ascii(text) ? this : this.raw(encoder.encode(text));
  }

  /** The usual case without an encoder: a short text of one byte a letter. False, with nothing written, for any other. */
  #ascii(text: string): boolean {
    const { length } = text;
    if (length >= 32) return false;
    for (let i = 0; i < length; i++) if (text.charCodeAt(i) >= 0x80) return false;
    const at = this.#grow(length + 1);
    this.#bytes[at] = 0xa0 | length;
    for (let i = 0; i < length; i++) this.#bytes[at + 1 + i] = text.charCodeAt(i);
    return true;
  }

  raw(bytes: Uint8Array): this {
    const { length } = bytes;
    if (length < 32) this.u8(0xa0 | length);
    else if (length < 0x1_0000) this.u8(0xda).u16(length);
    else this.u8(0xdb).u32(length);
    return this.append(bytes);
  }

  array(size: number): this {
    if (size < 16) return this.u8(0x90 | size);
    return size < 0x1_0000 ? this.u8(0xdc).u16(size) : this.u8(0xdd).u32(size);
  }

  f64(value: number): this {
    this.u8(0xcb);
    const at = this.#grow(8);
    this.#view.setFloat64(at, value);
    return this;
  }

  /** An unsigned integer, as small as it can be written. */
  uint(value: number): this {
    if (value > 0xffff_ffff)
      return this.u8(0xcf)
        .u32(Math.floor(value / 2 ** 32))
        .u32(value % 2 ** 32);
    if (value < 0x80) return this.u8(value);
    if (value < 0x100) return this.u8(0xcc).u8(value);
    return value < 0x1_0000 ? this.u8(0xcd).u16(value) : this.u8(0xce).u32(value);
  }

  nil(): this {
    return this.u8(0xc0);
  }

  bool(value: boolean): this {
    return this.u8(value ? 0xc3 : 0xc2);
  }

  get length(): number {
    return this.#length;
  }

  /** What is written from there on; valid until more is. */
  view(from: number): Uint8Array {
    return this.#bytes.subarray(from, this.#length);
  }

  /** Writes over a number that was written before. */
  putU32(at: number, value: number): void {
    this.#view.setUint32(at, value);
  }

  take(): Uint8Array {
    const written = this.#bytes.slice(0, this.#length);
    if (this.#bytes.length === scratchBytes) {
      spare = this.#view;
      spareBytes = this.#bytes;
    }
    // Whoever writes on writes into a buffer of its own.
    this.#bytes = none;
    this.#length = 0;
    return written;
  }

  /** Makes room first: the caller must not have taken hold of the buffer or its view before. */
  #grow(length: number): number {
    const at = this.#length;
    this.#length += length;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}
