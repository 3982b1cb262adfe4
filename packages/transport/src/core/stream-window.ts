/**
 * How much of a stream its reader may have waiting, and how that follows the path. A window that is smaller than what the path holds lets it
 * idle: 256 KiB over 60 ms are 4 MB/s, however fast the rest is. So the reader's side tunes it, by the rule of QUIC's receivers:
 * half of a window read within two round trips was too little, and the window doubles. A threshold that does not know the round
 * trip, or does not grow with the window, stops where it happens to be met (go-yamux, issue 136).
 *
 * What bounds memory is the room of all streams of a peer, which its sender keeps to, whatever their windows add up to. Therefore a window is
 * a promise that others may have to wait for, and all that windows have grown by is never more than half of that room: streams that
 * have grown and are then not read leave the other half to all others. Those that want more share it alike, and who has more than his
 * share gives it back by being granted less than he reads: what was announced is the peer's, and cannot be taken back.
 *
 * The round trip is that of a grant and its acknowledgement, which is asked for at once: who only reads sends nothing else. Measured
 * at most every 100 ms, and the shortest of ten seconds counts, as for what is under way (in-flight.ts), by whose formula two round
 * trips are two and a turn of an event loop.
 *
 * Rejected: the probes of gRPC, which measure the rate besides: reading half a window in time says as much.
 */
import { assert } from '@cluster/core';

export interface StreamWindowLimits {
  readonly streamBufferBytes: number;
  readonly streamBufferBytesMax: number;
  readonly streamsBufferBytes: number;
  readonly inFlightDelayMs: number;
}

const sampleEveryMs = 100;
const roundTripKeptMs = 10_000;
/** A window of which half took so many times as long as would have made it grow is too large. */
const slowTimes = 8;

/** What the windows of one peer's streams share. */
export class StreamWindows {
  readonly limits: StreamWindowLimits;
  /** Read and not announced. */
  unannouncedBytes = 0;
  /** What windows have grown by, as far as the peer has been told. */
  grownBytes = 0;
  /** Those that were read fast. */
  readonly #keen = new Set<StreamWindow>();
  #roundTripMs = Infinity;
  #roundTripAtMs = 0;
  /** When the grant that is being timed was made; null: none is. */
  #timedMs: number | null = null;
  #sampledMs = -Infinity;

  constructor(limits: StreamWindowLimits) {
    this.limits = limits;
  }

  /** Null: none has been measured on this path. */
  get roundTripMs(): number | null {
    return this.#roundTripMs === Infinity ? null : this.#roundTripMs;
  }

  /** So much that was read is not announced that the peer may be waiting for it, though no stream has used half of its window. */
  get isDue(): boolean {
    return this.unannouncedBytes * 2 >= this.limits.streamsBufferBytes;
  }

  /** True: the grant that is made now is timed, until `answered`. */
  times(nowMs: number): boolean {
    if (this.#timedMs !== null || nowMs - this.#sampledMs < sampleEveryMs) return false;
    this.#timedMs = nowMs;
    return true;
  }

  /** The grant that was made then has been acknowledged. */
  answered(grantedMs: number, nowMs: number): void {
    if (this.#timedMs !== grantedMs) return;
    const ms = nowMs - grantedMs;
    this.#timedMs = null;
    this.#sampledMs = nowMs;
    if (ms > this.#roundTripMs && nowMs - this.#roundTripAtMs < roundTripKeptMs) return;
    this.#roundTripMs = ms;
    this.#roundTripAtMs = nowMs;
  }

  /** Another connection may take another path, and a grant that was sent on the last one says nothing of either. */
  newPath(): void {
    this.#roundTripMs = Infinity;
    this.#timedMs = null;
    this.#sampledMs = -Infinity;
  }

  /** Of a window of which half was read in this time: how large it is from now on. */
  tune(window: StreamWindow, elapsedMs: number): number {
    const { streamBufferBytes: least, streamBufferBytesMax, streamsBufferBytes } = this.limits;
    const paceMs = 2 * this.#roundTripMs + this.limits.inFlightDelayMs;
    let { bytes } = window;
    if (paceMs < Infinity && elapsedMs <= paceMs) {
      this.#keen.add(window);
      bytes *= 2;
    } else if (elapsedMs > slowTimes * paceMs) {
      this.#keen.delete(window);
      bytes /= 2;
    }
    const all = Math.floor(streamsBufferBytes / 2);
    const share = Math.floor(all / Math.max(1, this.#keen.size));
    const left = all - this.grownBytes + window.grownBytes;
    return Math.max(least, Math.floor(Math.min(bytes, streamBufferBytesMax, least + share, least + left)));
  }

  forget(window: StreamWindow): void {
    this.#keen.delete(window);
  }
}

/** What the peer is told: how much has been read, and how much more it may send. The two differ while the window changes. */
export interface Grant {
  readonly consumedBytes: number;
  readonly roomBytes: number;
}

/** The reading side of one stream. */
export class StreamWindow {
  readonly #shared: StreamWindows;
  #bytes: number;
  /** What the peer may still send. */
  #room: number;
  #unread = 0;
  #unannounced = 0;
  #grownBytes = 0;
  #grantedMs: number;
  #isClosed = false;

  constructor(shared: StreamWindows, nowMs: number) {
    this.#shared = shared;
    this.#bytes = shared.limits.streamBufferBytes;
    this.#room = this.#bytes;
    this.#grantedMs = nowMs;
  }

  /** How much may be sent and not read. */
  get bytes(): number {
    return this.#bytes;
  }
  /** What of it the peer has been told of besides what it had at first. */
  get grownBytes(): number {
    return this.#grownBytes;
  }
  /** Received, and not read. */
  get unread(): number {
    return this.#unread;
  }
  /** Received, and not announced as read. */
  get held(): number {
    return this.#unread + this.#unannounced;
  }
  /** Read, and not announced. */
  get unannounced(): number {
    return this.#unannounced;
  }
  get isDue(): boolean {
    return this.#unannounced * 2 >= this.#bytes;
  }

  /** False when the peer would send more than it was granted. */
  hasRoom(bytes: number): boolean {
    return bytes <= this.#room;
  }

  received(bytes: number): void {
    this.#room -= bytes;
    this.#unread += bytes;
  }

  /** The reader has finished with so many bytes. */
  consume(bytes: number): void {
    assert(bytes <= this.#unread, 'no more is consumed than was received');
    this.#unread -= bytes;
    this.#unannounced += bytes;
    if (!this.#isClosed) this.#shared.unannouncedBytes += bytes;
  }

  /** What is announced now. Only of what was read by halves is the pace judged. */
  grant(nowMs: number): Grant {
    const shared = this.#shared;
    if (this.isDue) this.#bytes = shared.tune(this, nowMs - this.#grantedMs);
    this.#grantedMs = nowMs;
    const roomBytes = Math.max(0, this.#bytes - this.#unread - this.#room);
    this.#room += roomBytes;
    this.#grows(Math.max(0, this.#unread + this.#room - shared.limits.streamBufferBytes));
    const consumedBytes = this.#unannounced;
    this.#unannounced = 0;
    shared.unannouncedBytes -= consumedBytes;
    return { consumedBytes, roomBytes };
  }

  /** Nothing more comes: what it had is left to others. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#grows(0);
    this.#shared.unannouncedBytes -= this.#unannounced;
    this.#shared.forget(this);
  }

  #grows(bytes: number): void {
    this.#shared.grownBytes += bytes - this.#grownBytes;
    this.#grownBytes = bytes;
  }
}
