/**
 * The nearest endpoint that has room: same rack, then same datacenter, then the rest. Each endpoint that is full is passed
 * over by itself, so load spills as headroom runs out and not all at once (Envoy's zone-aware routing with reported load).
 * With no room anywhere, distance no longer matters and the shortest queue is taken.
 */
import type { Endpoint } from '../endpoint.ts';
import { faded, lowest, type Picker, type PickView } from '../picker.ts';

function hasRoom({ inFlight, weight, utilization }: Endpoint, { config, nowMs }: PickView): boolean {
  if (inFlight >= config.spillInFlight * weight) return false;
  return faded(utilization, 0, config.loadMemoryMs, nowMs) < config.spillUtilization;
}

const queueByWeight = ({ inFlight, weight, queue }: Endpoint, { routers, config, nowMs }: PickView): number =>
  (1 + inFlight * routers + faded(queue, 0, config.loadMemoryMs, nowMs)) / weight;

export const localityAware: Picker = {
  name: 'locality-aware',
  pick(candidates, _request, view) {
    const nearest = candidates.reduce((tier, e) => (e.tier < tier && hasRoom(e, view) ? e.tier : tier), 3);
    const allFull = nearest === 3;
    return lowest(candidates, view, (endpoint) =>
      allFull || (endpoint.tier === nearest && hasRoom(endpoint, view))
        ? queueByWeight(endpoint, view)
        : Infinity,
    );
  },
};
