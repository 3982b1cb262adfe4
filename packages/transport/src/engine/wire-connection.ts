/**
 * One stream with its parser and its writer. Frames are copied into one block and written at once, which is what TLS does with
 * several buffers anyway; what is sent again is taken from there, so that the messages themselves need not be kept. Nothing more
 * is written while the socket holds enough, because what is in the socket can no longer be overtaken.
 */
import { type FrameFault, FrameParser, type FrameSink } from '../wire/parser.ts';
import { headerBytes, writeHeader } from '../wire/frame.ts';
import { helloBytesMax } from '../wire/messages.ts';
import { type Allocate, type Progress, Slab, zeroed } from '../wire/slab.ts';
import type { Outgoing } from '../core/outgoing.ts';
import { Tally } from '../core/tally.ts';
import type { SecureStream } from '../ports.ts';
import type { Delivery } from './delivery.ts';

/** With less room nothing is begun: a frame of which a part must wait cannot be overtaken by what is more urgent, and few are larger. */
const begunBytesMin = 8208;
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
  /** The peer has been told that it is not wanted, or has been admitted on another: what still comes is of no interest. */
  refused = false;
  /** When the next is to be made, because certificates have been replaced since this one was begun; null: they have not. */
  renewAtMs: number | null = null;
  /** Of each direction, at most so many that TLS has made of what was written, and at least as many as were read. */
  #writes = 0;
  #reads = 0;
  #blocked = false;
  /** When the socket last took anything, or had nothing to take, and what was left then. */
  #progressMs: number;
  #unsent = 0;
  /** The oldest frame that was not acknowledged then. */
  #first = 0;
  /** When it was last seen in use, and the mark of its use then. */
  #usedMs: number;
  #activity = 0;
  readonly #control: Uint8Array[] = [];
  #rest: Uint8Array | null = null;
  /** Taken from the queue, and without room in the block. */
  #held: Outgoing | null = null;
  /** Bytes given to the stream. */
  #written = 0;
  #writtenBefore = 0;
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

  /** TLS records protected with its keys, in the direction that has seen more of them. */
  get records(): number {
    const { bytesSent, bytesReceived } = this.tally;
    const sent = this.#writes + Math.floor(bytesSent / recordBytes);
    return Math.max(sent, this.#reads, Math.ceil(bytesReceived / recordBytes));
  }

  receive(bytes: Uint8Array): FrameFault | null {
    this.#reads++;
    return this.parser.push(bytes);
  }

  /** Frames that are not part of the session, and wait: who writes them bounds them. */
  get controlFrames(): number {
    return this.#control.length;
  }

  /** A frame that is not part of the session. It goes before anything that waits, but never into the middle of a frame. */
  writeControl(frame: Uint8Array): void {
    this.#control.push(frame);
  }

  /** Writes control frames even if the socket is full: for the handshake, and for the last words. */
  flushControl(): number {
    let written = 0;
    while (this.stream !== null && !this.closed && this.#rest === null) {
      const frame = this.#control.shift();
      if (frame === undefined) break;
      written += frame.length;
      this.#written += frame.length;
      if (!this.stream.write(frame)) this.#blocked = true;
    }
    return written;
  }

  drained(): void {
    this.#blocked = false;
    // Full again at the next look, it has made progress all the same.
    this.#unsent = Infinity;
  }

  /** How long something has waited, and the socket has taken nothing, and the peer acknowledged nothing. Exact to the time between two looks. */
  stalledMs(nowMs: number): number {
    const { delivery } = this;
    const waits = this.#blocked || delivery?.isHeldBack === true;
    const unsent = this.stream?.unsentBytes ?? 0;
    const first = delivery?.firstUnacknowledged ?? 0;
    if (!waits || unsent < this.#unsent || first !== this.#first) this.#progressMs = nowMs;
    this.#unsent = waits ? unsent : Infinity;
    this.#first = first;
    return nowMs - this.#progressMs;
  }

  /** How long nothing has used it. Exact to the time between two looks. */
  unusedMs(nowMs: number, activity: number, isBusy: boolean): number {
    if (isBusy || activity !== this.#activity) this.#usedMs = nowMs;
    this.#activity = activity;
    return nowMs - this.#usedMs;
  }

  /** Writes what the session has, as far as the socket takes it. Returns the bytes written. */
  flush(attemptsMax: number, nowMs: number): number {
    const { stream } = this;
    let written = 0;
    if (stream === null || !this.writable) return 0;
    while (this.writable) {
      const room = socketBytesMax - (stream.unsentBytes ?? 0);
      let bytes = this.#control.length > 0 ? this.#nextUrgent() : this.#nextPiece(room, attemptsMax, nowMs);
      if (bytes === null) break;
      if (bytes.length > room) {
        this.#rest = bytes.subarray(room);
        bytes = bytes.subarray(0, room);
      }
      written += bytes.length;
      this.#written += bytes.length;
      this.#writes++;
      if (!stream.write(bytes)) this.#blocked = true;
    }
    return written;
  }

  /** When nothing has been written since the last look: lets go of memory that the next frames would be written to. */
  rest(): void {
    if (this.#written === this.#writtenBefore) this.#slab.release();
    this.#writtenBefore = this.#written;
  }

  /** A control frame, but first what did not fit into the socket with its beginning: nothing may come between. */
  #nextUrgent(): Uint8Array | null {
    const rest = this.#rest;
    this.#rest = null;
    return rest ?? this.#control.shift() ?? null;
  }

  /**
   * Frames in one piece, of about `room` bytes: the last one may be cut where they end. What was cut off the last time stands before them,
   * because every write has its price: a few bytes alone cost a record and a call of the system's.
   */
  #nextPiece(room: number, attemptsMax: number, nowMs: number): Uint8Array | null {
    const { delivery } = this;
    if (delivery === null) return null;
    let item = this.#held ?? delivery.take(attemptsMax, nowMs);
    this.#held = null;
    const rest = this.#rest;
    this.#rest = null;
    if (item === null && (rest !== null || !delivery.ackIsDue)) return rest;
    const slab = this.#slab;
    const least = ackBytesMax + headerBytes + (item?.length ?? 0);
    slab.reserve(least, least + delivery.queue.bytes, this.#progress, rest);
    const { bytes: block, at: start, from: begun } = slab;
    let at = item === null || delivery.owesAck ? delivery.writeAck(block, start) : start;
    while (item !== null) {
      const { bytes, from, length } = item;
      if (block.length - at < headerBytes + length) {
        this.#held = item;
        break;
      }
      writeHeader(block, at, length, item.type, item.flags, item.typeId, item.stream, delivery.takenSequence);
      at += headerBytes;
      if (length > 0) {
        block.set(bytes.length === length ? bytes : bytes.subarray(from, from + length), at);
        item.bytes = block;
        item.from = at;
        at += length;
      }
      if (begun + room - at < begunBytesMin) break;
      item = delivery.take(attemptsMax, nowMs);
    }
    return slab.take(at);
  }

  readonly #progress = (): Progress => {
    const { delivery, stream } = this;
    const unsent = stream?.unsentBytes;
    return {
      // One that is held counts: a block is free a frame later.
      taken: delivery?.takenSequence ?? 0,
      unacknowledged: delivery?.firstUnacknowledged ?? 0,
      written: this.#written,
      left: unsent === undefined ? null : this.#written - unsent,
    };
  };
}

/** What one TLS record holds at most (RFC 8446, 5.1). */
const recordBytes = 16_384;
/** ACK, and CREDIT for each priority. */
const ackBytesMax = 5 * headerBytes;
