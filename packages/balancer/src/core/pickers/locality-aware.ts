/**
 * The nearest place that has room: same rack, then same datacenter, then the rest. In each the shortest queue is looked at; when
 * even that endpoint is full, the place is, and the query spills to the next (Envoy's zone-aware routing with reported load).
 * With no room anywhere distance no longer matters, and the shortest queue of all is taken.
 *
 * Rejected: passing over each full endpoint by itself. Near capacity the few whose report has just fallen below the bound get
 * everything, however long their queues: simulated at 90 % load with unequal nodes, a p99 of seconds where this has tens of ms.
 */
import type { Endpoint, Tier } from '../endpoint.ts';
import { faded, lowest, type Picker, type PickView } from '../picker.ts';

function hasRoom({ inFlight, weight, utilization }: Endpoint, { config, nowMs }: PickView): boolean {
  if (inFlight >= config.spillInFlight * weight) return false;
  return faded(utilization, 0, config.loadMemoryMs, nowMs) < config.spillUtilization;
}

const queueByWeight = ({ inFlight, weight, queue }: Endpoint, { routers, config, nowMs }: PickView): number =>
  (1 + inFlight * routers + faded(queue, 0, config.loadMemoryMs, nowMs)) / weight;

const tiers: readonly Tier[] = [0, 1, 2];

export const localityAware: Picker = {
  name: 'locality-aware',
  pick(candidates, _request, view) {
    for (const tier of tiers) {
      if (!candidates.some((endpoint) => endpoint.tier === tier)) continue;
      const index = lowest(candidates, view, (endpoint) =>
        endpoint.tier === tier ? queueByWeight(endpoint, view) : Infinity,
      );
      if (hasRoom(candidates[index] as Endpoint, view)) return index;
    }
    return lowest(candidates, view, (endpoint) => queueByWeight(endpoint, view));
  },
};
