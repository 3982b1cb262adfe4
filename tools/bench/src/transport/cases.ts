import type { Load } from './load.ts';
import type { RunResult } from './pair.ts';

/** What is read out of a run. */
export interface Reading {
  readonly case: string;
  readonly unit: string;
  readonly higherIsBetter: boolean;
  readonly read: (result: RunResult) => number;
}

export interface LoadCase {
  /** By which it is chosen. */
  readonly name: string;
  readonly load: Omit<Load, 'warmMs' | 'runMs'>;
  /** How many times as long as the others it runs. */
  readonly longer?: number;
  readonly readings: readonly Reading[];
}

const tenGigabit = 1.25;

const cpu = (name: string): Reading => ({
  case: `${name}, CPU of both sides`,
  unit: 'µs',
  higherIsBetter: false,
  read: ({ cpuUs }) => cpuUs,
});

const bulk = (name: string, payloadBytes: number): LoadCase => {
  const gigabytes = ({ perSecond }: RunResult): number => (perSecond * payloadBytes) / 1e9;
  return {
    name: `bulk-${name.replaceAll(' ', '')}`,
    load: { kind: 'posts', payloadBytes, inFlight: 0 },
    readings: [
      { case: `bulk ${name}`, unit: 'GB/s', higherIsBetter: true, read: gigabytes },
      {
        case: `connections that fill 10 Gbit/s, ${name}`,
        unit: 'connections',
        higherIsBetter: false,
        read: (result) => Math.ceil(tenGigabit / gigabytes(result)),
      },
      cpu(`bulk ${name}`),
    ],
  };
};

export const loadCases: readonly LoadCase[] = [
  {
    name: 'one-way',
    load: { kind: 'posts', payloadBytes: 256, inFlight: 0 },
    readings: [
      {
        case: 'one-way 256 B',
        unit: 'messages/s',
        higherIsBetter: true,
        read: ({ perSecond }) => perSecond,
      },
      cpu('one-way 256 B'),
    ],
  },
  {
    name: 'in-flight-64',
    load: { kind: 'requests', payloadBytes: 256, inFlight: 64 },
    readings: [
      {
        case: '64 requests in flight',
        unit: 'requests/s',
        higherIsBetter: true,
        read: ({ perSecond }) => perSecond,
      },
      { case: '64 in flight, p99', unit: 'ms', higherIsBetter: false, read: ({ p99Ms }) => p99Ms },
      cpu('64 in flight'),
    ],
  },
  {
    name: 'in-flight-1',
    load: { kind: 'requests', payloadBytes: 256, inFlight: 1 },
    readings: [{ case: '1 in flight, p50', unit: 'ms', higherIsBetter: false, read: ({ p50Ms }) => p50Ms }],
  },
  bulk('64 KiB', 65_536),
  bulk('1 MiB', 1_048_576),
  {
    name: 'mixed',
    load: { kind: 'mixed', payloadBytes: 0, inFlight: 0 },
    longer: 4,
    readings: [
      {
        case: '100 streams, Critical p50',
        unit: 'ms',
        higherIsBetter: false,
        read: ({ p50Ms }) => p50Ms,
      },
      {
        case: '100 streams, Critical p99',
        unit: 'ms',
        higherIsBetter: false,
        read: ({ p99Ms }) => p99Ms,
      },
      {
        case: '100 streams, longest stall of Low',
        unit: 'ms',
        higherIsBetter: false,
        read: ({ stallMs }) => stallMs,
      },
      {
        case: '100 streams, bulk meanwhile',
        unit: 'GB/s',
        higherIsBetter: true,
        read: ({ bulkBytesPerSecond }) => bulkBytesPerSecond / 1e9,
      },
    ],
  },
];
