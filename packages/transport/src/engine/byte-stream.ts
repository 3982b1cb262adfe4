/**
 * One stream of bytes each way between two nodes, without promises. Its modes are the stream machine's; this is what flows: what
 * the writer has given and the peer has no room for yet, and what the reader has been given and has not finished with.
 */
import type { ClusterError } from '@cluster/core';
import { Fifo } from '../core/fifo.ts';
import { peerOf } from '../core/identity.ts';
import type { Priority } from '../core/outgoing.ts';
import type { StreamEvent } from '../core/stream.machine.ts';
import { StreamWindow, type StreamWindows } from '../core/stream-window.ts';
import { Tally } from '../core/tally.ts';
import { streamClosed, streamFull } from '../errors.ts';

export interface StreamHandlers {
  /** `bytes` is a view into what was read: copy what you keep. The peer may send more after `consume`. */
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
  /** Its reader has finished with something. */
  consumed(stream: ByteStream): void;
  /** It could not send all it has: `pump` when there is room, or when the peer grants it more. */
  blocked(stream: ByteStream, hasCredit: boolean): void;
  /** Nothing holds a stream that is over any more: its reader has taken everything, and its handler has finished. */
  vacated(stream: ByteStream): void;
  tell(stream: ByteStream, event: StreamEvent): void;
}

/** The largest piece of a stream in one frame: small enough for others to come between. */
const pieceBytes = 32_768;
/** No window is as large. */
const streamWindowEnd = 2 ** 30;

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
  /** What the reader may have waiting. */
  readonly window: StreamWindow;
  /** What the writer may have waiting besides one piece. */
  readonly #pendingBytesMax: number;
  readonly #carrier: StreamCarrier;
  readonly #pending = new Fifo<Uint8Array>();
  #pendingAt = 0;
  #pendingBytes = 0;
  /** What the peer still takes; 0 until it is known. */
  #credit = 0;
  /** Sent, and not known to be consumed. */
  #outstanding = 0;
  #owesDrain = false;
  #ending = false;
  #saidEnd = false;
  #closed = false;
  #dead = false;
  #isAttended = false;
  #isGone = false;

  constructor(
    at: Pick<ByteStream, 'peer' | 'id' | 'ours' | 'typeId' | 'priority' | 'traceparent' | 'handlers'>,
    windows: StreamWindows,
    nowMs: number,
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
    this.window = new StreamWindow(windows, nowMs);
    this.#pendingBytesMax = windows.limits.streamBufferBytes;
    this.#carrier = carrier;
  }

  /** Its name in the control core. */
  get key(): string {
    return `${this.peer} ${this.ours ? 'ours' : 'theirs'} ${this.id}`;
  }
  get outstanding(): number {
    return this.#outstanding;
  }
  /** What the peer has room for besides. */
  get room(): number {
    return this.#credit;
  }
  /** Bytes that the reader has not finished with. */
  get unread(): number {
    return this.window.unread;
  }
  /** It keeps its place when it is over. */
  get lingers(): boolean {
    return this.#isAttended || this.unread > 0;
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
   * @throws ClusterError `TRANSPORT_STREAM_CLOSED` after `end` or a reset; `TRANSPORT_BACKPRESSURE` when `streamBufferBytes` wait already.
   */
  write(bytes: Uint8Array): boolean {
    if (this.#ending || this.#closed) throw streamClosed(this.node);
    if (this.#pendingBytes >= this.#pendingBytesMax) throw streamFull(this.node, this.#pendingBytes);
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
    this.consume(this.unread);
  }

  /** The reader has finished with so many bytes. */
  consume(bytes: number): void {
    this.window.consume(bytes);
    if (!this.#closed) this.#carrier.consumed(this);
    else {
      this.#checkGone();
      if (!this.lingers) this.#carrier.vacated(this);
    }
  }

  /** Sends what may be sent. True: at least a piece of it. */
  pump(): boolean {
    let hasSent = false;
    while (this.#pendingBytes > 0 && !this.#closed) {
      const head = this.#pending.peek() as Uint8Array;
      const wanted = Math.min(head.length - this.#pendingAt, pieceBytes, this.#credit);
      const bytes = wanted > 0 ? this.#carrier.room(this, wanted) : 0;
      if (bytes === 0) {
        this.#carrier.blocked(this, this.#credit > 0);
        return hasSent;
      }
      hasSent = true;
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
    if (this.#pendingBytes === 0) this.#emptied();
    return hasSent;
  }

  #emptied(): void {
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

  /** The peer has read so many bytes, and takes so many more. False when it has read what it never got, or takes more than can be. */
  credited(consumedBytes: number, roomBytes: number): boolean {
    if (consumedBytes === 0 || consumedBytes > this.#outstanding) return false;
    this.#outstanding -= consumedBytes;
    this.#credit += roomBytes;
    return this.#outstanding + this.#credit < streamWindowEnd;
  }

  /** How much the peer takes at first. */
  begins(windowBytes: number): void {
    this.#credit = windowBytes;
    this.pump();
  }

  received(bytes: Uint8Array): void {
    this.window.received(bytes.length);
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
    this.window.close();
    while (this.#pending.shift() !== undefined);
    this.#pendingBytes = 0;
    this.#checkGone();
  }

  #checkGone(): void {
    if (this.#isGone || this.unread > 0) return;
    this.#isGone = true;
    this.notify((handlers) => handlers.onGone?.());
  }

  lost(error: ClusterError): void {
    this.#dead = true;
    this.close();
    this.notify((handlers) => handlers.onReset(error));
    // Nobody reads on after that.
    if (this.unread > 0) this.consume(this.unread);
  }
}
