/**
 * What has been written and not yet acknowledged: a ring indexed by sequence number, because acknowledgements are cumulative
 * and come in order. Nothing here costs more than a few stores a message.
 */
import { assert } from '@cluster/core';
import type { Outgoing } from './outgoing.ts';
import { giveUp } from './send-queue.ts';
import { after, ahead } from './sequence.ts';
import { frameTypes, headerBytes } from '../wire/frame.ts';

export class Unacked {
  readonly #max: number;
  readonly #release: (item: Outgoing) => void;
  #ring: (Outgoing | undefined)[] = Array.from({ length: 64 });
  /** The oldest unacknowledged sequence; equal to `#next` when there is none. */
  #first: number;
  #next: number;
  #resend: number;
  #bytes = 0;
  #acknowledgedBytes = 0;

  /**
   * @param max a power of two, at least 64. @param release nothing wants the bytes of this one any more. @param first the first
   * sequence of the session.
   */
  constructor(max: number, release: (item: Outgoing) => void = () => undefined, first = 1) {
    assert(max >= 64 && (max & (max - 1)) === 0, 'the window is a power of two');
    this.#max = max;
    this.#release = release;
    this.#first = first >>> 0;
    this.#next = this.#first;
    this.#resend = this.#first;
  }

  get size(): number {
    return ahead(this.#next, this.#first);
  }

  /** The oldest sequence that is not acknowledged, or the next there will be. */
  get first(): number {
    return this.#first;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Of all time. */
  get acknowledgedBytes(): number {
    return this.#acknowledgedBytes;
  }

  get full(): boolean {
    return this.size >= this.#max;
  }

  /** Numbers a frame that is written for the first time. */
  push(item: Outgoing): number {
    if (this.size === this.#ring.length) this.#grow();
    const sequence = this.#next;
    this.#ring[sequence & (this.#ring.length - 1)] = item;
    // With nothing left to resend, what is new is not to be resent either.
    if (this.#resend === sequence) this.#resend = after(sequence);
    this.#next = after(sequence);
    // What it was charged is known without its payload from here on.
    if (item.total === 0) item.total = item.length;
    this.#bytes += headerBytes + item.length;
    item.attempts = 1;
    return sequence;
  }

  /** Everything up to `sequence` has arrived. False when the peer acknowledges what was never sent. */
  acknowledge(sequence: number): boolean {
    const count = ahead(after(sequence), this.#first);
    if (count > this.size) return false;
    for (let i = 0; i < count; i++) {
      const item = this.#takeFirst();
      const { waiter } = item;
      item.waiter = null;
      waiter?.acknowledged();
    }
    return true;
  }

  /** A new connection: everything unacknowledged is to be sent again. */
  rewind(): void {
    this.#resend = this.#first;
  }

  /** How many frames wait to be sent again. */
  get resending(): number {
    return ahead(this.#next, this.#resend);
  }

  /** The sequence of the frame that `nextResend` gives next. */
  get resendSequence(): number {
    return this.#resend;
  }

  /**
   * The next frame to send again. One that has been written `attemptsMax` times is given up: an empty VOID frame takes its
   * number, so that the peer sees no gap. Chunks share the fate of the last one of their message.
   * @param lost counts those that nobody waits for.
   */
  nextResend(attemptsMax: number, lost: { posts: number } = { posts: 0 }): Outgoing | undefined {
    if (this.resending <= 0) return undefined;
    const item = this.#ring[this.#resend & (this.#ring.length - 1)] as Outgoing;
    this.#resend = after(this.#resend);
    item.attempts++;
    // Nor does a frame of a stream end by itself: what follows would come with a hole in it.
    const mayEnd = item.type < frameTypes.void;
    if (item.attempts > attemptsMax && mayEnd) {
      const { waiter } = item;
      this.#bytes -= item.length;
      if (item.type === frameTypes.message && waiter === null) lost.posts++;
      giveUp(item);
      item.waiter = null;
      waiter?.abandoned(true);
    }
    return item;
  }

  /** The session is over: every frame is shown to `visit`, then abandoned. */
  clear(visit: (item: Outgoing) => void): void {
    while (this.#first !== this.#next) {
      const item = this.#takeFirst();
      visit(item);
      const { waiter } = item;
      item.waiter = null;
      waiter?.abandoned(true);
    }
    this.#resend = this.#next;
  }

  #takeFirst(): Outgoing {
    const index = this.#first & (this.#ring.length - 1);
    const item = this.#ring[index] as Outgoing;
    this.#ring[index] = undefined;
    this.#bytes -= headerBytes + item.length;
    this.#acknowledgedBytes += headerBytes + item.length;
    this.#release(item);
    if (this.#resend === this.#first) this.#resend = after(this.#first);
    this.#first = after(this.#first);
    return item;
  }

  #grow(): void {
    const old = this.#ring;
    const ring: (Outgoing | undefined)[] = Array.from({ length: Math.min(this.#max, old.length * 2) });
    for (let i = 0, sequence = this.#first; i < this.size; i++, sequence = after(sequence)) {
      ring[sequence & (ring.length - 1)] = old[sequence & (old.length - 1)];
    }
    this.#ring = ring;
  }
}
