/**
 * Flow control by what has been consumed: a sender may have only so much with its peer that no handler there has finished with.
 * Counted by stream (the messages of one priority) and over the session. A message is charged whole when its first byte leaves,
 * so that nothing that has begun ever waits for room.
 *
 * Both sides keep running totals modulo 2^32 and the receiver announces how much it has consumed: an announcement may be lost or
 * repeated without harm (as QUIC's MAX_DATA, RFC 9000 section 4).
 */
import { ahead, after } from './sequence.ts';

export interface Windows {
  readonly streamWindowBytes: number;
  readonly sessionWindowBytes: number;
}

/** What a message costs its receiver besides its bytes. */
export const messageOverheadBytes = 256;

const streams = 4;

/** Of two totals: how much of `charged` is not in `done` yet, by stream and altogether. */
class Ledger {
  readonly charged = new Uint32Array(streams);
  readonly done = new Uint32Array(streams);
  total = 0;

  used(stream: number): number {
    return ahead(this.charged[stream] as number, this.done[stream] as number);
  }

  /** Something of any size fits where nothing is. Critical (0) waits for nobody but itself. */
  fits(stream: number, cost: number, { streamWindowBytes, sessionWindowBytes }: Windows): boolean {
    const used = this.used(stream);
    if (used > 0 && used + cost > streamWindowBytes) return false;
    return stream === 0 || this.total === 0 || this.total + cost <= sessionWindowBytes;
  }

  charge(stream: number, cost: number): void {
    this.charged[stream] = after(this.charged[stream] as number, cost);
    if (stream > 0) this.total += cost;
  }

  finish(stream: number, cost: number): void {
    this.done[stream] = after(this.done[stream] as number, cost);
    if (stream > 0) this.total -= cost;
  }
}

export class SendCredit {
  readonly #ledger = new Ledger();
  #windows: Windows;

  constructor(windows: Windows) {
    this.#windows = windows;
  }

  set windows(windows: Windows) {
    this.#windows = windows;
  }

  allows(stream: number, cost: number): boolean {
    return this.#ledger.fits(stream, cost, this.#windows);
  }

  /** What the peer has of a stream and has not finished with. */
  used(stream: number): number {
    return this.#ledger.used(stream);
  }

  charge(stream: number, cost: number): void {
    this.#ledger.charge(stream, cost);
  }

  /** The peer's announcement. False when it has consumed what was never sent. */
  announced(stream: number, consumed: number): boolean {
    const more = ahead(consumed, this.#ledger.done[stream] as number);
    if (more > this.#ledger.used(stream)) return false;
    if (more > 0) this.#ledger.finish(stream, more);
    return true;
  }
}

export class ReceiveCredit {
  readonly #ledger = new Ledger();
  readonly #announced = new Uint32Array(streams);
  readonly #windows: Windows;
  /** Streams of which there is something to announce, as bits. */
  #dirty = 0;
  #urgent = false;

  constructor(windows: Windows) {
    this.#windows = windows;
  }

  get dirty(): boolean {
    return this.#dirty !== 0;
  }

  /** The peer may be waiting for it. */
  get urgent(): boolean {
    return this.#urgent;
  }

  /** False when the peer sends more than it may. */
  charge(stream: number, cost: number): boolean {
    if (!this.#ledger.fits(stream, cost, this.#windows)) return false;
    this.#ledger.charge(stream, cost);
    return true;
  }

  /** What was charged as `before` turns out to cost `now`. False when that is more than it may. */
  recharge(stream: number, before: number, now: number): boolean {
    this.#ledger.charge(stream, -before);
    return this.charge(stream, now);
  }

  consume(stream: number, cost: number): void {
    this.#ledger.finish(stream, cost);
    this.#dirty |= 1 << stream;
    const unannounced = ahead(this.#ledger.done[stream] as number, this.#announced[stream] as number);
    if (unannounced * 4 >= this.#windows.streamWindowBytes) this.#urgent = true;
  }

  /** The sender has given up a message that never came: it has charged it, so both totals move. */
  skip(stream: number, cost: number): void {
    this.#ledger.charge(stream, cost);
    this.consume(stream, cost);
  }

  /** After a reconnect: announcements may have been lost. */
  repeat(): void {
    this.#dirty = (1 << streams) - 1;
    this.#urgent = true;
  }

  /** Calls `announce` with every stream's total that the peer has not been told. */
  announce(announce: (stream: number, consumed: number) => void): void {
    for (let stream = 0; stream < streams; stream++) {
      if ((this.#dirty & (1 << stream)) === 0) continue;
      const done = this.#ledger.done[stream] as number;
      this.#announced[stream] = done;
      announce(stream, done);
    }
    this.#dirty = 0;
    this.#urgent = false;
  }
}
