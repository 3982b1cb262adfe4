/** The streams to one peer: by number, with the bounds that hold over all of them. */
import type { PeerLimits } from '../core/handshake.ts';
import { ahead, after } from '../core/sequence.ts';
import { type StreamWindowLimits, StreamWindows } from '../core/stream-window.ts';
import type { Waiter } from '../core/outgoing.ts';
import type { ByteStream } from './byte-stream.ts';
import { QueuedPieces } from './queued-pieces.ts';

/** Frames about streams that the peer has caused and not acknowledged: how many, counted by what becomes of each. */
export class OwedFrames implements Waiter {
  size = 0;

  /** One more of them. @param answered is called when it is acknowledged. */
  one(answered?: () => void): Waiter {
    this.size++;
    if (answered === undefined) return this;
    const acknowledged = (): void => {
      this.acknowledged();
      answered();
    };
    return { acknowledged, abandoned: () => this.abandoned() };
  }

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
  /** Those that have more to send than all together may, or than the queue takes. */
  readonly blocked = new Set<ByteStream>();
  /** What the peer takes; null until it is known. */
  limits: PeerLimits | null = null;
  /** The last stream of the peer's that was seen, by priority: the opening of one may overtake that of another. */
  readonly lastTheirs = new Uint32Array(4);
  opened = 0;
  /** Of those that are over: how many did not end, but were reset or lost. */
  broken = 0;
  /** Of the session. */
  owed = new OwedFrames();
  /** Of the session. */
  windows: StreamWindows;
  /** By priority. */
  readonly #held = [0, 0, 0, 0];
  /** Bytes of all of them sent and not known to be consumed. */
  outstanding = 0;
  /** Pieces that are in the queue. */
  readonly queued = new QueuedPieces();
  /** Who writes may send now. */
  hasTurn = true;
  #isTaking = false;
  #isAskedAgain = false;
  readonly #lastOurs = new Uint32Array(4);

  constructor(limits: StreamWindowLimits) {
    this.windows = new StreamWindows(limits);
  }

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

  /** Bytes of the streams of the same priority as this one that are open, received and not given back. */
  heldBy(id: number): number {
    return this.#held[id & 3] as number;
  }

  addHeld(id: number, bytes: number): void {
    this.#held[id & 3] = this.heldBy(id) + bytes;
  }

  /** It is over, but may linger. */
  remove(stream: ByteStream): void {
    const { ours, id, unread } = stream;
    if (this.get(ours, id) === stream) {
      (ours ? this.ours : this.theirs).delete(id);
      this.outstanding -= stream.outstanding;
      this.addHeld(id, -stream.window.held);
    }
    this.blocked.delete(stream);
    if (!stream.lingers) return;
    stream.lingeringBytes = unread;
    this.lingeringBytes += unread;
    this.lingering.add(stream);
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

  /**
   * There may be room: those that are blocked send a piece each in turn, until none can. Who came to nothing is the first of the next
   * time, and what is written meanwhile, because something has drained, takes its turn as well.
   */
  unblock(): void {
    if (this.#isTaking) {
      this.#isAskedAgain = true;
      return;
    }
    this.#isTaking = true;
    this.queued.awaitNone();
    for (let goesOn = true; goesOn;) {
      this.#isAskedAgain = false;
      const waiting = [...this.blocked];
      this.blocked.clear();
      const served = waiting.filter((stream) => {
        if (this.queued.isAwaitedBy(stream.id & 3)) {
          this.blocked.add(stream);
          return false;
        }
        this.hasTurn = true;
        return stream.pump();
      });
      for (const stream of served) if (this.blocked.delete(stream)) this.blocked.add(stream);
      goesOn = served.length > 0 || this.#isAskedAgain;
    }
    this.#isTaking = false;
    this.hasTurn = true;
  }

  /** A piece has been sent: while streams take turns, whoever else writes waits for his. */
  sent(bytes: number): void {
    this.outstanding += bytes;
    this.hasTurn = !this.#isTaking;
  }

  /** The session is over: numbers begin again. */
  restart(): void {
    this.ours.clear();
    this.theirs.clear();
    this.blocked.clear();
    this.outstanding = 0;
    this.owed = new OwedFrames();
    this.windows = new StreamWindows(this.windows.limits);
    this.#held.fill(0);
    this.queued.clear();
    this.limits = null;
    this.lastTheirs.fill(0);
    this.#lastOurs.fill(0);
  }
}
