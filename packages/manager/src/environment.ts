/** What a manager is given by whoever composes it: `adapters/node` for real, fakes in tests. */
import type { Clock, Logger, MetricsRegistry, RingRecorder, Tracer, WallClock } from '@cluster/core';
import type { Components, OnComponentFailed } from './components.ts';
import type { ManagerConfig } from './config.ts';
import type { Database } from './ports.ts';

export interface Environment {
  readonly nodeId: string;
  readonly config: ManagerConfig;
  readonly database: Database | null;
  readonly clock: Clock;
  readonly wallClock: WallClock;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly tracer: Tracer | undefined;
  readonly recorder: RingRecorder | null;
  /** For the header of a trace. */
  readonly versions: Readonly<Record<string, string>>;
  /** Share of the time this process was busy of late, 0 … 1. */
  readonly utilization: () => number;
  /** Opens everything, or closes what it has opened and rejects. */
  readonly open: (signal: AbortSignal, onFailed: OnComponentFailed) => Promise<Components>;
  readonly writeFile: (path: string, text: string) => Promise<void>;
}
