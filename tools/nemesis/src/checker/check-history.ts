/** The verdict on a whole history: every key by itself, for linearizability is local (Herlihy and Wing 1990). */
import { type Operation, operationsByKey, type Value } from '../history/operation.ts';
import { checkRegister, type Verdict } from './linearizability.ts';

export interface HistoryBounds {
  /** Effects tried for one key. Default 5,000,000. */
  readonly stepsMax?: number;
  /** For the whole history. Default 120,000 ms, as far as there is a clock. */
  readonly timeoutMs?: number;
  /** Monotonic milliseconds; without it only steps bound the search. */
  readonly nowMs?: () => number;
}

export interface Violation {
  readonly key: string;
  readonly operation: Operation;
  readonly states: readonly Value[];
}

export interface HistoryVerdict {
  /** `unknown`: no violation was found, but the search of at least one key was given up. */
  readonly verdict: 'linearizable' | 'violation' | 'unknown';
  readonly keys: number;
  readonly steps: number;
  readonly violations: readonly Violation[];
  readonly unknownKeys: readonly string[];
}

export function checkHistory(operations: readonly Operation[], bounds: HistoryBounds = {}): HistoryVerdict {
  const { stepsMax = 5_000_000, timeoutMs = 120_000, nowMs = () => 0 } = bounds;
  const deadlineMs = nowMs() + timeoutMs;
  const byKey = operationsByKey(operations);
  const violations: Violation[] = [];
  const unknownKeys: string[] = [];
  let steps = 0;
  for (const [key, ofKey] of byKey) {
    const verdict: Verdict = checkRegister(ofKey, { stepsMax, outOfTime: () => nowMs() > deadlineMs });
    steps += verdict.steps;
    if (verdict.type === 'violation')
      violations.push({ key, operation: verdict.operation, states: verdict.states });
    if (verdict.type === 'unknown') unknownKeys.push(key);
  }
  const verdict = violations.length > 0 ? 'violation' : unknownKeys.length > 0 ? 'unknown' : 'linearizable';
  return { verdict, keys: byKey.size, steps, violations, unknownKeys };
}
