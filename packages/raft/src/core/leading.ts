/** The duties of a leader from the first entry of its term to the end of its lead (thesis 3.4, 3.6.2, 6.4). */
import type { Sink } from '@cluster/core';
import type { ReadRounds } from './read-rounds.ts';
import type { Replication } from './replication.ts';
import type { Sending } from './sending.ts';
import type { Shared } from './state.ts';
import type { Transfers } from './transfer.ts';
import type { RaftEffect } from './inputs-and-effects.ts';

type Out = Sink<RaftEffect>;

const heartbeatTimer = 'heartbeat';
const nothing = new Uint8Array(0);

export class Leading {
  readonly #shared: Shared;
  readonly #replication: Replication;
  readonly #sending: Sending;
  readonly #readRounds: ReadRounds;
  readonly #transfers: Transfers;

  constructor(
    shared: Shared,
    replication: Replication,
    sending: Sending,
    readRounds: ReadRounds,
    transfers: Transfers,
  ) {
    this.#shared = shared;
    this.#replication = replication;
    this.#sending = sending;
    this.#readRounds = readRounds;
    this.#transfers = transfers;
  }

  begin(nowMs: number, out: Out): void {
    const shared = this.#shared;
    shared.role = 'leader';
    shared.leaderId = shared.config.nodeId;
    this.#replication.begin(nowMs, out);
    this.#armHeartbeat(out);
    // An entry of its own term, so that what earlier leaders left can be committed with it (thesis 3.6.2, 6.4).
    const noop = {
      index: shared.log.lastIndex + 1,
      term: shared.term,
      kind: 'noop',
      session: null,
      command: nothing,
    } as const;
    this.#replication.append([noop], out);
  }

  end(out: Out): void {
    this.#shared.leaderId = null;
    this.#replication.end(out);
    this.#readRounds.end();
    out.emit({ type: 'cancelTimer', timer: heartbeatTimer });
  }

  /** @returns whether the timer was a leader's. */
  fire(timer: string, nowMs: number, out: Out): boolean {
    if (timer !== heartbeatTimer) return false;
    if (!this.#shared.isLeader) return true;
    this.#replication.heartbeat(nowMs, out);
    this.#sending.repeat();
    this.#readRounds.heartbeat(nowMs, out);
    this.#transfers.repeat(out);
    this.#armHeartbeat(out);
    return true;
  }

  #armHeartbeat(out: Out): void {
    out.emit({ type: 'setTimer', timer: heartbeatTimer, delayMs: this.#shared.config.heartbeatMs });
  }
}
