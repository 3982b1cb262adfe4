/** The figures an ejection is decided on: how long it would last, and what it would leave to the others. */
import type { BalancerConfig } from '../config.ts';
import type { Endpoint, Estimate } from './endpoint.ts';
import type { Ejection, RestOfPool } from './endpoint.machine.ts';
import { faded } from './picker.ts';

/** The next ejection of an endpoint: each in a row is longer, and each span of good health takes one off. */
export function nextEjection(
  endpoint: Endpoint,
  nowMs: number,
  config: BalancerConfig['ejection'],
): Ejection {
  const forgiven =
    endpoint.mode === 'healthy' ? Math.floor((nowMs - endpoint.healthySinceMs) / config.forgetMs) : 0;
  const ejection = Math.max(0, endpoint.ejections - forgiven) + 1;
  return { ejection, ejectionMs: Math.min(ejection * config.baseMs, config.maxMs) };
}

// Reports older than this many time constants say nothing about capacity.
const reportAgeMax = 10;
// An endpoint less busy than this carries nothing worth protecting.
const carriesNothingBelow = 0.05;

/**
 * The pool without `leaving`. What it carries by its own reports, which fade, is projected on those that stay, by weight.
 *
 * One that carries nothing is not worth keeping however busy the others are: its failed queries fall to them in any case. To
 * keep it would feed itself, as the more queries it swallows the less is heard from the others, and the longer their last,
 * busy reports stand.
 */
export function restOfPool(
  leaving: Endpoint,
  endpoints: Iterable<Endpoint>,
  nowMs: number,
  { ejection, loadMemoryMs }: BalancerConfig,
): RestOfPool {
  const isFresh = ({ value, atMs }: Estimate): boolean =>
    !Number.isNaN(value) && nowMs - atMs <= reportAgeMax * loadMemoryMs;
  let [size, healthyOthers, ejectedOthers] = [0, 0, 0];
  let [weight, weightKnown, busy] = [0, 0, 0];
  for (const endpoint of endpoints) {
    size++;
    if (endpoint.mode === 'ejected' || endpoint.mode === 'probing') ejectedOthers++;
    if (endpoint.mode !== 'healthy' || endpoint === leaving) continue;
    healthyOthers++;
    weight += endpoint.weight;
    if (!isFresh(endpoint.utilization)) continue;
    weightKnown += endpoint.weight;
    busy += endpoint.utilization.value * endpoint.weight;
  }
  const ownUtilization = faded(leaving.utilization, 0, loadMemoryMs, nowMs);
  const isKnown = weightKnown > 0 && ownUtilization >= carriesNothingBelow;
  return {
    healthyOthers,
    ejectedOthers,
    ejectedMax: Math.max(1, Math.floor(size * ejection.ejectedRatioMax)),
    projectedUtilization: isKnown ? busy / weightKnown + (ownUtilization * leaving.weight) / weight : null,
    utilizationMax: ejection.utilizationMax,
  };
}
