import { MetricsRegistry } from '@cluster/core';
import {
  Balancer,
  type BalancerConfigInput,
  type BalancerEvent,
  type ReplicaMap,
  type Route,
} from '../../src/index.ts';
import { VirtualClock } from '@cluster/sim';

export interface Workbench {
  readonly balancer: Balancer;
  readonly clock: VirtualClock;
  readonly metrics: MetricsRegistry;
  readonly events: BalancerEvent[];
  /** Fails `count` queries on the node, one after another. */
  readonly fail: (nodeId: string, count: number) => void;
  readonly succeed: (nodeId: string) => void;
  /** A route to this node and no other. */
  readonly pick: (nodeId: string) => Route;
  readonly state: (nodeId: string) => string | undefined;
}

/** A balancer over the named nodes, in virtual time. */
export function workbench(
  nodes: readonly string[],
  config: BalancerConfigInput = {},
  { replicas, seed = 7 }: { readonly replicas?: ReplicaMap; readonly seed?: number } = {},
): Workbench {
  const clock = new VirtualClock();
  const metrics = new MetricsRegistry();
  const balancer = new Balancer(config, { clock, seed, metrics, replicas });
  const events: BalancerEvent[] = [];
  balancer.onEvent((event) => events.push(event));
  balancer.setEndpoints(nodes.map((nodeId) => ({ nodeId })));
  const pick = (nodeId: string): Route => {
    const route = balancer.pick({ candidates: [nodeId] });
    if (route === null) throw new Error(`${nodeId} takes no query`);
    return route;
  };
  const end = (nodeId: string, count: number, ok: boolean): void => {
    for (let i = 0; i < count; i++) pick(nodeId).done({ ok, latencyMs: 1 });
  };
  return {
    balancer,
    clock,
    metrics,
    events,
    pick,
    fail: (nodeId, count) => end(nodeId, count, false),
    succeed: (nodeId) => end(nodeId, 1, true),
    state: (nodeId) => balancer.endpoints().find((endpoint) => endpoint.nodeId === nodeId)?.state,
  };
}

/** How many of `count` picks each node gets when every query ends at once. */
export function distribution(balancer: Balancer, count: number, request = {}): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const route = balancer.pick(request);
    if (route === null) throw new Error('no route');
    counts[route.nodeId] = (counts[route.nodeId] ?? 0) + 1;
    route.done({ ok: true, latencyMs: 1 });
  }
  return counts;
}
