/** Frames that a peer might say: well made, and now and then wrong in what they say. */
import { deflateRawSync } from 'node:zlib';
import type { Prng } from '@cluster/core';
import {
  encodeFrame,
  flagBits,
  type FrameType,
  frameTypes,
  headerBytes,
  writeHeader,
} from '@cluster/transport';

/** Of the wire: a larger message comes in pieces of this size. */
const wholeBytesMax = 73_728;
const chunkBytes = 65_536;
const u32 = 0xffff_ffff;
const empty = new Uint8Array(0);
const first = frameTypes.message;
const {
  message,
  request,
  response,
  error,
  cancel,
  chunk,
  open,
  data,
  end,
  reset,
  window,
  ack,
  credit,
  ping,
  pong,
} = frameTypes;

/** Types by how often they come. */
const usual: readonly FrameType[] = [
  message,
  message,
  request,
  request,
  open,
  data,
  data,
  data,
  end,
  reset,
  ack,
  ack,
];
const seldom: readonly FrameType[] = [
  response,
  error,
  cancel,
  chunk,
  window,
  credit,
  ping,
  pong,
  frameTypes.void,
];
const never: readonly FrameType[] = [
  frameTypes.hello,
  frameTypes.helloAck,
  frameTypes.goaway,
  frameTypes.refused,
];

/** Of what a peer says in a session, as far as it knows itself. */
export class Speech {
  /** The last number that the victim has taken, and the last that it has used. */
  taken = 0;
  used = 0;
  /** It acknowledges nothing more. */
  withholds = false;
  #acknowledged = 0;
  #sessionId = '';
  /** Streams that are open, by number. */
  #open: number[] = [];
  #streams = 0;
  /** Of them, those that the victim has certainly heard of. */
  #heard = 0;

  /** A connection has begun, and with it another session or the same. */
  begin(sessionId: string, taken: number): void {
    this.taken = taken;
    if (sessionId !== this.#sessionId) {
      this.#sessionId = sessionId;
      this.#streams = 0;
      this.#heard = 0;
      this.used = 0;
      this.#acknowledged = 0;
    }
    this.#open = this.#open.filter((id) => id >>> 2 <= this.#heard);
  }

  /** All that was said has been taken. */
  heard(): void {
    this.#heard = this.#streams;
  }

  /** One frame, with fields of which most are plausible. */
  frame(prng: Prng, typeIds: readonly number[]): Uint8Array {
    const kind = prng.float();
    const wanted = prng.pick(kind < 0.9 ? usual : kind < 0.9995 ? seldom : never) ?? message;
    const isOfStream = wanted > open;
    const type = isOfStream && this.#open.length === 0 ? open : wanted;
    const isTraced = (type === message || type === request || type === open) && prng.chance(0.1);
    const priority = prng.below(4);
    let flags = priority | (isTraced ? flagBits.traced : 0);
    if (prng.chance(0.005)) flags = prng.below(flagBits.all + 1);
    const isCompressed = (type === message || type === request || type === response) && prng.chance(0.05);
    if (isCompressed) flags |= flagBits.compressed;
    const plain = isTraced
      ? new Uint8Array(25 + prng.below(40)).fill(1 + prng.below(255))
      : bodyOf(prng, type);
    const body = isCompressed ? compressed(prng, plain) : plain;
    const bySender = type > open ? (prng.chance(0.995) ? 1 : 0) : null;
    const typeId = bySender ?? (prng.chance(0.01) ? prng.below(0x10000) : (prng.pick(typeIds) ?? 0));
    const stream = prng.chance(0.002) ? prng.below(u32) : this.#stream(prng, type, priority);
    // The lowest two bits of a stream's number are its priority.
    if (type === open) flags = (flags & ~flagBits.priority) | (stream & flagBits.priority);
    const frame = encodeFrame(type, body);
    const number = prng.chance(0.001) ? prng.below(u32) : this.#number(type);
    writeHeader(frame, 0, body.length, type, flags, typeId, stream, number);
    return frame;
  }

  /** A message in two chunks, with a mistake now and then. */
  large(prng: Prng, typeIds: readonly number[]): Uint8Array {
    const total = prng.between(wholeBytesMax + 1, 100_000);
    const length = total - chunkBytes - (prng.chance(0.1) ? 1 : 0);
    const priority = prng.below(4);
    const bytes = new Uint8Array(2 * headerBytes + chunkBytes + length);
    const first = (this.taken + 1) >>> 0;
    writeHeader(bytes, 0, chunkBytes, chunk, priority, 0, total, first);
    const flags = priority | flagBits.completes;
    const typeId = prng.pick(typeIds) ?? 0;
    const at = headerBytes + chunkBytes;
    writeHeader(bytes, at, length, message, flags, typeId, 0, (first + 1) >>> 0);
    return bytes;
  }

  /** Gives the numbered frames in these bytes the numbers that are due, as far as they can be told apart. */
  renumber(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let next = this.taken;
    for (let at = 0; at + headerBytes <= bytes.length;) {
      const type = bytes[at + 4] as number;
      if (type >= first) view.setUint32(at + 12, (next = (next + 1) >>> 0));
      else if (type === ack) view.setUint32(at + 12, this.#acknowledge());
      at += headerBytes + view.getUint32(at);
    }
  }

  #stream(prng: Prng, type: FrameType, priority: number): number {
    if (type === open) {
      const id = ++this.#streams * 4 + priority;
      this.#open.push(id);
      return id;
    }
    if (type > open) {
      const index = prng.below(this.#open.length);
      const id = this.#open[index] as number;
      if (type === end || type === reset) this.#open.splice(index, 1);
      return id;
    }
    if (type === chunk) return prng.below(70_000);
    if (type === frameTypes.void) return prng.chance(0.9) ? 0 : prng.below(2000);
    return prng.below(40);
  }

  #number(type: FrameType): number {
    if (type >= first) return (this.taken + 1) >>> 0;
    return type === ack ? this.#acknowledge() : 0;
  }

  #acknowledge(): number {
    if (!this.withholds) this.#acknowledged = this.used;
    return this.#acknowledged;
  }
}

/** As it is announced and made, most of the time. */
function compressed(prng: Prng, plain: Uint8Array): Uint8Array {
  const whole = new Uint8Array(plain.length + 100);
  whole.set(plain);
  const packed = deflateRawSync(whole);
  const body = new Uint8Array(4 + packed.length);
  body.set(packed, 4);
  const claimed = prng.chance(0.05) ? prng.below(u32) : whole.length;
  new DataView(body.buffer).setUint32(0, claimed);
  if (prng.chance(0.05)) body[4 + prng.below(packed.length)] = prng.below(256);
  return body;
}

function bodyOf(prng: Prng, type: FrameType): Uint8Array {
  if (type === window) return Uint8Array.of(0, 0, 0, prng.below(64));
  if (type === frameTypes.void || type === end || type === open || type < first) return empty;
  return new Uint8Array(prng.chance(0.01) ? prng.below(20_000) : prng.below(60)).fill(prng.below(256));
}
