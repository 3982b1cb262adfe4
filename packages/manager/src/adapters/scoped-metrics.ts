/** One registry for all packages: each sees it through a label of its own, since names like `messages_sent` recur. */
import type { MetricOptions, Metrics } from '@cluster/core';

export function scopedMetrics(metrics: Metrics, scope: Readonly<Record<string, string>>): Metrics {
  const scoped = (options: MetricOptions): MetricOptions => ({
    ...options,
    labels: { ...options.labels, ...scope },
  });
  return {
    counter: (name, options) => metrics.counter(name, scoped(options)),
    gauge: (name, options) => metrics.gauge(name, scoped(options)),
    histogram: (name, options) => metrics.histogram(name, scoped(options)),
  };
}
