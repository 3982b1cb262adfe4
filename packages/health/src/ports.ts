import type { Clock, Done, Logger, Metrics, Tracer } from '@cluster/core';

/** Sends something small to a peer and waits for the answer. */
export interface Prober {
  /** @param done the round trip in milliseconds, or why there was none. Called late or twice it is ignored. */
  probe(peer: string, done: Done<number>): void;
}

export interface HealthPorts {
  readonly clock: Clock;
  readonly prober: Prober;
  /** Spreads the probes; equal seeds and answers give equal schedules. */
  readonly seed: number;
  readonly metrics?: Metrics | undefined;
  readonly logger?: Logger | undefined;
  readonly tracer?: Tracer | undefined;
}
