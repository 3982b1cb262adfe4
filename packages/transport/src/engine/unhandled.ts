/** One-way messages that have arrived at a peer and reached no handler there: their senders learn of it as well as they can. */
import type { Logger } from '@cluster/core';
import { remoteError } from '../errors.ts';
import type { TransportMetrics } from '../metrics.ts';
import { decodeRemoteError } from '../wire/messages.ts';
import type { Delivery } from './delivery.ts';
import { SparseLog } from './sparse-log.ts';

export class UnhandledMessages {
  readonly #metrics: TransportMetrics;
  readonly #log: SparseLog;

  constructor(metrics: TransportMetrics, logger: Logger) {
    this.#metrics = metrics;
    this.#log = new SparseLog(logger);
  }

  /** Whoever waits for its arrival gets the error; where nobody does, it is counted and told of. */
  heard(delivery: Delivery, typeId: number, stream: number, payload: Uint8Array, nowMs: number): void {
    const { code, message: reason } = decodeRemoteError(payload);
    const { node: peer } = delivery;
    const call = delivery.calls.get(stream);
    if (call?.until === 'arrival') call.fail(remoteError(peer, code, reason));
    if (stream !== 0) return;
    this.#metrics.postRefused(code);
    this.#log.warn('a peer refused a one-way message', { code, reason }, nowMs, { peer, typeId });
  }
}
