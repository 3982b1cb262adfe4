/**
 * A hundred streams of requests over one connection, a quarter of them of each priority, each asking again when it has been answered.
 * Those of Low carry bulk without a pause and fill the link; the others are small and pause, as control and queries do.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { priorities, type Priority } from '@cluster/transport';
import { quantile } from '../statistics.ts';
import { kinds } from './message.ts';

/** Resolves when the answer is there. */
export type Ask = (kind: number, payload: Uint8Array, priority: Priority) => Promise<void>;

export interface MixedResult {
  readonly operations: number;
  /** Of Critical, in ms. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The longest time between two answers to Low. */
  readonly stallMs: number;
  readonly bulkBytesPerSecond: number;
}

const streamsPerPriority = 25;
const smallBytes = 256;
const pauseMs = 10;
/** One after another, each stream of Low beginning elsewhere. */
const bulkBytes = [65_536, 1_048_576, 262_144, 131_072, 524_288] as const;

export async function mixedLoad(ask: Ask, forMs: number): Promise<MixedResult> {
  const payload = randomBytes(Math.max(...bulkBytes));
  const startMs = performance.now();
  const isOver = (): boolean => performance.now() - startMs >= forMs;
  const criticalMs: number[] = [];
  let operations = 0;
  let bulk = 0;
  let stallMs = 0;
  let lowAtMs = startMs;

  const small = async (priority: Priority, stream: number): Promise<void> => {
    // Not all at the same moment.
    await sleep((pauseMs * stream) / streamsPerPriority);
    do {
      const askedMs = performance.now();
      await ask(kinds.request, payload.subarray(0, smallBytes), priority);
      operations++;
      if (priority === 'Critical') criticalMs.push(performance.now() - askedMs);
      await sleep(pauseMs);
    } while (!isOver());
  };
  const low = async (stream: number): Promise<void> => {
    let turn = stream;
    do {
      const size = bulkBytes[turn++ % bulkBytes.length] as number;
      await ask(kinds.bulk, payload.subarray(0, size), 'Low');
      const nowMs = performance.now();
      stallMs = Math.max(stallMs, nowMs - lowAtMs);
      lowAtMs = nowMs;
      operations++;
      bulk += size;
    } while (!isOver());
  };
  await Promise.all(
    priorities.flatMap((priority) =>
      Array.from({ length: streamsPerPriority }, (_, i) =>
        priority === 'Low' ? low(i) : small(priority, i),
      ),
    ),
  );
  const sorted = criticalMs.toSorted((a, b) => a - b);
  return {
    operations,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    stallMs,
    bulkBytesPerSecond: (bulk * 1000) / (performance.now() - startMs),
  };
}
