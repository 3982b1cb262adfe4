/** One look at all connections now and then, instead of timers for each: who is silent, who reads nothing, what
 * nobody uses, and what has been used enough. */
import type { Clock, TimerHandle } from '@cluster/core';
import type { TransportConfig } from '../config.ts';
import type { TransportInput } from '../core/protocol.ts';
import type { Delivery } from './delivery.ts';
import type { WireConnection } from './wire-connection.ts';

/** At most 2^24 records and a quarter more: RFC 8446 (5.5) allows AES-GCM 2^24.5. Who has dialled has had time to renew by then. */
const exhaustedAfter = (renewAfterRecords: number): number => 256 + Math.floor(renewAfterRecords * 1.25);

export interface WatchOwner {
  dispatch(input: TransportInput): void;
  /** Something is under way between this node and the peer. */
  isBusy(delivery: Delivery): boolean;
  /** After each look. */
  watched(): void;
}

export class ConnectionWatch {
  readonly #config: TransportConfig;
  readonly #clock: Clock;
  readonly #connections: ReadonlyMap<number, WireConnection>;
  readonly #owner: WatchOwner;
  readonly #everyMs: number;
  #timer: TimerHandle | null = null;

  constructor(
    config: TransportConfig,
    clock: Clock,
    connections: ReadonlyMap<number, WireConnection>,
    owner: WatchOwner,
  ) {
    this.#config = config;
    this.#clock = clock;
    this.#connections = connections;
    this.#owner = owner;
    const { keepaliveIdleMs, writeTimeoutMs } = config;
    this.#everyMs = Math.max(5, Math.floor(Math.min(keepaliveIdleMs, writeTimeoutMs) / 6));
  }

  /** Until the last admitted connection has gone. */
  start(): void {
    this.#timer ??= this.#clock.setTimer(this.#everyMs, this.#look);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** Certificates have been replaced: every connection is to be followed by one that shows and sees the new ones. */
  renewAll(): void {
    const nowMs = this.#clock.nowMs();
    for (const connection of this.#connections.values()) connection.renewAtMs = nowMs;
    this.#timer?.cancel();
    this.#look();
  }

  readonly #look = (): void => {
    this.#timer = null;
    const nowMs = this.#clock.nowMs();
    let isNeeded = false;
    for (const connection of this.#connections.values()) {
      const { id, delivery } = connection;
      if (delivery === null || connection.refused) continue;
      isNeeded = true;
      connection.rest();
      const event = this.#judge(connection, delivery, nowMs);
      if (event !== null) this.#owner.dispatch({ type: event, connection: id });
    }
    this.#owner.watched();
    if (isNeeded) this.start();
  };

  #judge(
    connection: WireConnection,
    delivery: Delivery,
    nowMs: number,
  ): 'STALLED' | 'UNUSED' | 'AGED' | 'EXHAUSTED' | 'QUIET' | null {
    const { bind, keepaliveIdleMs, writeTimeoutMs, idleCloseMs, renewAfterRecords } = this.#config;
    if (connection.records >= exhaustedAfter(renewAfterRecords)) return 'EXHAUSTED';
    if (connection.stalledMs(nowMs) >= writeTimeoutMs) return 'STALLED';
    if (connection.quiet) return null;
    const unusedMs = connection.unusedMs(nowMs, delivery.activity, this.#owner.isBusy(delivery));
    // A client cannot be dialled, and waits for what it is sent.
    const isBetweenNodes = bind !== null && delivery.role === 'node';
    if (isBetweenNodes && idleCloseMs > 0 && unusedMs >= idleCloseMs) return 'UNUSED';
    // Before its age: where the next cannot be made, the peer may be dead.
    if (nowMs - connection.lastHeardMs >= keepaliveIdleMs) return 'QUIET';
    if (connection.dialled !== null && connection.records >= renewAfterRecords) return 'AGED';
    return this.#isOutdated(connection, nowMs) ? 'AGED' : null;
  }

  /** Now and then again: the peer may not be reached from here, though it has reached this node. */
  #isOutdated(connection: WireConnection, nowMs: number): boolean {
    const { renewAtMs } = connection;
    if (renewAtMs === null || nowMs < renewAtMs) return false;
    connection.renewAtMs = nowMs + this.#config.backoffMaxMs;
    return true;
  }
}
