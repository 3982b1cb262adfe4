import { describe, expect, it } from 'vitest';
import { histogramBounds, MetricsRegistry, seriesMax } from '@cluster/core';

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A strict reader of the exposition format 0.0.4: every line must be of its grammar. */
function readPrometheus(text: string): {
  samples: Sample[];
  types: Map<string, string>;
  help: Map<string, string>;
} {
  const samples: Sample[] = [];
  const types = new Map<string, string>();
  const help = new Map<string, string>();
  expect(text.endsWith('\n')).toBe(true);
  for (const line of text.slice(0, -1).split('\n')) {
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/.exec(line);
    if (comment) {
      const [, kind, name = '', rest = ''] = comment;
      if (kind === 'TYPE') types.set(name, rest);
      else help.set(name, rest);
      continue;
    }
    const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!sample) throw new Error(`not a sample: ${line}`);
    const [, name = '', labelText = '', value = ''] = sample;
    const labels: Record<string, string> = {};
    const rest = labelText.replace(
      /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\\\|\\"|\\n)*)",?/g,
      (_, key: string, escaped: string) => {
        labels[key] = escaped.replace(/\\(.)/g, (__, c: string) => (c === 'n' ? '\n' : c));
        return '';
      },
    );
    if (rest !== '') throw new Error(`not labels: ${labelText}`);
    if (!/^(?:NaN|[+-]Inf|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/.test(value))
      throw new Error(`not a number: ${value}`);
    samples.push({ name, labels, value: Number(value.replace('Inf', 'Infinity')) });
  }
  return { samples, types, help };
}

describe('the metrics registry', () => {
  it('counts, sets and observes, and tells by name and label', () => {
    const metrics = new MetricsRegistry();
    metrics.counter('pings', { help: 'Pings.' }).add();
    metrics.counter('pings', { help: 'Pings.' }).add(2);
    metrics.counter('rejected', { help: 'Rejected.', labels: { reason: 'crc', port: 'udp' } }).add();
    metrics.gauge('members', { help: 'Members.' }).set(5);
    const latency = metrics.histogram('latency_ms', { help: 'Latency.' });
    latency.observe(1);
    latency.observe(3);
    expect(metrics.value('pings')).toBe(3);
    expect(metrics.value('rejected', { port: 'udp', reason: 'crc' })).toBe(1);
    expect([metrics.value('nothing'), metrics.value('pings', { a: 'b' })]).toEqual([0, 0]);
    expect(metrics.snapshot()).toEqual({
      pings: 3,
      'rejected{reason="crc",port="udp"}': 1,
      members: 5,
      latency_ms_count: 2,
      latency_ms_mean: 2,
    });
  });

  it('writes valid Prometheus text whatever the labels, help and values', () => {
    const metrics = new MetricsRegistry();
    const peer = 'quote " back\\slash \\n line\nbreak é \u0001';
    metrics.counter('sent', { help: 'Two\nlines \\ here.', labels: { peer } }).add(7);
    metrics.gauge('low', { help: 'Low.' }).set(-Infinity);
    metrics.gauge('high', { help: 'High.' }).set(Infinity);
    metrics.gauge('none', { help: 'None.' }).set(Number.NaN);
    metrics.gauge('tiny', { help: 'Tiny.' }).set(1e-9);
    const { samples, types, help } = readPrometheus(metrics.prometheus());
    expect(samples).toEqual([
      { name: 'cluster_sent_total', labels: { peer }, value: 7 },
      { name: 'cluster_low', labels: {}, value: -Infinity },
      { name: 'cluster_high', labels: {}, value: Infinity },
      { name: 'cluster_none', labels: {}, value: Number.NaN },
      { name: 'cluster_tiny', labels: {}, value: 1e-9 },
    ]);
    expect(types.get('cluster_sent_total')).toBe('counter');
    expect(help.get('cluster_sent_total')).toBe('Two\\nlines \\\\ here.');
  });

  it('writes histograms with cumulative buckets that end in the count', () => {
    const metrics = new MetricsRegistry('');
    const latency = metrics.histogram('latency_ms', { help: 'Latency.', labels: { peer: 'n1' } });
    for (const value of [0.01, 1, 1.5, 7, 1_000_000]) latency.observe(value);
    const { samples } = readPrometheus(metrics.prometheus());
    const buckets = samples.filter(({ name }) => name === 'latency_ms_bucket');
    expect(buckets.map(({ labels }) => labels['le'])).toEqual([...histogramBounds.map(String), '+Inf']);
    const below = (bound: string): number | undefined =>
      buckets.find(({ labels }) => labels['le'] === bound)?.value;
    expect(['0.05', '1', '2', '10', '10000', '+Inf'].map(below)).toEqual([1, 2, 3, 4, 4, 5]);
    expect(samples.at(-1)).toEqual({ name: 'latency_ms_count', labels: { peer: 'n1' }, value: 5 });
    expect(samples.at(-2)).toMatchObject({ name: 'latency_ms_sum', value: 1_000_009.51 });
  });

  it('keeps no more series than its bound: the rest share one', () => {
    const metrics = new MetricsRegistry();
    for (let i = 0; i < seriesMax + 50; i++)
      metrics.counter('sent', { help: 'Sent.', labels: { peer: `n${i}` } }).add();
    expect(metrics.value('sent', { peer: 'other' })).toBe(50);
    expect(Object.keys(metrics.snapshot())).toHaveLength(seriesMax + 1);
  });

  it('refuses a name used for another kind, and names Prometheus could not read', () => {
    const metrics = new MetricsRegistry();
    metrics.counter('sent', { help: 'Sent.' });
    expect(() => metrics.gauge('sent', { help: 'Sent.' })).toThrow(
      expect.objectContaining({ code: 'METRICS_KIND_MISMATCH' }),
    );
    const invalid = expect.objectContaining({ code: 'METRICS_NAME_INVALID', fault: 'caller' }) as Error;
    expect(() => metrics.counter('bytes-sent', { help: '' })).toThrow(invalid);
    expect(() => metrics.counter('bytes', { help: '', labels: { 'peer id': 'x' } })).toThrow(invalid);
  });
});

it('a value that is no number is left out of a histogram', () => {
  const metrics = new MetricsRegistry();
  const histogram = metrics.histogram('latency_ms', { help: 'h' });
  histogram.observe(Number.NaN);
  histogram.observe(4);
  expect(metrics.value('latency_ms')).toBe(4);
});
