import { ClusterError, type Done, MetricsRegistry } from '@cluster/core';
import {
  type HealthConfigInput,
  type HealthEvent,
  HealthMonitor,
  type PathQuality,
} from '../../src/index.ts';
import { VirtualClock } from '@cluster/sim';

interface Sent {
  readonly peer: string;
  readonly atMs: number;
  readonly done: Done<number>;
}

export const unreachable: ClusterError = new ClusterError({
  code: 'TEST_UNREACHABLE',
  fault: 'environment',
  message: 'The peer cannot be reached.',
  advice: 'None: this is a test.',
});

export interface Workbench {
  readonly monitor: HealthMonitor;
  readonly clock: VirtualClock;
  readonly metrics: MetricsRegistry;
  readonly events: HealthEvent[];
  readonly sent: readonly Sent[];
  /** Goes on to the next probe of the only path and lets it end: a round trip, 'error', or 'silence' until the timeout. */
  readonly probe: (end: number | 'error' | 'silence') => void;
  readonly quality: () => PathQuality;
}

/** A monitor in virtual time, watching one path to `p`; probes end as the test says. */
export function workbench(config: HealthConfigInput = {}): Workbench {
  const clock = new VirtualClock();
  const metrics = new MetricsRegistry();
  const sent: Sent[] = [];
  const prober = {
    probe: (peer: string, done: Done<number>) => void sent.push({ peer, done, atMs: clock.nowMs() }),
  };
  const monitor = new HealthMonitor({ jitter: 0, ...config }, { clock, prober, metrics, seed: 5 });
  const events: HealthEvent[] = [];
  monitor.onEvent((event) => void events.push(event));
  monitor.watch('p');
  const { intervalMs, timeoutMs } = monitor.config;
  const probe = (end: number | 'error' | 'silence'): void => {
    clock.runUntil(sent.length === 0 ? 0 : (sent.at(-1)?.atMs ?? 0) + intervalMs);
    if (end === 'silence') clock.advance(timeoutMs);
    else if (end === 'error') sent.at(-1)?.done({ ok: false, error: unreachable });
    else sent.at(-1)?.done({ ok: true, value: end });
  };
  const quality = (): PathQuality => monitor.quality('p') as PathQuality;
  return { monitor, clock, metrics, events, sent, probe, quality };
}
