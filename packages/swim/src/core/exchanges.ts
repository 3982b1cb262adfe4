/** Push/pull exchanges that we have begun, and why. */
import type { Address, Sink } from '@cluster/core';
import type { SwimEffect } from './effects.ts';
import type { PeerRecord } from './messages.ts';

/** `join`: with a seed of a join. `rejoin`: with one that was known before a restart. `sync`: to keep the pool in step. */
export type ExchangePurpose = 'join' | 'rejoin' | 'sync';

export interface Exchange {
  readonly to: Address;
  readonly purpose: ExchangePurpose;
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

  start(to: Address, purpose: ExchangePurpose, out: Sink<SwimEffect>): void {
    const exchange = this.#next++;
    this.#open.set(exchange, { to, purpose });
    const join = purpose !== 'sync';
    out.emit({ type: 'startExchange', exchange, to, join, members: this.#records() });
  }

  /** The exchange that has ended; undefined when it was cancelled meanwhile. */
  finish(exchange: number): Exchange | undefined {
    const found = this.#open.get(exchange);
    this.#open.delete(exchange);
    return found;
  }

  cancelJoins(out: Sink<SwimEffect>): void {
    for (const [exchange, { purpose }] of this.#open) {
      if (purpose !== 'join') continue;
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
