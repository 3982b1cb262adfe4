/** A registry of counters, gauges and histograms with a Prometheus text face (exposition format 0.0.4). */
import type { Counter, Gauge, Histogram, MetricOptions, Metrics } from './ports.ts';
import { ClusterError } from './errors.ts';

type Kind = 'counter' | 'gauge' | 'histogram';

interface Series {
  readonly labels: Readonly<Record<string, string>>;
  value: number;
  readonly buckets: number[];
  sum: number;
  count: number;
}

interface Family {
  readonly kind: Kind;
  readonly help: string;
  readonly series: Map<string, Series>;
}

/** Upper bounds of histogram buckets, in the metric's own unit: 1-2-5 steps over 0.05 … 10,000. */
export const histogramBounds: readonly number[] = [
  0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000,
];

/** Series a metric may have; further label values share one series, in which every label reads `other`. */
export const seriesMax = 1024;
const otherLabel = 'other';

export class MetricsRegistry implements Metrics {
  readonly #families = new Map<string, Family>();
  readonly #prefix: string;

  /** @param prefix put before every name in the Prometheus text. Default `cluster_`. */
  constructor(prefix = 'cluster_') {
    this.#prefix = prefix;
  }

  counter(name: string, options: MetricOptions): Counter {
    const series = this.#series('counter', name, options);
    return { add: (amount = 1) => void (series.value += amount) };
  }

  gauge(name: string, options: MetricOptions): Gauge {
    const series = this.#series('gauge', name, options);
    return { set: (value) => void (series.value = value) };
  }

  histogram(name: string, options: MetricOptions): Histogram {
    const series = this.#series('histogram', name, options);
    return {
      observe: (value) => {
        // One value that is no number would make the sum none for ever.
        if (Number.isNaN(value)) return;
        series.sum += value;
        series.count++;
        const bucket = histogramBounds.findIndex((bound) => value <= bound);
        if (bucket !== -1) series.buckets[bucket] = (series.buckets[bucket] ?? 0) + 1;
      },
    };
  }

  /** The value of a counter or gauge (a histogram's mean); 0 for a series that does not exist. */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const family = this.#families.get(name);
    const series = family?.series.get(keyOf(labels));
    if (family === undefined || series === undefined) return 0;
    return family.kind === 'histogram' ? (series.count === 0 ? 0 : series.sum / series.count) : series.value;
  }

  /** All counters and gauges (and histogram counts and means) by name, labels in braces. */
  snapshot(): Record<string, number> {
    const values: Record<string, number> = {};
    for (const [name, family] of this.#families) {
      for (const series of family.series.values()) {
        const suffix = labelText(series.labels);
        if (family.kind === 'histogram') {
          values[`${name}_count${suffix}`] = series.count;
          values[`${name}_mean${suffix}`] = series.count === 0 ? 0 : series.sum / series.count;
        } else values[name + suffix] = series.value;
      }
    }
    return values;
  }

  /** Prometheus text. */
  prometheus(): string {
    const lines: string[] = [];
    for (const [name, family] of this.#families) {
      const full = `${this.#prefix}${name}${family.kind === 'counter' && !name.endsWith('_total') ? '_total' : ''}`;
      lines.push(`# HELP ${full} ${escapeHelp(family.help)}`, `# TYPE ${full} ${family.kind}`);
      for (const series of family.series.values()) {
        if (family.kind === 'histogram') lines.push(...histogramLines(full, series));
        else lines.push(`${full}${labelText(series.labels)} ${numberText(series.value)}`);
      }
    }
    return `${lines.join('\n')}\n`;
  }

  #series(kind: Kind, name: string, { help, labels = {} }: MetricOptions): Series {
    const family = this.#family(kind, name, help, Object.keys(labels));
    const key = keyOf(labels);
    const known = family.series.get(key);
    if (known) return known;
    if (family.series.size < seriesMax || Object.values(labels).every((value) => value === otherLabel)) {
      const series = { labels, value: 0, buckets: histogramBounds.map(() => 0), sum: 0, count: 0 };
      family.series.set(key, series);
      return series;
    }
    const others = Object.fromEntries(Object.keys(labels).map((label) => [label, otherLabel]));
    return this.#series(kind, name, { help, labels: others });
  }

  #family(kind: Kind, name: string, help: string, labels: readonly string[]): Family {
    const wrong = [name, ...labels].find((word) => !/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(word));
    if (wrong !== undefined) {
      throw new ClusterError({
        code: 'METRICS_NAME_INVALID',
        fault: 'caller',
        message: `${JSON.stringify(wrong)} is no name of a metric or label.`,
        advice: 'Use letters, digits and _, not beginning with a digit.',
      });
    }
    let family = this.#families.get(name);
    if (family === undefined) {
      family = { kind, help, series: new Map() };
      this.#families.set(name, family);
    }
    if (family.kind !== kind) {
      throw new ClusterError({
        code: 'METRICS_KIND_MISMATCH',
        fault: 'caller',
        message: `The metric ${name} is a ${family.kind}, not a ${kind}.`,
        advice: 'Register it under another name.',
      });
    }
    return family;
  }
}

const keyOf = (labels: Readonly<Record<string, string>>): string =>
  JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));

const escapeHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
const escapeLabel = (text: string): string => escapeHelp(text).replaceAll('"', '\\"');

const labelText = (labels: Readonly<Record<string, string>>): string => {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
};

const numberText = (value: number): string =>
  String(value).replace('Infinity', 'Inf').replace(/^Inf/, '+Inf');

function histogramLines(name: string, series: Series): string[] {
  let below = 0;
  const bucket = (bound: string, count: number): string =>
    `${name}_bucket${labelText({ ...series.labels, le: bound })} ${count}`;
  const lines = histogramBounds.map((bound, i) => bucket(String(bound), (below += series.buckets[i] ?? 0)));
  const labels = labelText(series.labels);
  return [
    ...lines,
    bucket('+Inf', series.count),
    `${name}_sum${labels} ${numberText(series.sum)}`,
    `${name}_count${labels} ${series.count}`,
  ];
}
