/**
 * When what was queued is written. An idle transport writes a lone message at the end of the current callback, so that it waits
 * for nothing. Several for one peer, and whatever comes while there is traffic, leave once a turn: batching is worth more than any
 * other trick (8 to 14 times on plain TCP), and what has once been written in small parts comes back in small parts. But when a turn
 * makes much for a peer whose socket is empty, the first part leaves at once: the peer works on it while the rest is made, where
 * otherwise two nodes with many requests between them would wait for each other in turns. And Critical never waits for the end of a turn, in
 * which megabytes of bulk may be read: it leaves at the end of the callback that has made it.
 */
import type { Clock } from '@cluster/core';
import { resentTooOften } from '../core/refusal.ts';
import type { TransportMetrics } from '../metrics.ts';
import type { TransportPorts } from '../ports.ts';
import type { Carrier } from './carrier.ts';
import type { Delivery } from './delivery.ts';
import { SparseLog } from './sparse-log.ts';

/** As much as a turn may keep from an empty socket: a dozen small messages, so that a part is worth its system calls. */
const earlyBytes = 4096;

export class Flusher {
  #dirty: Delivery[] = [];
  #spare: Delivery[] = [];
  readonly #metrics: TransportMetrics;
  readonly #clock: Clock;
  readonly #attemptsMax: number;
  readonly #soon: ((run: () => void) => void) | null;
  readonly #defer: (run: () => void) => void;
  readonly #onFlushed: (delivery: Delivery) => void;
  readonly #log: SparseLog;
  #flushing = false;
  /** A callback at the end of the turn is under way. */
  #busy = false;
  /** A callback for what is Critical is. */
  #hurries = false;

  constructor(
    ports: TransportPorts,
    metrics: TransportMetrics,
    attemptsMax: number,
    onFlushed: (delivery: Delivery) => void,
  ) {
    this.#metrics = metrics;
    this.#clock = ports.clock;
    this.#attemptsMax = attemptsMax;
    this.#soon = ports.soon ?? null;
    this.#defer = ports.defer ?? ((run) => void ports.clock.setTimer(0, run));
    this.#onFlushed = onFlushed;
    this.#log = new SparseLog(ports.logger);
  }

  schedule(delivery: Delivery): void {
    if (!delivery.scheduled) {
      delivery.scheduled = true;
      delivery.mayWriteEarly = true;
      this.#dirty.push(delivery);
    } else if (delivery.mayWriteEarly && delivery.queue.bytes >= earlyBytes && !this.#flushing) {
      // Once a turn.
      delivery.mayWriteEarly = false;
      if (delivery.connection?.isEmpty === true) this.#write(delivery, delivery.connection);
    }
    if (!this.#hurries && this.#soon !== null && delivery.queue.isUrgent) {
      this.#hurries = true;
      this.#soon(this.#flushUrgent);
    }
    if (this.#busy) return;
    this.#busy = true;
    this.#soon?.(this.#flushLone);
    this.#defer(this.#endOfTurn);
  }

  /** In the middle of a turn, where the socket is empty: what was read in it may be all that the peer may send. */
  hurry(delivery: Delivery): void {
    if (delivery.connection?.isEmpty === true && !this.#flushing) this.#write(delivery, delivery.connection);
    else this.schedule(delivery);
  }

  /** What is queued during a flush is of the next one. */
  readonly flush = (): void => this.#flush(false);

  readonly #flushLone = (): void => this.#flush(true);

  /** What else is queued there leaves with it; the rest of the turn's at its end. */
  readonly #flushUrgent = (): void => {
    this.#hurries = false;
    if (this.#flushing) return;
    for (const delivery of this.#dirty)
      if (delivery.queue.isUrgent && delivery.connection !== null) this.#write(delivery, delivery.connection);
  };

  #flush(loneOnly: boolean): void {
    if (this.#flushing || this.#dirty.length === 0) return;
    this.#flushing = true;
    const dirty = this.#dirty;
    this.#dirty = this.#spare;
    for (const delivery of dirty) {
      if (loneOnly && delivery.queue.size > 1) {
        this.#dirty.push(delivery);
        continue;
      }
      delivery.scheduled = false;
      const { connection } = delivery;
      if (connection === null) continue;
      this.#write(delivery, connection);
      this.#onFlushed(delivery);
    }
    dirty.length = 0;
    this.#spare = dirty;
    this.#flushing = false;
  }

  #write(delivery: Delivery, connection: Carrier): void {
    const nowMs = this.#clock.nowMs();
    const bytes = connection.flush(this.#attemptsMax, nowMs);
    this.#metrics.bytesSent.add(bytes);
    const { taken, resent } = delivery;
    if (bytes > 0) {
      delivery.tally.sent(taken + resent, bytes, nowMs);
      connection.tally.sent(taken + resent, bytes, nowMs);
    }
    delivery.taken = 0;
    delivery.resent = 0;
    if (taken > 0) this.#metrics.messagesSent.add(taken);
    if (resent > 0) this.#metrics.resends.add(resent);
    const { node: peer, lost } = delivery;
    if (lost.posts === 0) return;
    this.#metrics.messagesDropped.add(lost.posts);
    this.#log.warn('one-way messages were given up', resentTooOften, nowMs, { peer, messages: lost.posts });
    lost.posts = 0;
  }

  readonly #endOfTurn = (): void => {
    // Without traffic the next message is written at once again.
    this.#busy = this.#dirty.length > 0;
    if (!this.#busy) return;
    if (this.#soon !== null) this.#defer(this.#endOfTurn);
    else this.#busy = false;
    this.flush();
  };
}
