/** What is told about connections that were not wanted, failed or broke. A flood of strangers must not become a flood of lines. */
import type { Clock, Logger } from '@cluster/core';
import type { TransportEffect } from '../core/protocol.ts';
import { duplicateCode, type Refusal, shutDown } from '../core/refusal.ts';
import { reasonLabel } from '../errors.ts';
import type { TransportMetrics } from '../metrics.ts';
import { DialLog } from './dial-log.ts';
import { SparseLog } from './sparse-log.ts';

export class ConnectionLog {
  readonly #clock: Clock;
  readonly #metrics: TransportMetrics;
  readonly #log: SparseLog;
  readonly #dials: DialLog;

  constructor(clock: Clock, metrics: TransportMetrics, logger: Logger) {
    this.#clock = clock;
    this.#metrics = metrics;
    this.#log = new SparseLog(logger);
    this.#dials = new DialLog(metrics, logger);
  }

  reached(peer: string): void {
    this.#dials.reached(peer);
  }

  handshakeFailed({ dialled, peer, refusal }: Extract<TransportEffect, { type: 'handshakeFailed' }>): void {
    if (refusal.code === duplicateCode || refusal.code === shutDown.code) return;
    if (dialled) this.#dials.failed(peer, refusal);
    else this.rejected(refusal, peer);
  }

  rejected(refusal: Refusal, peer: string | null): void {
    this.#metrics.connectionRejected(reasonLabel(refusal.code));
    this.warn('a connection was rejected', refusal, peer);
  }

  /** One line a second for each reason. */
  warn(message: string, refusal: Refusal, peer: string | null): void {
    this.#log.warn(message, refusal, this.#clock.nowMs(), peer === null ? {} : { peer });
  }
}
