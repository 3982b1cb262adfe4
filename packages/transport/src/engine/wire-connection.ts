/**
 * One stream with its parser and its writer. Frames are gathered into one block; a large payload follows its header from where it
 * is; all of a turn leaves together, so that headers are no TLS records of their own; and nothing more is written while the socket
 * holds enough, because what is in the socket can no longer be overtaken. A copied frame is sent again from its block, so that the
 * message itself need not be kept.
 */
import { type FrameFault, FrameParser, type FrameSink } from '../wire/parser.ts';
import { headerBytes, writeHeader } from '../wire/frame.ts';
import { helloBytesMax } from '../wire/messages.ts';
import { type Allocate, Slab, zeroed } from '../wire/slab.ts';
import { Tally } from '../core/tally.ts';
import type { SecureStream } from '../ports.ts';
import type { Delivery } from './delivery.ts';

/** Payloads up to this size are copied into the block; larger ones are written as they are. */
const copyBytesMax = 8192;
/** What may wait in the socket. */
export const socketBytesMax = 131_072;

export class WireConnection {
  readonly id: number;
  readonly parser: FrameParser;
  /** The peer that was dialled; null for one that came in. */
  readonly dialled: string | null;
  stream: SecureStream | null = null;
  /** The session it carries, once admitted. */
  delivery: Delivery | null = null;
  readonly openedMs: number;
  readonly tally = new Tally();
  lastHeardMs: number;
  /** A ping is out: the next byte is news. */
  quiet = false;
  closed = false;
  /** The peer has been told that it is not wanted: what it has said before it read that is of no interest. */
  refused = false;
  #blocked = false;
  /** When the socket last took anything, or had nothing to take, and what was left then. */
  #progressMs: number;
  #unsent = 0;
  /** When it was last seen in use, and the mark of its use then. */
  #usedMs: number;
  #activity = 0;
  readonly #control: Uint8Array[] = [];
  #payload: Uint8Array | null = null;
  #payloadAt = 0;
  readonly #slab: Slab;

  constructor(id: number, dialled: string | null, sink: FrameSink, nowMs: number, allocate?: Allocate) {
    this.id = id;
    this.dialled = dialled;
    this.parser = new FrameParser(helloBytesMax, sink, allocate);
    this.openedMs = nowMs;
    this.#slab = new Slab(allocate ?? zeroed);
    this.lastHeardMs = nowMs;
    this.#progressMs = nowMs;
    this.#usedMs = nowMs;
  }

  get writable(): boolean {
    return this.stream !== null && !this.closed && !this.#blocked;
  }

  get isEmpty(): boolean {
    return this.writable && (this.stream?.unsentBytes ?? 0) === 0;
  }

  receive(bytes: Uint8Array): FrameFault | null {
    return this.parser.push(bytes);
  }

  /** A frame that is not part of the session. It goes before anything that waits, but never into the middle of a payload. */
  writeControl(frame: Uint8Array): void {
    // A peer that pings and does not read must not fill the memory.
    if (this.#control.length < 64) this.#control.push(frame);
  }

  /** Writes control frames even if the socket is full: for the handshake, and for the last words. */
  flushControl(): number {
    let written = 0;
    while (this.stream !== null && !this.closed && this.#payload === null) {
      const frame = this.#control.shift();
      if (frame === undefined) break;
      written += frame.length;
      if (!this.stream.write(frame)) this.#blocked = true;
    }
    return written;
  }

  drained(): void {
    this.#blocked = false;
    // Full again at the next look, it has made progress all the same.
    this.#unsent = Infinity;
  }

  /** How long the socket has held bytes and taken none of them. Exact to the time between two looks. */
  stalledMs(nowMs: number): number {
    const unsent = this.#blocked ? (this.stream?.unsentBytes ?? 0) : -1;
    if (unsent < this.#unsent || unsent < 0) this.#progressMs = nowMs;
    this.#unsent = unsent < 0 ? Infinity : unsent;
    return nowMs - this.#progressMs;
  }

  /** How long nothing has used it. Exact to the time between two looks. */
  unusedMs(nowMs: number, activity: number, isBusy: boolean): number {
    if (isBusy || activity !== this.#activity) this.#usedMs = nowMs;
    this.#activity = activity;
    return nowMs - this.#usedMs;
  }

  /** Writes what the session has, as far as the socket takes it. Returns the bytes written. */
  flush(attemptsMax: number): number {
    const { stream } = this;
    let written = 0;
    if (stream === null || !this.writable) return 0;
    stream.cork?.();
    while (this.writable) {
      const room = socketBytesMax - (stream.unsentBytes ?? 0);
      const bytes = this.#nextSlice(room) ?? this.#control.shift() ?? this.#nextBlock(room, attemptsMax);
      if (bytes === null) break;
      written += bytes.length;
      if (!stream.write(bytes)) this.#blocked = true;
    }
    stream.uncork?.();
    return written;
  }

  /** Lets go of memory that the next frames would be written to. */
  release(): void {
    this.#slab.release();
  }

  #nextSlice(room: number): Uint8Array | null {
    const payload = this.#payload;
    if (payload === null) return null;
    const slice = payload.subarray(this.#payloadAt, this.#payloadAt + room);
    this.#payloadAt += slice.length;
    if (this.#payloadAt >= payload.length) this.#payload = null;
    return slice;
  }

  #nextBlock(room: number, attemptsMax: number): Uint8Array | null {
    const { delivery } = this;
    if (delivery === null) return null;
    const slab = this.#slab;
    const least = ackBytesMax + frameBytesMax;
    // The largest frame has to fit behind all that waits: how long the next is shows only when it is taken.
    const block = slab.reserve(least, least + delivery.queue.bytes);
    const start = slab.at;
    const end = Math.min(block.length, start + room);
    let at = start;
    let acknowledged = !delivery.owesAck;
    while (end - at >= frameBytesMax) {
      const item = delivery.take(attemptsMax);
      if (item === null) break;
      if (!acknowledged) {
        acknowledged = true;
        at = delivery.writeAck(block, at);
      }
      const { bytes, from, length } = item;
      writeHeader(block, at, length, item.type, item.flags, item.typeId, item.stream, delivery.takenSequence);
      at += headerBytes;
      if (length > copyBytesMax) {
        this.#payload = bytes;
        this.#payloadAt = 0;
        break;
      }
      if (length > 0) {
        block.set(bytes.length === length ? bytes : bytes.subarray(from, from + length), at);
        item.bytes = block;
        item.from = at;
      }
      at += length;
    }
    if (at === start && delivery.ackIsDue) at = delivery.writeAck(block, at);
    return at === start ? null : slab.take(at);
  }
}

const frameBytesMax = headerBytes + copyBytesMax;
/** ACK, and CREDIT for each priority. */
const ackBytesMax = 5 * headerBytes;
