import type { Outcome } from '@cluster/core';
import type { HealthMonitor, Prober } from '@cluster/health';
import type { MessengerComponent, PathsComponent } from '../components.ts';
import { asClusterError } from '../errors.ts';

/** Measures paths by the transport's own ping, so that what is measured is the path messages take. */
export function transportProber(messenger: Pick<MessengerComponent, 'ping'>, timeoutMs: number): Prober {
  return {
    probe: (peer, done) => {
      void (async () => done(await measure(messenger, peer, timeoutMs)))();
    },
  };
}

async function measure(
  messenger: Pick<MessengerComponent, 'ping'>,
  peer: string,
  timeoutMs: number,
): Promise<Outcome<number>> {
  try {
    return { ok: true, value: await messenger.ping(peer, { timeoutMs }) };
  } catch (error) {
    return { ok: false, error: asClusterError(error) };
  }
}

export function pathsComponent(monitor: HealthMonitor): PathsComponent {
  return {
    watch: (peer) => void monitor.watch(peer),
    unwatch: (peer) => monitor.unwatch(peer),
    paths: () => monitor.paths(),
    stop: () => monitor.stop(),
    metrics: () => {
      const paths = monitor.paths();
      const known = paths.map(({ averageMs }) => averageMs).filter((ms) => ms !== null);
      return {
        paths_watched: paths.length,
        paths_up: paths.filter(({ state }) => state === 'up').length,
        paths_degraded: paths.filter(({ state }) => state === 'degraded').length,
        paths_down: paths.filter(({ state }) => state === 'down').length,
        average_latency_ms: known.length === 0 ? 0 : known.reduce((sum, ms) => sum + ms, 0) / known.length,
        p99_latency_ms: Math.max(0, ...paths.map(({ p99Ms }) => p99Ms ?? 0)),
      };
    },
  };
}
