/**
 * One stream with its parser and its writer. Frames are gathered into one block and written at once; a large payload follows its
 * header in slices; and nothing more is written while the socket holds enough, because what is in the socket can no longer
 * be overtaken.
 */
import { type FrameFault, FrameParser, type FrameSink } from '../wire/parser.ts';
import { headerBytes, writeHeader } from '../wire/frame.ts';
import { helloBytesMax } from '../wire/messages.ts';
import type { SecureStream } from '../ports.ts';
import type { Delivery } from './delivery.ts';
import type { Outgoing } from '../core/outgoing.ts';

/** Payloads up to this size are copied into the block; larger ones are written as they are. */
const copyBytesMax = 16_384;
export const blockBytes = 65_536;

export class WireConnection {
  readonly id: number;
  readonly parser: FrameParser;
  /** The peer that was dialled; null for one that came in. */
  readonly dialled: string | null;
  stream: SecureStream | null = null;
  /** The session it carries, once admitted. */
  delivery: Delivery | null = null;
  lastHeardMs: number;
  /** A ping is out: the next byte is news. */
  quiet = false;
  closed = false;
  #blocked = false;
  readonly #control: Uint8Array[] = [];
  #payload: Uint8Array | null = null;
  #payloadAt = 0;
  readonly #batch: Outgoing[] = [];
  readonly #sequences: number[] = [];

  constructor(id: number, dialled: string | null, sink: FrameSink, nowMs: number) {
    this.id = id;
    this.dialled = dialled;
    this.parser = new FrameParser(helloBytesMax, sink);
    this.lastHeardMs = nowMs;
  }

  get writable(): boolean {
    return this.stream !== null && !this.closed && !this.#blocked;
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
  }

  /** Writes what the session has, as far as the socket takes it. Returns the bytes written. */
  flush(allocate: (bytes: number) => Uint8Array, attemptsMax: number): number {
    const { stream } = this;
    let written = 0;
    if (stream === null) return 0;
    while (this.writable) {
      const bytes = this.#nextSlice() ?? this.#control.shift() ?? this.#nextBlock(allocate, attemptsMax);
      if (bytes === null) break;
      written += bytes.length;
      if (!stream.write(bytes)) this.#blocked = true;
    }
    return written;
  }

  #nextSlice(): Uint8Array | null {
    const payload = this.#payload;
    if (payload === null) return null;
    const slice = payload.subarray(this.#payloadAt, this.#payloadAt + blockBytes);
    this.#payloadAt += slice.length;
    if (this.#payloadAt >= payload.length) this.#payload = null;
    return slice;
  }

  #nextBlock(allocate: (bytes: number) => Uint8Array, attemptsMax: number): Uint8Array | null {
    const { delivery } = this;
    if (delivery === null) return null;
    const batch = this.#batch;
    const sequences = this.#sequences;
    let total = delivery.owesAck ? headerBytes : 0;
    while (total < blockBytes) {
      const item = delivery.take(attemptsMax);
      if (item === null) break;
      batch.push(item);
      sequences.push(delivery.takenSequence);
      if (item.bytes.length > copyBytesMax) {
        total += headerBytes;
        this.#payload = item.bytes;
        this.#payloadAt = 0;
        break;
      }
      total += headerBytes + item.bytes.length;
    }
    if (batch.length === 0 && !delivery.ackIsDue) return null;
    const block = allocate(total);
    let at = delivery.owesAck ? delivery.writeAck(block, 0) : 0;
    for (let i = 0; i < batch.length; i++) {
      const { bytes, type, flags, typeId, stream } = batch[i] as Outgoing;
      writeHeader(block, at, bytes.length, type, flags, typeId, stream, sequences[i] as number);
      at += headerBytes;
      if (bytes.length > copyBytesMax) break;
      block.set(bytes, at);
      at += bytes.length;
    }
    batch.length = 0;
    sequences.length = 0;
    return block;
  }
}
