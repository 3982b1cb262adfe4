/** What is said of the rounds of a measurement. */
export interface Measurement {
  readonly median: number;
  /** Interquartile range of the rounds, as a share of the median; 0 where nothing differs, be it from nothing. */
  readonly spread: number;
}

export interface Ratio {
  readonly median: number;
  /** First and third quartile. */
  readonly interval: readonly [number, number];
}

export function summarize(values: readonly number[]): Measurement {
  const sorted = ascending(values);
  const median = quantile(sorted, 0.5);
  const range = quantile(sorted, 0.75) - quantile(sorted, 0.25);
  return { median, spread: range === 0 ? 0 : range / median };
}

/**
 * How much of the limit ours reaches, pair by pair: the two of a pair ran one right after the other, so what a neighbour on the
 * machine did to one of them it most likely did to both.
 */
export function pairedRatio(
  ours: readonly number[],
  limit: readonly number[],
  higherIsBetter: boolean,
): Ratio {
  if (ours.length !== limit.length) throw new RangeError('Every run of ours needs one of the limit.');
  const ratios = ours.map((value, i) => {
    const beside = limit[i] as number;
    return higherIsBetter ? value / beside : beside / value;
  });
  const sorted = ascending(ratios);
  return {
    median: quantile(sorted, 0.5),
    interval: [quantile(sorted, 0.25), quantile(sorted, 0.75)],
  };
}

export const ascending = (values: readonly number[]): number[] => values.toSorted((a, b) => a - b);

/** Linear between the neighbours. */
export function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}
