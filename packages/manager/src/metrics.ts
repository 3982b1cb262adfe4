/** What the manager itself counts; the other packages count for themselves into the same registry. */
import type { Counter, Metrics } from '@cluster/core';

const counterHelp = {
  queries_served: 'Reads executed on this node',
  queries_failed: 'Queries that ended in an error, the statement’s own included',
  queries_retried: 'Reads tried again on another replica',
  reads_behind: 'Reads refused here because this replica is too far behind',
  retries_refused: 'Retries that the retry budget did not allow',
  writes_proposed: 'Writes taken into the replicated log through this node',
  routes_given: 'Routes chosen for queries',
  messages_refused: 'Messages from peers that were none',
  session_opens_refused: 'Sessions a client wanted to open faster than it may',
  failover_events: 'Changes of leader seen',
  role_changes: 'Changes of this node’s role in the replicated log',
  log_failures: 'Times the replicated log of this node stopped by an error',
} as const;

export type CounterName = keyof typeof counterHelp;

/** Numbers by name. Counters only rise; names carry their unit. */
export type MetricValues = Readonly<Record<string, number>>;

export interface AllMetrics {
  /** `ping_count`, `members_alive`, … */
  readonly topology: MetricValues;
  /** `messages_sent`, `bytes_sent`, … */
  readonly communication: MetricValues;
  /** `queries_routed`, `queries_served`, `average_latency_ms`, … */
  readonly loadBalancer: MetricValues;
  /** `failover_events`, `term`, `commit_index`, … */
  readonly failover: MetricValues;
  /** `average_latency_ms`, `p99_latency_ms`, `paths_up`, … */
  readonly health: MetricValues;
}

export class ManagerMetrics {
  readonly #counters: Readonly<Record<CounterName, Counter>>;
  readonly #values = new Map<CounterName, number>();
  readonly #latency: { observe(value: number): void };
  #latencySumMs = 0;
  #latencyCount = 0;

  constructor(metrics: Metrics) {
    const names = Object.keys(counterHelp) as CounterName[];
    this.#counters = Object.fromEntries(
      names.map((name) => [name, metrics.counter(name, { help: counterHelp[name] })]),
    ) as Record<CounterName, Counter>;
    this.#latency = metrics.histogram('query_latency_ms', { help: 'Time from query() to its result' });
  }

  add(name: CounterName): void {
    this.#counters[name].add();
    this.#values.set(name, this.value(name) + 1);
  }

  value(name: CounterName): number {
    return this.#values.get(name) ?? 0;
  }

  queryTook(ms: number): void {
    this.#latency.observe(ms);
    this.#latencySumMs += ms;
    this.#latencyCount++;
  }

  get averageLatencyMs(): number {
    return this.#latencyCount === 0 ? 0 : this.#latencySumMs / this.#latencyCount;
  }

  values(names: readonly CounterName[]): MetricValues {
    return Object.fromEntries(names.map((name) => [name, this.value(name)]));
  }
}
