/** How one-way delays are distributed above their minimum; the mean is the same for all, the tail is not. */
import { type Prng, unreachable } from '@cluster/core';

/**
 * - `exponential`: a queue here and there. `uniform`: jitter with an end.
 * - `lognormal`: most close to the median, some far above (sigma 1), as measured across the internet.
 * - `pareto`: a heavy tail (Lomax, index 2.2), in which one packet in a thousand takes some twenty times the mean.
 */
export type DelayShape = 'exponential' | 'uniform' | 'lognormal' | 'pareto';

const sigma = 1;
const tailIndex = 2.2;

/** @param meanMs of what is drawn here. */
export function drawDelayMs(prng: Prng, shape: DelayShape, meanMs: number): number {
  switch (shape) {
    case 'exponential':
      return prng.exponential(meanMs);
    case 'uniform':
      return 2 * meanMs * prng.float();
    case 'lognormal':
      return meanMs * Math.exp(sigma * normal(prng) - sigma ** 2 / 2);
    case 'pareto':
      return meanMs * (tailIndex - 1) * ((1 - prng.float()) ** (-1 / tailIndex) - 1);
    default:
      return unreachable(shape);
  }
}

/** Box and Muller's. */
const normal = (prng: Prng): number =>
  Math.sqrt(-2 * Math.log(1 - prng.float())) * Math.cos(2 * Math.PI * prng.float());
