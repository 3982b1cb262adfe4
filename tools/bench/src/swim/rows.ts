import type { BenchRow, Expectation } from '../result.ts';
import { ascending, quantile, summarize } from '../statistics.ts';
import type { Detection } from './sightings.ts';
import type { Traffic } from './traffic.ts';

export interface IdleFigures {
  readonly seconds: number;
  /** Of the whole pool. */
  readonly traffic: Traffic;
  /** Of one core, by one member. */
  readonly cpuShare: number;
  /** Of one member, where members share processes as usual. */
  readonly residentKib: number;
  /** Of one member that has a process for itself, where that is not the usual. */
  readonly residentAloneKib: number | null;
  readonly suspicions: number;
  readonly falseDeaths: number;
}

/** What came of a pool, as the run goes on. */
export interface PoolFigures {
  idle: IdleFigures | null;
  readonly kills: Detection[];
  /** Null: not within the time given. */
  readonly rejoinsMs: (number | null)[];
  falseDeathsAtKills: number;
  /** Of members on the observer's own side. */
  falseDeathsAtCut: number;
  /** Pairs that did not hold each other for alive at the end of the partition. */
  apart: number;
  healedMs: number | null;
}

export interface RunShape {
  readonly nodes: number;
  readonly kills: number;
  readonly cutSeconds: number;
}

const gigabit = 1e9;
const payloadRatioMax = 1.1;

interface Figure {
  readonly case: string;
  readonly unit: string;
  /** Undefined where there is nothing to say of it. */
  readonly read: (figures: PoolFigures) => number | undefined;
  readonly spread?: number;
}

export function swimRows(ours: PoolFigures, serf: PoolFigures | null, run: RunShape): BenchRow[] {
  const figures = [
    ...idleFigures(run.nodes),
    ...killFigures(ours),
    { case: 'partition, own side declared dead', unit: 'deaths', read: (of) => of.falseDeathsAtCut },
    {
      case: 'partition of 60/40, all alive to all after its end',
      unit: 'ms',
      read: (of) => of.healedMs ?? undefined,
    },
  ] satisfies Figure[] as readonly Figure[];
  return figures.flatMap(({ case: name, unit, read, spread = 0 }): BenchRow[] => {
    const mine = read(ours);
    const theirs = serf === null ? undefined : read(serf);
    if (mine === undefined) return [];
    return [
      {
        case: name,
        unit,
        higherIsBetter: false,
        ours: mine,
        limit: null,
        peers: theirs === undefined ? {} : { serf: theirs },
        ratioToLimit: null,
        spread,
      },
    ];
  });
}

function idleFigures(nodes: number): Figure[] {
  const idle =
    (read: (idle: IdleFigures) => number | null) =>
    (figures: PoolFigures): number | undefined =>
      figures.idle === null ? undefined : (read(figures.idle) ?? undefined);
  const each = (read: (traffic: Traffic) => number) =>
    idle(({ traffic, seconds }) => read(traffic) / seconds / nodes);
  const share = (of: number) =>
    idle(({ traffic, seconds }) => (100 * 8 * traffic.wireBytes) / seconds / gigabit / of);
  return [
    { case: 'idle, falsely declared dead', unit: 'deaths', read: idle(({ falseDeaths }) => falseDeaths) },
    { case: 'idle, payload sent by a member', unit: 'B/s', read: each(({ payloadBytes }) => payloadBytes) },
    { case: 'idle, datagrams sent by a member', unit: '1/s', read: each(({ datagrams }) => datagrams) },
    { case: 'idle, TCP segments sent by a member', unit: '1/s', read: each(({ segments }) => segments) },
    { case: 'idle, share of 1 Gbit/s, a member', unit: '%', read: share(nodes) },
    { case: 'idle, share of 1 Gbit/s, the pool', unit: '%', read: share(1) },
    { case: 'idle, CPU of a member', unit: '% of a core', read: idle(({ cpuShare }) => 100 * cpuShare) },
    {
      case: 'idle, memory of a member',
      unit: 'MiB',
      read: idle(({ residentKib }) => residentKib / 1024),
    },
    {
      case: 'idle, memory of a member alone in its process',
      unit: 'MiB',
      read: idle(({ residentAloneKib, residentKib }) => (residentAloneKib ?? residentKib) / 1024),
    },
  ];
}

function killFigures(ours: PoolFigures): Figure[] {
  const numbers = (values: readonly (number | null)[]): number[] =>
    ascending(values.filter((value) => value !== null));
  const row = (
    name: string,
    read: (figures: PoolFigures) => readonly (number | null)[],
    share: number,
  ): Figure => {
    const at = (figures: PoolFigures): number | undefined => {
      const values = numbers(read(figures));
      return values.length === 0 ? undefined : quantile(values, share);
    };
    const mine = numbers(read(ours));
    return { case: name, unit: 'ms', read: at, spread: mine.length === 0 ? 0 : summarize(mine).spread };
  };
  const kills = (read: (kill: Detection) => number | null) => (figures: PoolFigures) =>
    figures.kills.map(read);
  return [
    row(
      'killed, first suspicion, median',
      kills(({ firstSuspectMs }) => firstSuspectMs),
      0.5,
    ),
    row(
      'killed, first suspicion, worst',
      kills(({ firstSuspectMs }) => firstSuspectMs),
      1,
    ),
    row(
      'killed, first declared dead, median',
      kills(({ firstDeadMs }) => firstDeadMs),
      0.5,
    ),
    row(
      'killed, all survivors agree, median',
      kills(({ allDeadMs }) => allDeadMs),
      0.5,
    ),
    row(
      'killed, all survivors agree, worst',
      kills(({ allDeadMs }) => allDeadMs),
      1,
    ),
    { case: 'killed, others declared dead', unit: 'deaths', read: (of) => of.falseDeathsAtKills },
    row('back again, alive to all, median', ({ rejoinsMs }) => rejoinsMs, 0.5),
    row('back again, alive to all, worst', ({ rejoinsMs }) => rejoinsMs, 1),
  ];
}

/** What must hold of ours. Times are not among it: a busy machine makes them long. */
export function expectationsOf(ours: PoolFigures, serf: PoolFigures | null, run: RunShape): Expectation[] {
  const payload = (figures: PoolFigures): number =>
    (figures.idle?.traffic.payloadBytes ?? 0) / (figures.idle?.seconds ?? 1);
  const ratio = serf === null ? null : payload(ours) / payload(serf);
  return [
    { what: 'nobody was falsely declared dead while nothing happened', held: ours.idle?.falseDeaths === 0 },
    ...(ratio === null
      ? []
      : [
          {
            what: `idle payload is at most ${payloadRatioMax} times Serf's (${ratio.toFixed(2)})`,
            held: ratio <= payloadRatioMax,
          },
        ]),
    {
      what: `each of ${run.kills} kills was seen by all survivors, and all who came back by all`,
      held:
        ours.kills.length === run.kills &&
        ours.kills.every(({ allDeadMs }) => allDeadMs !== null) &&
        ours.rejoinsMs.every((ms) => ms !== null),
    },
    { what: 'nobody else was declared dead by a kill', held: ours.falseDeathsAtKills === 0 },
    ...(run.cutSeconds === 0
      ? []
      : [
          { what: 'the partition was one', held: ours.apart > 0 },
          { what: 'nobody was declared dead by his own side', held: ours.falseDeathsAtCut === 0 },
          { what: 'after the partition all are alive to all', held: ours.healedMs !== null },
        ]),
  ];
}
