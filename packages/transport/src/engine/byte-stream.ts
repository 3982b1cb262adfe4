/**
 * One stream of bytes each way between two nodes, without promises. Its modes are the stream machine's; this is what flows: what
 * the writer has given and the peer has no room for yet, and what the reader has been given and has not finished with.
 */
import { assert, type ClusterError } from '@cluster/core';
import { Fifo } from '../core/fifo.ts';
import { peerOf } from '../core/identity.ts';
import type { Priority } from '../core/outgoing.ts';
import type { StreamEvent } from '../core/stream.machine.ts';
import { Tally } from '../core/tally.ts';
import { streamClosed, streamFull } from '../errors.ts';

export interface StreamHandlers {
  /** `bytes` is a view into what was read: copy what you keep. The peer may send as much again after `consume`. */
  onData(bytes: Uint8Array): void;
  /** The peer has sent its last byte. */
  onEnd(): void;
  /** The stream is gone, in both directions. */
  onReset(error: ClusterError): void;
  /** Everything given to `write` is on its way, after it has said false. */
  onDrain?(): void;
  /** It is over, and everything that came has been read. */
  onGone?(): void;
}

/** What a stream needs of the peer it goes to. */
export interface StreamCarrier {
  /** Of so many bytes, how many may be sent now. */
  room(stream: ByteStream, bytes: number): number;
  /** Sends them; they must not change any more. */
  sendData(stream: ByteStream, bytes: Uint8Array): void;
  sendWindow(stream: ByteStream, bytes: number): void;
  /** It could not send all it has: `pump` when there is room. */
  blocked(stream: ByteStream): void;
  /** Nothing holds a stream that is over any more: its reader has taken everything, and its handler has finished. */
  vacated(stream: ByteStream): void;
  tell(stream: ByteStream, event: StreamEvent): void;
}

/** The largest piece of a stream in one frame: small enough for others to come between. */
const pieceBytes = 32_768;

export class ByteStream {
  /** The line it is on. */
  readonly peer: string;
  /** Who is at the other end. */
  readonly node: string;
  readonly id: number;
  /** Opened by this side. */
  readonly ours: boolean;
  readonly typeId: number;
  readonly priority: Priority;
  /** W3C trace context, if who opened it has given one. */
  readonly traceparent: string | undefined;
  handlers: StreamHandlers;
  readonly tally = new Tally();
  /** Nothing more comes. */
  peerEnded = false;
  /** Unread bytes with which it was over. */
  lingeringBytes = 0;
  /** Bytes that the reader may have waiting; its peer is told. */
  readonly #windowBytes: number;
  readonly #carrier: StreamCarrier;
  readonly #pending = new Fifo<Uint8Array>();
  #pendingAt = 0;
  #pendingBytes = 0;
  /** What the peer still takes; 0 until it is known. */
  #credit = 0;
  /** Sent, and not known to be consumed. */
  #outstanding = 0;
  /** Received, and not given back. */
  #unread = 0;
  #unannounced = 0;
  #owesDrain = false;
  #ending = false;
  #saidEnd = false;
  #closed = false;
  #dead = false;
  #isAttended = false;
  #isGone = false;

  constructor(
    at: Pick<ByteStream, 'peer' | 'id' | 'ours' | 'typeId' | 'priority' | 'traceparent' | 'handlers'>,
    windowBytes: number,
    carrier: StreamCarrier,
  ) {
    this.peer = at.peer;
    this.node = peerOf(at.peer);
    this.id = at.id;
    this.ours = at.ours;
    this.typeId = at.typeId;
    this.priority = at.priority;
    this.traceparent = at.traceparent;
    this.handlers = at.handlers;
    this.#windowBytes = windowBytes;
    this.#carrier = carrier;
  }

  /** Its name in the control core. */
  get key(): string {
    return `${this.peer} ${this.ours ? 'ours' : 'theirs'} ${this.id}`;
  }
  get outstanding(): number {
    return this.#outstanding;
  }
  /** Bytes that the reader has not finished with. */
  get unread(): number {
    return this.#unread;
  }
  /** Bytes received that the peer has not been given back. */
  get held(): number {
    return this.#unread + this.#unannounced;
  }
  /** It keeps its place when it is over. */
  get lingers(): boolean {
    return this.#isAttended || this.#unread > 0;
  }

  /** A handler works on it: it keeps its place until `released`, whatever becomes of it. */
  attended(): void {
    this.#isAttended = true;
  }

