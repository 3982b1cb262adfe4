import type { Counter, Gauge, Metrics } from '@cluster/core';
import { type StrategyName, strategyNames } from './config.ts';
import type { BalancerEffect, BalancerEvent } from './core/messages.ts';

type Counts<K extends string> = Readonly<Record<K, Counter>>;

function counters<K extends string>(
  metrics: Metrics,
  name: string,
  help: string,
  label: string,
  values: readonly K[],
) {
  return Object.fromEntries(
    values.map((value) => [value, metrics.counter(name, { help, labels: { [label]: value } })]),
  ) as Counts<K>;
}

/** Names and meanings of what the balancer counts. */
export class BalancerMetrics {
  readonly #metrics: Metrics;
  readonly #labelsMax: number;
  readonly #inFlight = new Map<string, Gauge>();
  readonly #routed: Counts<StrategyName>;
  readonly #reasons: Counts<'strategy' | 'probe' | 'panic'>;
  readonly #expired: Counts<'time' | 'overflow'>;
  readonly #ignored: Counts<'outcome' | 'report'>;
  readonly #events: Counts<BalancerEvent['type']>;
  readonly #notRouted: Counter;

  /** @param labelsMax nodes that get a gauge of their own; a registry never forgets a series. */
  constructor(metrics: Metrics, labelsMax: number) {
    this.#metrics = metrics;
    this.#labelsMax = labelsMax;
    this.#routed = counters(
      metrics,
      'queries_routed',
      'Queries given an endpoint',
      'strategy',
      strategyNames,
    );
    this.#reasons = counters(metrics, 'routes', 'Why the endpoint was chosen', 'reason', [
      'strategy',
      'probe',
      'panic',
    ]);
    this.#expired = counters(metrics, 'route_expired', 'Routes closed without an outcome', 'cause', [
      'time',
      'overflow',
    ]);
    this.#ignored = counters(metrics, 'balancer_ignored', 'Late outcomes and unusable reports', 'what', [
      'outcome',
      'report',
    ]);
    this.#events = {
      Ejected: metrics.counter('ejections', { help: 'Endpoints taken out of use after repeated errors' }),
      EjectionRefused: metrics.counter('ejections_refused', {
        help: 'Errors of endpoints the pool could not do without',
      }),
      Probing: metrics.counter('endpoint_probes_opened', {
        help: 'Times an endpoint was put on trial again',
      }),
      Restored: metrics.counter('endpoints_restored', { help: 'Endpoints back in use after a good probe' }),
      Draining: metrics.counter('endpoints_drained', { help: 'Drains begun' }),
    };
    this.#notRouted = metrics.counter('queries_not_routed', { help: 'Queries no endpoint could take' });
  }

  count(effect: BalancerEffect): void {
    switch (effect.type) {
      case 'routed':
        this.#routed[effect.strategy].add();
        this.#setInFlight(effect.nodeId, effect.inFlight);
        return this.#reasons[effect.reason].add();
      case 'notRouted':
        return this.#notRouted.add();
      case 'closed':
        return this.#setInFlight(effect.nodeId, effect.inFlight);
      case 'expired':
        return this.#expired[effect.cause].add();
      case 'ignored':
        return this.#ignored[effect.what].add();
      case 'notify':
        return this.#events[effect.event.type].add();
    }
  }

  #setInFlight(nodeId: string, inFlight: number): void {
    let gauge = this.#inFlight.get(nodeId);
    if (gauge === undefined) {
      if (this.#inFlight.size >= this.#labelsMax) return;
      gauge = this.#metrics.gauge('endpoint_in_flight', {
        help: 'Own requests in flight',
        labels: { node: nodeId },
      });
      this.#inFlight.set(nodeId, gauge);
    }
    gauge.set(inFlight);
  }
}
