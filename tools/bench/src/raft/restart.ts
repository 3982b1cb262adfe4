/**
 * How long a replica that was killed takes to start: its log is on the disk and in the system's cache, its state machine is empty.
 * Each time in a process of its own, as a start is.
 */
import { join } from 'node:path';
import type { Workplace } from '../process/workplace.ts';
import type { BenchRow } from '../result.ts';
import { summarize } from '../statistics.ts';
import type { Filling, Restarted } from './lone-program.ts';

export interface RestartOptions {
  readonly place: Workplace;
  readonly program: string;
  /** Where the log is. */
  readonly dataDir: string;
  readonly entries: number;
  readonly valueBytes: number;
  readonly trials: number;
  readonly say: (line: string) => void;
  /** Where CPU profiles of the starts go. */
  readonly profile?: string | undefined;
}

// As many as share a flush when a server is busy.
const clients = 64;

export async function measureRestart({
  place,
  program,
  dataDir,
  entries,
  valueBytes,
  trials,
  say,
  profile,
}: RestartOptions): Promise<readonly Restarted[]> {
  const begin = (): ReturnType<Workplace['start']> => place.start('alone', program, [], { core: null });
  say(`restart: writing ${entries} entries`);
  const filler = begin();
  await filler.call('fill', { dataDir, entries, valueBytes, clients } satisfies Filling);
  await filler.kill();
  const results: Restarted[] = [];
  for (let trial = 0; trial < trials; trial++) {
    const starter = begin();
    const file = profile === undefined ? null : join(profile, `raft-restart-${trial}.cpuprofile`);
    const result = await starter.profiled(file, () => starter.call<Restarted>('restart', dataDir));
    await starter.kill();
    if (result.entries < entries)
      throw new Error(`${entries} entries were acknowledged, and ${result.entries} came back`);
    say(
      `restart ${trial + 1} of ${trials}: ${result.startedMs.toFixed(0)} ms, serves after ${result.servesMs.toFixed(0)} ms`,
    );
    results.push(result);
  }
  return results;
}

export function restartRows(results: readonly Restarted[], entries: number): BenchRow[] {
  const row = (name: string, read: (result: Restarted) => number): BenchRow => {
    const { median, spread } = summarize(results.map(read));
    const common = { unit: 'ms', higherIsBetter: false, limit: null, peers: {}, ratioToLimit: null };
    return { case: `restart with ${entries} entries, ${name}`, ours: median, spread, ...common };
  };
  return [
    row('log read', ({ startedMs }) => startedMs),
    row('log read, CPU', ({ startedCpuMs }) => startedCpuMs),
    row('leads, all applied', ({ servesMs }) => servesMs),
    row('leads, all applied, CPU', ({ servesCpuMs }) => servesCpuMs),
  ];
}
