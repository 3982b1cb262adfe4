import type { BenchRow, Expectation } from '../result.ts';
import { ascending, pairedRatio, quantile, summarize } from '../statistics.ts';
import type { RaftLoadResult } from './client-program.ts';

export interface RaftRunResult extends RaftLoadResult {
  /** What an operation has cost the servers of their cores: less shaken than time when others are at work. */
  readonly cpuUs: number;
}

export type StoreName = 'ours' | 'bare' | 'etcd';

/** By `store kind clients`: the results of the rounds. */
export type RaftSamples = Map<string, RaftRunResult[]>;

/** `killed`: its process. `silent`: its network takes everything and delivers nothing, the client's included. */
export type Loss = 'killed' | 'silent';
export type FailoverTimes = ReadonlyMap<Loss, ReadonlyMap<StoreName, readonly number[]>>;

interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly higherIsBetter: boolean;
  readonly read: (result: RaftRunResult) => number;
}

const figures = (unit: string): readonly Figure[] => [
  { name: '', unit: `${unit}/s`, higherIsBetter: true, read: ({ perSecond }) => perSecond },
  { name: ', p50', unit: 'ms', higherIsBetter: false, read: ({ p50Ms }) => p50Ms },
  { name: ', p99', unit: 'ms', higherIsBetter: false, read: ({ p99Ms }) => p99Ms },
  { name: ', CPU of all servers', unit: 'µs', higherIsBetter: false, read: ({ cpuUs }) => cpuUs },
];

export function loadRows(samples: RaftSamples, clients: readonly number[]): BenchRow[] {
  return (['put', 'read'] as const).flatMap((kind) =>
    clients.flatMap((count) =>
      figures(`${kind}s`).map(({ name, unit, higherIsBetter, read }): BenchRow => {
        const of = (store: StoreName): number[] => (samples.get(`${store} ${kind} ${count}`) ?? []).map(read);
        const [ours, limit, etcd] = [of('ours'), of('bare'), of('etcd')];
        const ratio = limit.length === 0 ? null : pairedRatio(ours, limit, higherIsBetter);
        const { median, spread } = summarize(ours);
        return {
          case: `${kind === 'put' ? 'puts' : 'linearizable reads'}, ${count} ${count === 1 ? 'client' : 'clients'}${name}`,
          unit,
          higherIsBetter,
          ours: median,
          limit: limit.length === 0 ? null : summarize(limit).median,
          peers: etcd.length === 0 ? {} : { etcd: summarize(etcd).median },
          ratioToLimit: ratio?.median ?? null,
          ...(ratio === null ? {} : { ratioInterval: ratio.interval }),
          spread,
        };
      }),
    ),
  );
}

/** Of the others it is not asked. */
export function loadExpectations(samples: RaftSamples): Expectation[] {
  const ours = [...samples].filter(([key]) => key.startsWith('ours ')).flatMap(([, results]) => results);
  return [{ what: 'ours accepted every put and every read', held: ours.every(({ failed }) => failed === 0) }];
}

export function failoverRows(losses: FailoverTimes, trials: number): BenchRow[] {
  return [...losses].flatMap(([loss, times]) =>
    [
      { name: 'median', share: 0.5 },
      { name: 'p90', share: 0.9 },
    ].map(({ name, share }) => {
      const ours = times.get('ours') ?? [];
      const etcd = times.get('etcd');
      const at = (values: readonly number[]): number => quantile(ascending(values), share);
      return {
        case: `leader ${loss}, first accepted write, ${name} of ${trials}`,
        unit: 'ms',
        higherIsBetter: false,
        ours: at(ours),
        limit: null,
        peers: etcd === undefined ? {} : { etcd: at(etcd) },
        ratioToLimit: null,
        spread: summarize(ours).spread,
      };
    }),
  );
}
