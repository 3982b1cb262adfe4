/**
 * Which peers have a connection for bulk beside the one for control. What has left for a socket nothing overtakes, neither in the
 * process nor in the system's buffers; so where Normal and Low keep a connection full, they get one of their own, and Critical and High have
 * the first to themselves. To the core the two lines of a peer are two peers: each with a session, its numbers, acknowledgements and
 * resumption, its place in the pool, its breaker, its idle close. What is decided here is only which line a message takes.
 *
 * Order within a priority holds over the change: the line for bulk is held until all that control had taken of Normal and Low has
 * arrived. Two frames without content, one behind each, tell when. Back to control it goes when the line for bulk is forgotten, because
 * nobody has used it: then nothing of it is under way. Where something was, because its session was lost, messages wait for the next one, whose
 * connection puts an end to the last at the peer.
 *
 * Streams and requests stay with the line on which they began.
 */
import type { Clock } from '@cluster/core';
import { bulkKey } from '../core/identity.ts';
import { newOutgoing, priorityIndex, type Waiter } from '../core/outgoing.ts';
import type { TransportMetrics } from '../metrics.ts';
import { frameTypes } from '../wire/frame.ts';
import type { Delivery } from './delivery.ts';
import type { Sessions } from './sessions.ts';

export interface BulkLinesOwner {
  /** What waits in it may leave, or a connection is needed. */
  wake(delivery: Delivery): void;
  /** It cannot be reached. */
  isShut(key: string): boolean;
}

export interface BulkLimits {
  readonly bulkConnection: boolean;
  /** Null: it only dials, and is no node. */
  readonly bind: object | null;
  readonly bulkAfterBytes: number;
  readonly bulkAfterMs: number;
}

/** A line for bulk that is held until control has had acknowledged what it took. */
interface Opening {
  readonly bulk: Delivery;
  /** Frames that have not arrived. */
  left: number;
  /** They were given up with their session: the next is asked. */
  stale: boolean;
  /** How often they were sent out: what is left of a round before counts no more. */
  round: number;
}

const moved = [priorityIndex.Normal, priorityIndex.Low] as const;

export class BulkLines {
  readonly #limits: BulkLimits;
  readonly #isOn: boolean;
  readonly #sessions: Sessions;
  readonly #clock: Clock;
  readonly #metrics: TransportMetrics;
  readonly #owner: BulkLinesOwner;
  /** The names of the lines that are in use, by those of control. */
  readonly #keys = new Map<string, string>();
  readonly #openings = new Map<string, Opening>();

  constructor(
    limits: BulkLimits,
    sessions: Sessions,
    clock: Clock,
    metrics: TransportMetrics,
    owner: BulkLinesOwner,
  ) {
    this.#limits = limits;
    this.#isOn = limits.bulkConnection && limits.bind !== null;
    this.#sessions = sessions;
    this.#clock = clock;
    this.#metrics = metrics;
    this.#owner = owner;
  }

  /** The line that a new message takes. */
  keyOf(peer: string, priority: number): string {
    const isMoved = priority >= priorityIndex.Normal && this.#keys.size > 0;
    return isMoved ? (this.#keys.get(peer) ?? peer) : peer;
  }

  /** Something was queued. */
  queued(delivery: Delivery, priority: number): void {
    if (!this.#isOn) return;
    if (delivery.held) this.#ask(delivery);
    else if (delivery.queue.bytes >= this.#limits.bulkAfterBytes && priority >= priorityIndex.Normal)
      this.#crowded(delivery);
  }

  /** Something has left, or has arrived. */
  progressed(delivery: Delivery): void {
    if (delivery.queue.bytes < this.#limits.bulkAfterBytes) delivery.crowdedSinceMs = null;
  }

  /** A connection carries its session, which may be a new one. */
  attached(control: Delivery): void {
    const { peer, line, takesBulk } = control;
    const opening = this.#openings.get(peer);
    // Another process than the one that took it: nothing of that arrives any more.
    if (line === 'control' && !takesBulk) this.#leave(peer);
    else if (opening?.stale === true) this.#mark(control, opening);
  }

  /** The line for bulk could not be reached, or is forgotten with all that it had. */
  ended(key: string): void {
    for (const [peer, bulk] of this.#keys) {
      if (bulk === key && this.#sessions.get(key)?.lostInFlight !== true) this.#leave(peer);
    }
  }

  /** One line of the peer is not known any more; with the other, nothing is left to keep the order of. */
  forgotten(peer: string): void {
    const key = this.#keys.get(peer);
    const isKnown = [key, peer].some((line) => line !== undefined && this.#sessions.get(line) !== undefined);
    if (!isKnown) this.#keys.delete(peer);
  }

  /** Now and then: what is held waits for an answer of control's, and where that could not be reached nobody else may ask it again. */
  remind(): void {
    for (const [peer, { bulk, stale }] of this.#openings) {
      const control = stale && bulk.queued > 0 ? this.#sessions.getOrAdd(peer) : undefined;
      if (control !== undefined) this.#owner.wake(control);
    }
  }

  #leave(peer: string): void {
    const opening = this.#openings.get(peer);
    if (opening !== undefined) opening.bulk.held = false;
    this.#openings.delete(peer);
    this.#keys.delete(peer);
  }

  #crowded(control: Delivery): void {
    const { peer, line, takesBulk, connection, role } = control;
    if (!takesBulk || connection === null || role !== 'node' || line === 'bulk') return;
    const nowMs = this.#clock.nowMs();
    control.crowdedSinceMs ??= nowMs;
    if (nowMs - control.crowdedSinceMs < this.#limits.bulkAfterMs) return;
    const key = bulkKey(peer);
    if (this.#keys.has(peer) || this.#owner.isShut(key)) return;
    this.#keys.set(peer, key);
    this.#metrics.bulkLines.add();
    const opening: Opening = { bulk: this.#sessions.getOrAdd(key), left: 0, stale: true, round: 0 };
    opening.bulk.held = true;
    this.#openings.set(peer, opening);
    this.#mark(control, opening);
    this.#owner.wake(opening.bulk);
  }

  #mark(control: Delivery, opening: Opening): void {
    opening.stale = false;
    opening.left = moved.length;
    const round = ++opening.round;
    const isCurrent = (): boolean =>
      this.#openings.get(control.peer) === opening && opening.round === round && !opening.stale;
    const waiter: Waiter = {
      acknowledged: () => {
        if (isCurrent() && --opening.left === 0) this.#release(control.peer);
      },
      abandoned: () => {
        if (isCurrent()) opening.stale = true;
      },
    };
    for (const priority of moved) control.queue.push(newOutgoing(frameTypes.void, priority, 0, 0, waiter));
    this.#owner.wake(control);
  }

  /** Control is to say what has become of what it took, if nobody else asks it. */
  #ask(bulk: Delivery): void {
    for (const [peer, opening] of this.#openings) {
      const control = opening.bulk === bulk && opening.stale ? this.#sessions.getOrAdd(peer) : undefined;
      if (control !== undefined) this.#owner.wake(control);
    }
  }

  #release(peer: string): void {
    const opening = this.#openings.get(peer);
    if (opening === undefined) return;
    this.#openings.delete(peer);
    opening.bulk.held = false;
    this.#owner.wake(opening.bulk);
  }
}
