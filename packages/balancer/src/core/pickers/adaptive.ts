/**
 * Adaptive: weigh queue, latency, utilisation and distance by 30/30/20/20, and take the lowest.
 *
 * The formula usually given for this is a weighted sum of gossiped metrics, smallest wins. It is wrong twice. Gossip is old:
 * between two rounds every router sends everything to the node that looked best a moment ago, and the queue that builds there
 * is seen when it is too late; simulated at 70 % load, that costs a p99 of seconds where two random choices have 52 ms. And
 * a sum of milliseconds, counts and ratios is ruled by whichever has the largest unit, so each needs a normalisation which
 * one outlier spoils for all. Here:
 *
 * - Inputs are fresh. The router's own requests in flight, times the number of routers (others do likewise, as C3 assumes),
 *   plus the queue that the endpoint reports with each answer. Gossip may fill in, and fades like any report.
 * - The weights are exponents: score = q^(0.3 k) × latency^0.3 × (0.05 + utilisation)^0.2 × distance^0.2, a weighted
 *   geometric mean. Only ratios count, so there is nothing to normalise. k = 3 makes a long queue repel more than in proportion.
 * - An error counts as a slow answer, so that failing fast does not attract traffic before the endpoint is ejected.
 * - What is no longer known is hoped to be as good as the best known: a node avoided for an old slowness is tried again.
 *   Deviation: the simulated formula had no fading; under steady load it changes nothing, at low load it prevents starvation.
 *
 * The literal sum on fresh inputs also works, with more to tune; power-of-two-choices alone fails when one partition is hot.
 */
import type { Endpoint } from '../endpoint.ts';
import { faded, lowest, type Picker, type PickView } from '../picker.ts';

/** The best that any candidate is known to have. */
interface Best {
  readonly queue: number;
  readonly logLatency: number;
  readonly utilization: number;
}

// Below it utilisation makes no difference: an idle node is not infinitely better than one at 1 %.
const utilizationFloor = 0.05;
// At this weight the configured distance costs are the factors in the score.
const distanceWeightDefault = 0.2;

const lower = (best: number, value: number): number => (value < best ? value : best);

function bestOf(candidates: readonly Endpoint[]): Best {
  let [queue, logLatency, utilization] = [Infinity, Infinity, Infinity];
  for (const endpoint of candidates) {
    queue = lower(queue, endpoint.queue.value);
    logLatency = lower(logLatency, endpoint.logLatency.value);
    utilization = lower(utilization, endpoint.utilization.value);
  }
  const known = (value: number): number => (value === Infinity ? 0 : value);
  return { queue: known(queue), logLatency: known(logLatency), utilization: known(utilization) };
}

/** The logarithm of the score: same order, sums instead of powers. */
export function logScore(endpoint: Endpoint, best: Best, { config, nowMs, routers }: PickView): number {
  const { weights, queueExponent, loadMemoryMs, latencyMemoryMs } = config;
  const queue = 1 + endpoint.inFlight * routers + faded(endpoint.queue, best.queue, loadMemoryMs, nowMs);
  const logLatency = faded(endpoint.logLatency, best.logLatency, latencyMemoryMs, nowMs);
  const utilization = faded(endpoint.utilization, best.utilization, loadMemoryMs, nowMs);
  const cost =
    endpoint.tier === 2 ? config.otherDatacenterCost : endpoint.tier === 1 ? config.otherRackCost : 1;
  return (
    weights.connections * queueExponent * Math.log(queue) +
    weights.latency * logLatency +
    weights.utilization * Math.log(utilizationFloor + utilization) +
    (weights.distance / distanceWeightDefault) * Math.log(cost)
  );
}

export const adaptive: Picker = {
  name: 'adaptive',
  pick(candidates, _request, view) {
    const best = bestOf(candidates);
    return lowest(candidates, view, (endpoint) => logScore(endpoint, best, view));
  },
};
