/** What this node says of its load. */
import type { Database } from './ports.ts';
import type { LoadReport } from './types.ts';

export class LoadMeter {
  readonly #database: Database | null;
  readonly #utilization: () => number;
  #inFlight = 0;

  /** @param utilization share of the time the process has been busy of late, 0 … 1. */
  constructor(database: Database | null, utilization: () => number) {
    this.#database = database;
    this.#utilization = utilization;
  }

  /** Counts an operation while it is under way. */
  async count<T>(operation: () => Promise<T>): Promise<T> {
    this.#inFlight++;
    try {
      return await operation();
    } finally {
      this.#inFlight--;
    }
  }

  report(): LoadReport {
    const own = this.#database?.load?.();
    const utilization = Math.max(this.#utilization(), own?.utilization ?? 0);
    return {
      queueDepth: Math.max(0, own?.queueDepth ?? 0),
      inFlight: this.#inFlight,
      utilization: Math.min(1, Math.max(0, utilization)),
    };
  }
}
