/** The streams to one peer: by number, with the bounds that hold over all of them. */
import type { PeerLimits } from '../core/handshake.ts';
import { ahead, after } from '../core/sequence.ts';
import type { Waiter } from '../core/outgoing.ts';
import type { ByteStream } from './byte-stream.ts';

/** Frames about streams that the peer has caused and not acknowledged: how many, counted by what becomes of each. */
export class OwedFrames implements Waiter {
  size = 0;

  acknowledged(): void {
    this.size--;
  }

  abandoned(): void {
    this.size--;
  }
}

export class PeerStreams {
  /** Those this side has opened, and those of the peer. */
  readonly ours = new Map<number, ByteStream>();
  readonly theirs = new Map<number, ByteStream>();
  /**
   * Over, but not read to the end, or with a handler at work: they keep their place over sessions, too, so that opening and ending in
   * a loop neither fills memory nor starts ever more handlers.
   */
  readonly lingering = new Set<ByteStream>();
  /** Bytes that had not been read of them when they were over. */
  lingeringBytes = 0;
  /** Nothing else is left of the peer. */
  isForgotten = false;
  /** Those that have more to send than they may. */
  readonly blocked = new Set<ByteStream>();
  /** What the peer takes; null until it is known. */
  limits: PeerLimits | null = null;
  /** The last stream of the peer's that was seen, by priority: the opening of one may overtake that of another. */
  readonly lastTheirs = new Uint32Array(4);
  opened = 0;
  /** Of the session. */
  owed = new OwedFrames();
  /** By priority: bytes of those that are open, received and not given back. */
  readonly held = [0, 0, 0, 0];
  /** Bytes of all of them sent and not known to be consumed. */
  outstanding = 0;
  /** Waiting for room in the queue. */
  isWaiting = false;
  readonly #lastOurs = new Uint32Array(4);

  get size(): number {
    return this.ours.size + this.theirs.size;
  }

  /** Numbers carry their priority in the lowest two bits, and rise by priority. */
  nextId(priority: number): number {
    const last = this.#lastOurs[priority] as number;
    // After 2^30 streams of a priority the numbers come round; 0 is none.
    const id = after(last === 0 ? priority : last, 4) || 4;
    this.#lastOurs[priority] = id;
    return id;
  }

  get(ours: boolean, id: number): ByteStream | undefined {
    return (ours ? this.ours : this.theirs).get(id);
  }

  /** True of a stream that is over: the peer could not know. */
  isPast(ours: boolean, id: number): boolean {
    const last = (ours ? this.#lastOurs : this.lastTheirs)[id & 3] as number;
    return last !== 0 && ahead(id, last) <= 0;
  }

  all(): readonly ByteStream[] {
    return [...this.ours.values(), ...this.theirs.values()];
  }

  /** What is said with a goodbye: the last stream of the peer's that was taken, of each priority. */
  lastTaken(): Uint8Array {
    const body = new Uint8Array(16);
    const view = new DataView(body.buffer);
    this.lastTheirs.forEach((id, priority) => view.setUint32(4 * priority, id));
    return body;
  }

  /** Those of ours that come after what the peer has said so of. */
  notTaken(lastTaken: Uint8Array): readonly ByteStream[] {
    if (lastTaken.length !== 16) return [];
    const view = new DataView(lastTaken.buffer, lastTaken.byteOffset);
    return [...this.ours.values()].filter(({ id }) => ahead(id, view.getUint32(4 * (id & 3))) > 0);
  }

  /** True when there is no room for another of the peer's. */
  isFull({ streamsMax, streamsBufferBytes }: Pick<PeerLimits, 'streamsMax' | 'streamsBufferBytes'>): boolean {
    const places = this.theirs.size + this.lingering.size;
    return places >= streamsMax || this.lingeringBytes >= streamsBufferBytes;
  }

  /** The session is over: numbers begin again. */
  restart(): void {
    this.ours.clear();
    this.theirs.clear();
    this.blocked.clear();
    this.outstanding = 0;
    this.owed = new OwedFrames();
    this.held.fill(0);
    this.limits = null;
    this.lastTheirs.fill(0);
    this.#lastOurs.fill(0);
  }
}
