import type { Clock, Logger, Metrics, Tracer } from '@cluster/core';

/** Who holds the data of a key: the data locality of routing. */
export interface ReplicaMap {
  /** The nodes that can answer for the key; undefined = not known, any node will do; empty = nobody can. */
  replicasOf(key: string): readonly string[] | undefined;
}

export interface BalancerPorts {
  readonly clock: Clock;
  /** Breaks ties; equal seeds and inputs give equal routes. */
  readonly seed: number;
  readonly replicas?: ReplicaMap | undefined;
  readonly metrics?: Metrics | undefined;
  readonly logger?: Logger | undefined;
  readonly tracer?: Tracer | undefined;
}
