/** Push/pull exchanges that we have begun: which of them are the seeds of a join, which keep the pool in step. */
import type { Address, Sink } from '@cluster/core';
import type { SwimEffect } from './effects.ts';
import type { PeerRecord } from './messages.ts';

export interface Exchange {
  readonly to: Address;
  readonly join: boolean;
}

export interface ExchangesCheckpoint {
  readonly open: readonly (readonly [number, Exchange])[];
  readonly next: number;
}

export class Exchanges {
  readonly #records: () => readonly PeerRecord[];
  readonly #open = new Map<number, Exchange>();
  #next = 1;

  constructor(records: () => readonly PeerRecord[]) {
    this.#records = records;
  }

  start(to: Address, join: boolean, out: Sink<SwimEffect>): void {
    const exchange = this.#next++;
    this.#open.set(exchange, { to, join });
    out.emit({ type: 'startExchange', exchange, to, join, members: this.#records() });
  }

  /** The exchange that has ended; undefined when it was cancelled meanwhile. */
  finish(exchange: number): Exchange | undefined {
    const found = this.#open.get(exchange);
    this.#open.delete(exchange);
    return found;
  }

  cancelJoins(out: Sink<SwimEffect>): void {
    for (const [exchange, { join }] of this.#open) {
      if (!join) continue;
      this.#open.delete(exchange);
      out.emit({ type: 'cancelExchange', exchange });
    }
  }

  checkpoint(): ExchangesCheckpoint {
    return { open: [...this.#open], next: this.#next };
  }

  restore({ open, next }: ExchangesCheckpoint): void {
    this.#open.clear();
    for (const [id, exchange] of open) this.#open.set(id, exchange);
    this.#next = next;
  }
}
