/** The streams to one peer: by number, with the bounds that hold over all of them. */
import type { PeerLimits } from '../core/handshake.ts';
import { ahead, after } from '../core/sequence.ts';
import type { TokenBucket } from '../core/rate-limit.ts';
import type { ByteStream } from './byte-stream.ts';

export class PeerStreams {
  /** Those this side has opened, and those of the peer. */
  readonly ours = new Map<number, ByteStream>();
  readonly theirs = new Map<number, ByteStream>();
  /** Over, but not read to the end: they keep their place, so that opening and ending in a loop fills no memory. */
  readonly unread = new Set<ByteStream>();
  /** Those that have more to send than they may. */
  readonly blocked = new Set<ByteStream>();
  /** Both lines of a peer share them. */
  readonly buckets: Map<number, TokenBucket>;
  /** What the peer takes; null until it is known. */
  limits: PeerLimits | null = null;
  /** The last stream of the peer's that was seen, by priority: the opening of one may overtake that of another. */
  readonly lastTheirs = new Uint32Array(4);
  opened = 0;
  /** Bytes of all of them sent and not known to be consumed. */
  outstanding = 0;
  /** Waiting for room in the queue. */
  isWaiting = false;
  readonly #lastOurs = new Uint32Array(4);

  constructor(buckets = new Map<number, TokenBucket>()) {
    this.buckets = buckets;
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

  all(): readonly ByteStream[] {
    return [...this.ours.values(), ...this.theirs.values()];
  }

  /** The session is over: numbers begin again. */
  restart(): void {
    this.ours.clear();
    this.theirs.clear();
    this.blocked.clear();
    this.outstanding = 0;
    this.limits = null;
    this.lastTheirs.fill(0);
    this.#lastOurs.fill(0);
  }
}
