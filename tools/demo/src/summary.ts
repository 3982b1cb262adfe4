/** What the demo ends with: times are told, safety and completion decide. */

export interface Summary {
  readonly ok: boolean;
  readonly nodes: number;
  /** From the kill to the first suspicion anywhere; null when there was none. Milliseconds, like all the times. */
  readonly firstSuspicionMs: number | null;
  /** From the kill until every survivor held the node dead. */
  readonly allAgreeMs: number | null;
  /** From the kill to the first acknowledgement of a write begun after it. */
  readonly firstWriteMs: number | null;
  /** From the restart until the node was alive for all and had applied the log up to where the leader was. */
  readonly rejoinMs: number | null;
  readonly writesAcknowledged: number;
  readonly acknowledgedWritesLost: number;
  readonly queriesServed: number;
  readonly queriesFailed: number;
  readonly peakMemoryMb: number;
  /** What did not hold, in words; empty when ok. */
  readonly failures: readonly string[];
}

export type Observed = Omit<Summary, 'ok' | 'failures'> & {
  /** What the story waited for in vain, or met on the way. */
  readonly failures: readonly string[];
  readonly lastError: string | null;
};

/** Safety and completion decide; no time does. */
export function judge({ failures, lastError, ...observed }: Observed): Summary {
  const all = [...failures];
  if (observed.acknowledgedWritesLost > 0)
    all.push(`${observed.acknowledgedWritesLost} acknowledged writes are missing on at least one node`);
  if (observed.queriesFailed > 0)
    all.push(`${observed.queriesFailed} queries failed, the last with: ${lastError ?? 'no error'}`);
  if (observed.writesAcknowledged === 0) all.push('no write was acknowledged');
  return { ok: all.length === 0, ...observed, failures: all };
}

const seconds = (ms: number | null): string => (ms === null ? '–' : `${(ms / 1000).toFixed(2)} s`);

export function renderSummary(summary: Summary): string {
  const rows: readonly (readonly [string, string])[] = [
    ['first suspicion after the kill', seconds(summary.firstSuspicionMs)],
    ['all survivors agree it is dead', seconds(summary.allAgreeMs)],
    ['first accepted write after the kill', seconds(summary.firstWriteMs)],
    ['restarted node alive and caught up', seconds(summary.rejoinMs)],
    ['writes acknowledged', summary.writesAcknowledged.toLocaleString('en')],
    ['acknowledged writes lost', String(summary.acknowledgedWritesLost)],
    ['queries served', summary.queriesServed.toLocaleString('en')],
    ['queries failed', String(summary.queriesFailed)],
    ['peak memory of all processes', `${summary.peakMemoryMb} MB`],
  ];
  const width = Math.max(...rows.map(([label]) => label.length));
  const lines = rows.map(([label, value]) => `  ${label.padEnd(width)}  ${value}`);
  const verdict = summary.ok
    ? '  Everything held.'
    : ['  FAILED:', ...summary.failures.map((failure) => `    - ${failure}`)].join('\n');
  return ['', ...lines, '', verdict, ''].join('\n');
}
