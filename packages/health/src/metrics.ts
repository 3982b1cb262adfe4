import type { Counter, Gauge, Histogram, Metrics } from '@cluster/core';
import type { HealthEffect, HealthEvent, LossCause } from './core/messages.ts';

interface PeerSeries {
  readonly latency: Histogram;
  readonly score: Gauge;
}

/** Names and meanings of what the health monitor counts. */
export class HealthMetrics {
  readonly #metrics: Metrics;
  readonly #peersMax: number;
  readonly #peers = new Map<string, PeerSeries>();
  readonly #failures: Readonly<Record<LossCause, Counter>>;
  readonly #changes: Readonly<Record<HealthEvent['type'], Counter>>;
  readonly #ignored: Counter;
  readonly #refused: Counter;
  readonly #average: Gauge;
  readonly #paths: Gauge;

  /** @param peersMax peers that get series of their own; a registry never forgets a series. */
  constructor(metrics: Metrics, peersMax: number) {
    this.#metrics = metrics;
    this.#peersMax = peersMax;
    const failures = (cause: LossCause): Counter =>
      metrics.counter('probe_failures', { help: 'Probes that got no answer', labels: { cause } });
    const changes = (to: HealthEvent['type']): Counter =>
      metrics.counter('path_changes', { help: 'Paths that changed their state', labels: { to } });
    this.#failures = { timeout: failures('timeout'), error: failures('error'), invalid: failures('invalid') };
    this.#changes = { Up: changes('Up'), Degraded: changes('Degraded'), Down: changes('Down') };
    this.#ignored = metrics.counter('probe_completions_ignored', {
      help: 'Answers to probes that were over',
    });
    this.#refused = metrics.counter('paths_refused', { help: 'Paths not watched because the table is full' });
    this.#average = metrics.gauge('average_latency_ms', {
      help: 'Mean over the paths of their average round trips',
    });
    this.#paths = metrics.gauge('paths_watched', { help: 'Paths that are probed' });
  }

  count(effect: HealthEffect): void {
    switch (effect.type) {
      case 'sendProbe':
        return;
      case 'answered':
        return this.#peer(effect.peer)?.latency.observe(effect.roundTripMs);
      case 'lost':
        return this.#failures[effect.cause].add();
      case 'ignored':
        return this.#ignored.add();
      case 'refused':
        return this.#refused.add();
      case 'notify':
        return this.#changes[effect.event.type].add();
    }
  }

  setPath(peer: string, score: number | null): void {
    if (score !== null) this.#peer(peer)?.score.set(score);
  }

  /** The registry keeps the series; a path nobody measures has no quality to show. */
  forget(peer: string): void {
    this.#peers.get(peer)?.score.set(0);
  }

  setTotals(paths: number, averageMs: number | null): void {
    this.#paths.set(paths);
    this.#average.set(averageMs ?? 0);
  }

  #peer(peer: string): PeerSeries | undefined {
    let series = this.#peers.get(peer);
    if (series === undefined && this.#peers.size < this.#peersMax) {
      const labels = { peer };
      series = {
        latency: this.#metrics.histogram('peer_latency_ms', { help: 'Round trips of probes', labels }),
        score: this.#metrics.gauge('peer_quality_score', { help: 'Quality of the path, 0 to 1', labels }),
      };
      this.#peers.set(peer, series);
    }
    return series;
  }
}
