/**
 * Failed dials as a person wants to read them: a line when a peer is not reached any more, a line when the reason is another one,
 * a line when it is reached again. The many in between are a number.
 */
import type { Logger } from '@cluster/core';
import type { Refusal } from '../core/refusal.ts';
import { reasonLabel } from '../errors.ts';
import type { TransportMetrics } from '../metrics.ts';

// More unreachable peers than this are not told apart: the one that has failed for the longest is forgotten.
const peersMax = 1024;

export class DialLog {
  readonly #metrics: TransportMetrics;
  readonly #logger: Logger;
  readonly #failing = new Map<string, { code: string; failures: number }>();

  constructor(metrics: TransportMetrics, logger: Logger) {
    this.#metrics = metrics;
    this.#logger = logger;
  }

  failed(peer: string | null, { code, reason }: Refusal): void {
    this.#metrics.dialFailed(reasonLabel(code));
    const name = peer ?? '';
    const known = this.#failing.get(name);
    if (known !== undefined) {
      known.failures++;
      if (known.code === code) return;
      known.code = code;
    } else {
      const [oldest] = this.#failing.keys();
      if (this.#failing.size >= peersMax && oldest !== undefined) this.#failing.delete(oldest);
      this.#failing.set(name, { code, failures: 1 });
    }
    this.#logger.log('warn', 'a dial failed', { code, reason, ...(peer === null ? {} : { peer }) });
  }

  /** There is a connection to it, whoever dialled. */
  reached(peer: string): void {
    const known = this.#failing.get(peer);
    if (known === undefined) return;
    this.#failing.delete(peer);
    this.#logger.log('info', 'a peer is reached again', { peer, failures: known.failures });
  }
}
