/** The port every strategy implements, and what it is given to decide on. */
import type { BalancerConfig, StrategyName } from '../config.ts';
import type { Endpoint, Estimate } from './endpoint.ts';

/** What is to be routed. */
export interface PickRequest {
  /** The key whose data the query touches; a replica map turns it into the nodes that can answer. */
  readonly key?: string | undefined;
  readonly readOnly?: boolean | undefined;
  /** Only these nodes. */
  readonly candidates?: readonly string[] | undefined;
  /** Not these nodes: a retry goes elsewhere or nowhere. */
  readonly exclude?: readonly string[] | undefined;
}

export interface PickView {
  readonly config: BalancerConfig;
  readonly nowMs: number;
  /** Routers that share the endpoints, this one included. */
  readonly routers: number;
  /** A uniform integer in [0, bound), from the seeded generator. */
  below(bound: number): number;
  /** Counts choices. */
  nextTurn(): number;
}

export interface Picker {
  readonly name: StrategyName;
  /** @returns an index into `candidates`, which is never empty. May move `turn` and `credit` of the candidates. */
  pick(candidates: readonly Endpoint[], request: PickRequest, view: PickView): number;
}

/** The index of the lowest cost; among equals each is as likely. Infinite costs are chosen only when all are infinite. */
export function lowest(
  candidates: readonly Endpoint[],
  view: PickView,
  costOf: (endpoint: Endpoint) => number,
): number {
  let best = 0;
  let bestCost = Infinity;
  let ties = 0;
  for (let i = 0; i < candidates.length; i++) {
    const cost = costOf(candidates[i] as Endpoint);
    if (cost > bestCost) continue;
    ties = cost < bestCost ? 1 : ties + 1;
    if (ties === 1 || view.below(ties) === 0) best = i;
    bestCost = cost;
  }
  return best;
}

// Past so many time constants (a weight under 1 %) an estimate is forgotten: it would otherwise never quite tie with the floor.
const forgottenAfter = 5;

/** The estimate now: as reported when fresh, drawn towards `floor` as it ages, and `floor` where nothing is known (any more). */
export function faded({ value, atMs }: Estimate, floor: number, memoryMs: number, nowMs: number): number {
  const age = (nowMs - atMs) / memoryMs;
  if (Number.isNaN(value) || age > forgottenAfter) return floor;
  return floor + (value - floor) * Math.exp(-age);
}