  /** Its handler has finished. */
  released(): void {
    this.#isAttended = false;
    if (this.#closed && !this.lingers) this.#carrier.vacated(this);
  }

  /**
   * Takes the bytes, which must not change any more. False: they wait for room, hold on until `onDrain`.
   * @throws ClusterError `TRANSPORT_STREAM_CLOSED` after `end` or a reset; `TRANSPORT_BACKPRESSURE` when a window of bytes waits already.
   */
  write(bytes: Uint8Array): boolean {
    if (this.#ending || this.#closed) throw streamClosed(this.node);
    if (this.#pendingBytes >= this.#windowBytes) throw streamFull(this.node, this.#pendingBytes);
    if (bytes.length > 0) this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    this.pump();
    this.#owesDrain = this.#pendingBytes > 0;
    return !this.#owesDrain;
  }

  /** What waits is sent, then the end. Idempotent. */
  end(): void {
    if (this.#ending || this.#closed) return;
    this.#ending = true;
    if (this.#pendingBytes === 0) this.#sayEnd();
  }

  /** Gives the stream up in both directions; the peer is told why. Idempotent. */
  reset(code = 'TRANSPORT_STREAM_CANCELLED', reason = 'the other side has given it up'): void {
    this.#dead = true;
    this.#carrier.tell(this, { type: 'RESET', refusal: { code, reason } });
    this.consume(this.#unread);
  }

  /** The reader has finished with so many bytes. */
  consume(bytes: number): void {
    assert(bytes <= this.#unread, 'no more is consumed than was received');
    this.#unread -= bytes;
    this.#unannounced += bytes;
    if (this.#closed) {
      this.#checkGone();
      if (!this.lingers) this.#carrier.vacated(this);
    } else if (this.#unannounced * 2 >= this.#windowBytes) {
      this.#carrier.sendWindow(this, this.#unannounced);
      this.#unannounced = 0;
    }
  }

  /** Sends what may be sent. */
  pump(): void {
    while (this.#pendingBytes > 0 && !this.#closed) {
      const head = this.#pending.peek() as Uint8Array;
      const wanted = Math.min(head.length - this.#pendingAt, pieceBytes, this.#credit);
      const bytes = wanted > 0 ? this.#carrier.room(this, wanted) : 0;
      if (bytes === 0) {
        this.#carrier.blocked(this);
        return;
      }
      const piece = head.subarray(this.#pendingAt, this.#pendingAt + bytes);
      this.#pendingAt += bytes;
      if (this.#pendingAt === head.length) {
        this.#pending.shift();
        this.#pendingAt = 0;
      }
      this.#pendingBytes -= bytes;
      this.#credit -= bytes;
      this.#outstanding += bytes;
      this.#carrier.sendData(this, piece);
    }
    if (this.#pendingBytes > 0) return;
    if (this.#ending) this.#sayEnd();
    if (!this.#owesDrain) return;
    this.#owesDrain = false;
    this.notify((handlers) => handlers.onDrain?.());
  }

  #sayEnd(): void {
    if (this.#saidEnd || this.#closed) return;
    this.#saidEnd = true;
    this.#carrier.tell(this, { type: 'ENDED' });
  }

  /** The peer takes so many bytes more. False when it gives back what it never got. */
  credited(bytes: number): boolean {
    if (bytes > this.#outstanding) return false;
    this.#outstanding -= bytes;
    this.#credit += bytes;
    return true;
  }

  /** How much the peer takes at first. */
  begins(windowBytes: number): void {
    this.#credit = windowBytes;
    this.pump();
  }

  /** False when the peer would send more than it may. */
  hasRoom(bytes: number): boolean {
    return this.held + bytes <= this.#windowBytes;
  }

  received(bytes: Uint8Array): void {
    this.#unread += bytes.length;
    if (this.#dead) this.consume(bytes.length);
    else this.notify((handlers) => handlers.onData(bytes));
  }

  /** A handler's exception belongs to its stream alone. */
  notify(tell: (handlers: StreamHandlers) => void): void {
    try {
      tell(this.handlers);
    } catch {
      this.reset('HANDLER_FAILED', 'its handler failed');
    }
  }

  /** The machine has closed it: nothing is sent any more. */
  close(): void {
    this.#closed = true;
    while (this.#pending.shift() !== undefined);
    this.#pendingBytes = 0;
    this.#checkGone();
  }

  #checkGone(): void {
    if (this.#isGone || this.#unread > 0) return;
    this.#isGone = true;
    this.notify((handlers) => handlers.onGone?.());
  }

  lost(error: ClusterError): void {
    this.#dead = true;
    this.close();
    this.notify((handlers) => handlers.onReset(error));
    // Nobody reads on after that.
    if (this.#unread > 0) this.consume(this.#unread);
  }
}
