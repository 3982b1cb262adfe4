/** Everything that is said about a run, from what its clients wrote down and nothing else. */
import { checkHistory, type HistoryBounds, type HistoryVerdict } from '../checker/check-history.ts';
import { type CounterLine, isExact } from './counter.ts';
import { countLostWrites, isAcknowledgedWrite, longestInterruptionMs } from './measures.ts';
import { type Operation, parseHistory } from './operation.ts';

export interface HistoryReport extends HistoryVerdict {
  /** Null: unknown. */
  readonly linearizable: boolean | null;
  readonly operations: number;
  readonly acknowledgedWrites: number;
  readonly unknownOutcomes: number;
  readonly acknowledgedWritesLost: number;
  readonly interruptionMs: number | null;
  readonly counters: number;
  /** Counters that are not exact. */
  readonly countersWrong: readonly CounterLine[];
}

/** @throws ClusterError `NEMESIS_HISTORY_INVALID` */
export function reportOn(
  history: string,
  counters: string | null = null,
  bounds: HistoryBounds = {},
): HistoryReport {
  const operations: readonly Operation[] = parseHistory(history);
  const verdict = checkHistory(operations, bounds);
  const lines = (counters ?? '').split('\n').filter((line) => line !== '');
  const counted = lines.map((line) => JSON.parse(line) as CounterLine);
  return {
    ...verdict,
    linearizable: verdict.verdict === 'unknown' ? null : verdict.verdict === 'linearizable',
    operations: operations.length,
    acknowledgedWrites: operations.filter(isAcknowledgedWrite).length,
    unknownOutcomes: operations.filter(({ status }) => status === 'info').length,
    acknowledgedWritesLost: countLostWrites(operations),
    interruptionMs: longestInterruptionMs(operations),
    counters: counted.length,
    countersWrong: counted.filter((line) => !isExact(line)),
  };
}

/** What speaks against the history, in words; empty when nothing does. */
export function objectionsTo(report: HistoryReport): string[] {
  const objections = report.violations.map(
    ({ key, operation, states }) =>
      `not linearizable: no order of the operations on ${JSON.stringify(key)} explains ${JSON.stringify(operation)}; the register could have held ${states.map((state) => JSON.stringify(state)).join(' or ') || 'no such value, ever'}`,
  );
  if (report.unknownKeys.length > 0)
    objections.push(
      `linearizability is unknown: the search was given up for ${report.unknownKeys.length} of ${report.keys} keys`,
    );
  if (report.acknowledgedWritesLost > 0)
    objections.push(`${report.acknowledgedWritesLost} acknowledged writes are gone`);
  for (const { counter, acknowledged, unknown, mismatches, final } of report.countersWrong)
    objections.push(
      `${counter} came to ${String(final)}: ${acknowledged} counts were acknowledged, ${unknown} are unknown, ${mismatches} answers were out of order`,
    );
  return objections;
}
