/**
 * One stream with its parser and its writer. Frames leave in few large writes, in one piece each, which is what TLS makes of several
 * buffers anyway. Nothing more is written while the socket holds enough, because what is in the socket can no longer be overtaken.
 */
import { type FrameFault, FrameParser, type FrameSink } from '../wire/parser.ts';
import { headerBytes, writeHeader } from '../wire/frame.ts';
import { helloBytesMax } from '../wire/messages.ts';
import { type Allocate, type Block, smallBytes, Stock, zeroed } from '../wire/blocks.ts';
import type { Bodies } from '../wire/bodies.ts';
import type { Outgoing } from '../core/outgoing.ts';
import { Reading } from '../wire/reading.ts';
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
  readonly reading = new Reading();
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
  /** Pings because of silence. */
  keepalivesSent = 0;
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
  /** Of a frame that did not fit into the socket. */
  #rest: Span | null = null;
  /** Taken from the queue, and without room in the block. */
  #held: Outgoing | null = null;
  /** Bytes given to the stream. */
  #written = 0;
  #writtenBefore = 0;
  readonly #stock: Stock;
  /** What frames are gathered in. */
  #gathering: Block | null = null;

  constructor(
    id: number,
    dialled: string | null,
    sink: FrameSink,
    nowMs: number,
    bodies: Bodies,
    allocate?: Allocate,
  ) {
    this.id = id;
    this.dialled = dialled;
    this.parser = new FrameParser(helloBytesMax, sink, bodies.take);
    this.openedMs = nowMs;
    this.#stock = new Stock(allocate ?? zeroed);
    this.lastHeardMs = nowMs;
    this.#progressMs = nowMs;
    this.#usedMs = nowMs;
  }

  get writable(): boolean {
    return this.stream !== null && !this.closed && !this.#blocked;
  }

  get leftBytes(): number | null {
    const unsent = this.stream?.unsentBytes;
    return unsent === undefined ? null : this.#written - unsent;
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
    const { reading } = this;
    this.#reads++;
    reading.begin(bytes);
    const fault = this.parser.push(bytes);
    reading.end();
    return fault;
  }

  /** What came in, for longer than it is lent. */
  keep(payload: Uint8Array): Uint8Array {
    return this.stream?.lendsReads === true ? this.reading.keep(payload) : payload;
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
      const control = this.#rest === null ? this.#control.shift() : undefined;
      const bytes = control ?? this.#part(room, this.#nextSpan(room, attemptsMax, nowMs));
      if (bytes === null) break;
      if (control !== undefined) this.#written += control.length;
      written += bytes.length;
      this.#writes++;
      if (!stream.write(bytes)) this.#blocked = true;
    }
    return written;
  }

  /** Now and then: lets go of memory that nothing was written to since the last look, and of all when nothing was written at all. */
  rest(): void {
    const isIdle = this.#written === this.#writtenBefore;
    this.#writtenBefore = this.#written;
    this.delivery?.arena.rest(isIdle);
    if (!isIdle) {
      this.#stock.trim();
      return;
    }
    this.#stock.clear();
    if (this.#rest === null) this.#gathering = null;
  }

  /** As much of it as there is room for; the rest is the first of the next. */
  #part(room: number, span: Span | null): Uint8Array | null {
    if (span === null) return null;
    const { block, from } = span;
    const to = Math.min(span.to, from + room);
    if (to < span.to) this.#rest = { block, from: to, to: span.to };
    this.#written += to - from;
    block.lend(this.id, this.#written);
    return block.bytes.subarray(from, to);
  }

  /**
   * Frames that stand in a row, of about `room` bytes: the last one may be cut where they end. Those of many are written where they stand,
   * others are gathered first, because every write has its price: a few bytes alone cost a record and a call of the system's.
   */
  #nextSpan(room: number, attemptsMax: number, nowMs: number): Span | null {
    const { delivery } = this;
    if (delivery === null) return null;
    const rest = this.#rest;
    this.#rest = null;
    // Nothing may come between a frame and its rest.
    if (rest !== null && this.#control.length > 0) return rest;
    const item = this.#held ?? delivery.take(attemptsMax, nowMs);
    this.#held = null;
    if (item === null) {
      if (rest !== null || !delivery.ackIsDue) return rest;
      return this.#gather(delivery, null, null, room, attemptsMax, nowMs);
    }
    if (!isOfMany(item)) return this.#gather(delivery, rest, item, room, attemptsMax, nowMs);
    const { owesAck } = delivery;
    if (!owesAck && (rest === null || follows(rest, item))) {
      return this.#row(delivery, rest, item, room, attemptsMax, nowMs);
    }
    this.#held = item;
    // The rest, what is owed, or both, and then the row.
    return owesAck ? this.#gather(delivery, rest, null, room, attemptsMax, nowMs) : rest;
  }

  /** Frames where they stand. @param rest of the one before them, where that is to leave with them. */
  #row(
    delivery: Delivery,
    rest: Span | null,
    first: Outgoing,
    room: number,
    attemptsMax: number,
    nowMs: number,
  ): Span {
    const block = first.block as Block;
    const span = { block, from: rest?.from ?? first.from - headerBytes, to: first.from - headerBytes };
    for (let item: Outgoing | null = first; item !== null; item = delivery.take(attemptsMax, nowMs)) {
      if (!follows(span, item)) {
        this.#held = item;
        break;
      }
      writeFrame(block.bytes, span.to, item, delivery.takenSequence);
      span.to += headerBytes + item.length;
      if (span.from + room - span.to < begunBytesMin) break;
    }
    return span;
  }

  /** Copies of frames, behind what is owed. @param rest of the one before them, which leaves with them. @param first null: none. */
  #gather(
    delivery: Delivery,
    rest: Span | null,
    first: Outgoing | null,
    room: number,
    attemptsMax: number,
    nowMs: number,
  ): Span {
    const restBytes = rest === null ? 0 : rest.to - rest.from;
    const least = restBytes + ackBytesMax + headerBytes + (first?.length ?? 0);
    const block = this.#blockFor(least, least + delivery.queue.bytes, rest);
    const { bytes, used: from } = block;
    let at = from + restBytes;
    if (rest !== null) bytes.set(rest.block.bytes.subarray(rest.from, rest.to), from);
    if (first === null || delivery.owesAck) at = delivery.writeAck(bytes, at);
    for (let item = first; item !== null; item = delivery.take(attemptsMax, nowMs)) {
      if (bytes.length - at < headerBytes + item.length || (item !== first && isOfMany(item))) {
        this.#held = item;
        break;
      }
      writeFrame(bytes, at, item, delivery.takenSequence);
      at += headerBytes;
      if (item.length > 0) bytes.set(item.bytes.subarray(item.from, item.from + item.length), at);
      at += item.length;
      if (from + room - at < begunBytesMin) break;
    }
    block.used = at;
    return { block, from, to: at };
  }

  /** @param rest stands in some block until it is copied. */
  #blockFor(least: number, wanted: number, rest: Span | null): Block {
    const last = this.#gathering;
    if (last !== null && last !== rest?.block && last.room < wanted && last.isBack(this)) last.empty();
    if (last !== null && last.room >= least) return last;
    const block = this.#stock.take(least, wanted > smallBytes, this);
    if (last !== null) this.#stock.give(last);
    this.#gathering = block;
    return block;
  }
}

/** Frames, or the rest of one, as they stand in a block. */
interface Span {
  readonly block: Block;
  readonly from: number;
  readonly to: number;
}

/** It stands in a block with room for its header, and so much of its kind from there on that it need not be gathered. */
const isOfMany = ({ block, bytes, framed, from }: Outgoing): boolean =>
  framed && bytes === block?.bytes && block.used - from >= rowBytesMin;

/** It stands right behind. */
const follows = ({ block, to }: Span, { block: of, bytes, framed, from }: Outgoing): boolean =>
  of === block && framed && bytes === block.bytes && from === to + headerBytes;

const writeFrame = (into: Uint8Array, at: number, item: Outgoing, sequence: number): void =>
  writeHeader(into, at, item.length, item.type, item.flags, item.typeId, item.stream, sequence);

/** With so much in a row a copy costs more than a write of its own for what is owed. */
const rowBytesMin = 32_768;
/** What one TLS record holds at most (RFC 8446, 5.1). */
const recordBytes = 16_384;
/** ACK, and CREDIT for each priority. */
const ackBytesMax = 5 * headerBytes;
