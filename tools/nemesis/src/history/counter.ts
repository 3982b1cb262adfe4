/** What one counter came to, as its client wrote it down. */
export interface CounterLine {
  readonly counter: string;
  readonly acknowledged: number;
  /** Counts of which nobody knows whether they happened. */
  readonly unknown: number;
  /** Answers that were not one more than the answer before, while all were known. */
  readonly mismatches: number;
  /** What a read found in the end; null when nobody answered. */
  readonly final: number | null;
}

/** Nothing lost, nothing twice: exact where every outcome is known. */
export const isExact = ({ acknowledged, unknown, mismatches, final }: CounterLine): boolean =>
  mismatches === 0 && final !== null && final >= acknowledged && final <= acknowledged + unknown;
