import { describe, expect, it } from 'vitest';
import { type BalancerConfigInput, type EndpointInput, strategyNames } from '../src/index.ts';
import { distribution, workbench } from './support/bench.ts';

const over = (endpoints: readonly EndpointInput[], config: BalancerConfigInput) => {
  const bench = workbench([], config);
  bench.balancer.setEndpoints(endpoints);
  return bench;
};
const named = (...names: string[]): EndpointInput[] => names.map((nodeId) => ({ nodeId }));

describe.each(strategyNames)('%s', (strategy) => {
  it('finds nobody where there is nobody', () => {
    expect(over([], { strategy }).balancer.pick()).toBeNull();
  });

  it('respects candidates and exclusions', () => {
    const { balancer } = over(named('a', 'b', 'c', 'd'), { strategy });
    expect(Object.keys(distribution(balancer, 100, { candidates: ['b', 'c', 'b', 'x'] })).sort()).toEqual([
      'b',
      'c',
    ]);
    expect(Object.keys(distribution(balancer, 50, { candidates: ['b', 'c'], exclude: ['b'] }))).toEqual([
      'c',
    ]);
    expect(balancer.pick({ candidates: ['b'], exclude: ['b'] })).toBeNull();
    expect(balancer.pick({ candidates: [] })).toBeNull();
  });

  it('spreads equal load over equal endpoints', () => {
    const { balancer } = over(named('a', 'b', 'c', 'd'), { strategy });
    for (const count of Object.values(distribution(balancer, 4000))) {
      expect(count).toBeGreaterThan(850);
      expect(count).toBeLessThan(1150);
    }
  });

  it('starts anywhere, by its seed', () => {
    const first = (seed: number): string | undefined => {
      const { balancer } = workbench(['a', 'b', 'c', 'd'], { strategy }, { seed });
      return balancer.pick()?.nodeId;
    };
    const firsts = Array.from({ length: 64 }, (_, seed) => first(seed));
    expect(new Set(firsts).size).toBe(4);
    expect(firsts).toEqual(Array.from({ length: 64 }, (_, seed) => first(seed)));
  });
});

describe('round-robin', () => {
  it('gives every endpoint one turn before any gets a second', () => {
    const { balancer } = over(named('a', 'b', 'c'), { strategy: 'round-robin' });
    for (let round = 0; round < 10; round++) {
      expect(new Set([0, 1, 2].map(() => balancer.pick()?.nodeId)).size).toBe(3);
    }
  });

  it('stays fair when candidates change from pick to pick', () => {
    const { balancer } = over(named('a', 'b', 'c'), { strategy: 'round-robin' });
    distribution(balancer, 30, { candidates: ['a', 'b'] });
    expect(distribution(balancer, 6)).toEqual({ a: 2, b: 2, c: 2 });
  });
});

describe('weighted-round-robin', () => {
  it('gives each its exact share in every round, and spreads the turns', () => {
    const endpoints = [
      { nodeId: 'a', weight: 5 },
      { nodeId: 'b', weight: 1 },
      { nodeId: 'c', weight: 1 },
    ];
    const { balancer } = over(endpoints, { strategy: 'weighted-round-robin' });
    for (let round = 0; round < 20; round++) expect(distribution(balancer, 7)).toEqual({ a: 5, b: 1, c: 1 });
    const turns = Array.from({ length: 7 }, () => balancer.pick()?.nodeId).join('');
    expect(turns).not.toContain('aaaa');
  });

  it('follows a changed weight', () => {
    const { balancer } = over(named('a', 'b'), { strategy: 'weighted-round-robin' });
    balancer.setEndpoints([{ nodeId: 'a', weight: 3 }, { nodeId: 'b' }]);
    expect(distribution(balancer, 400)).toEqual({ a: 300, b: 100 });
  });
});

describe('least-connections', () => {
  it('picks the endpoint with the fewest requests in flight by weight', () => {
    const { balancer, pick } = over([{ nodeId: 'a', weight: 4 }, { nodeId: 'b' }], {
      strategy: 'least-connections',
    });
    expect(Array.from({ length: 3 }, () => balancer.pick()?.nodeId)).toEqual(['a', 'a', 'a']);
    pick('a');
    expect(balancer.pick()?.nodeId).toBe('b');
  });

  it('forgets a request as soon as its route is closed, in whatever way', () => {
    const { balancer, clock, pick } = over(named('a', 'b'), { strategy: 'least-connections' });
    pick('b');
    expect(balancer.pick()?.nodeId).toBe('a');
    clock.advance(30_000);
    expect(balancer.endpoints().map(({ inFlight }) => inFlight)).toEqual([0, 0]);
  });
});

describe('locality-aware', () => {
  const places: EndpointInput[] = [
    { nodeId: 'rack', datacenter: 'd1', rack: 'r1' },
    { nodeId: 'near', datacenter: 'd1', rack: 'r2' },
    { nodeId: 'far', datacenter: 'd2', rack: 'r1' },
  ];
  const here: BalancerConfigInput = { strategy: 'locality-aware', datacenter: 'd1', rack: 'r1' };

  it('stays in the rack while there is room', () => {
    expect(distribution(over(places, here).balancer, 100)).toEqual({ rack: 100 });
  });

  it('spills to the datacenter, then beyond, as endpoints fill up, and comes back', () => {
    const { balancer, clock } = over(places, here);
    balancer.report('rack', { utilization: 0.95 });
    expect(distribution(balancer, 20)).toEqual({ near: 20 });
    balancer.report('near', { utilization: 0.9 });
    expect(distribution(balancer, 20)).toEqual({ far: 20 });
    clock.advance(1000);
    expect(distribution(balancer, 20)).toEqual({ rack: 20 });
  });

  it('spills by its own requests in flight where nobody reports', () => {
    const { balancer } = over(places, { ...here, spillInFlight: 2 });
    expect(Array.from({ length: 5 }, () => balancer.pick()?.nodeId)).toEqual([
      'rack',
      'rack',
      'near',
      'near',
      'far',
    ]);
  });

  it('takes the shortest queue when nobody has room', () => {
    const { balancer } = over(places, here);
    for (const { nodeId } of places)
      balancer.report(nodeId, { utilization: 1, queueDepth: nodeId === 'far' ? 1 : 9 });
    expect(balancer.pick()?.nodeId).toBe('far');
  });

  it('leaves the rack when all of it is ejected', () => {
    const { balancer, fail } = over(places, here);
    fail('rack', 5);
    expect(distribution(balancer, 10)).toEqual({ near: 10 });
  });
});

describe('adaptive', () => {
  it('avoids an endpoint with more of its requests in flight, a longer queue, more work or slower answers', () => {
    const worse: Record<string, (b: ReturnType<typeof over>) => unknown> = {
      inFlight: ({ pick }) => pick('a'),
      queue: ({ balancer }) => balancer.report('a', { queueDepth: 10 }),
      utilization: ({ balancer }) => balancer.report('a', { utilization: 0.9 }),
      latency: ({ pick }) => pick('a').done({ ok: true, latencyMs: 50 }),
    };
    const chosen = Object.values(worse).map((burden) => {
      const bench = over(named('a', 'b'), { strategy: 'adaptive' });
      for (const node of ['a', 'b'])
        bench.balancer.report(node, { queueDepth: 0, utilization: 0.1, latencyMs: 5 });
      burden(bench);
      return bench.balancer.pick()?.nodeId;
    });
    expect(chosen).toEqual(['b', 'b', 'b', 'b']);
  });

  it('leaves an input out when its weight is zero', () => {
    const weights = { connections: 0, latency: 0, distance: 0 };
    const { balancer } = over(named('a', 'b'), { weights });
    balancer.report('a', { queueDepth: 50, utilization: 0.2 });
    balancer.report('b', { queueDepth: 0, utilization: 0.3 });
    expect(distribution(balancer, 20)).toEqual({ a: 20 });
  });

  it('counts its own requests once for every router', () => {
    const chosen = (routers: number): string | undefined => {
      const { balancer, pick } = over(named('a', 'b'), { routers });
      pick('a');
      balancer.report('b', { queueDepth: 5 });
      balancer.report('a', { queueDepth: 0 });
      return balancer.pick()?.nodeId;
    };
    expect([chosen(1), chosen(20)]).toEqual(['a', 'b']);
  });

  it('leaves the datacenter only for a queue that is worth three times the score', () => {
    const chosen = (queueDepth: number): string | undefined => {
      const { balancer } = over(
        [
          { nodeId: 'near', datacenter: 'd1' },
          { nodeId: 'far', datacenter: 'd2' },
        ],
        { datacenter: 'd1' },
      );
      balancer.report('near', { queueDepth });
      balancer.report('far', { queueDepth: 0 });
      return balancer.pick()?.nodeId;
    };
    // (1 + q)^0.9 passes 3 between q = 2 and q = 3.
    expect([chosen(2), chosen(3)]).toEqual(['near', 'far']);
  });

  it('takes an error for a slow answer', () => {
    const { balancer, pick } = over(named('a', 'b'), {});
    pick('a').done({ ok: false, latencyMs: 0.1 });
    pick('b').done({ ok: true, latencyMs: 100 });
    expect(balancer.endpoints().map(({ latencyMs }) => latencyMs)).toEqual([
      expect.closeTo(1000),
      expect.closeTo(100),
    ]);
    expect(balancer.pick()?.nodeId).toBe('b');
  });

  it('measures the latency itself when the outcome does not say', () => {
    const { balancer, clock, pick } = over(named('a'), {});
    const route = pick('a');
    clock.advance(40);
    route.done({ ok: true });
    expect(balancer.endpoints()[0]?.latencyMs).toBeCloseTo(40);
  });

  it('tries a node again that was slow long ago', () => {
    const { balancer, clock, pick } = over(named('a', 'b'), {});
    pick('a').done({ ok: true, latencyMs: 500 });
    pick('b').done({ ok: true, latencyMs: 5 });
    expect(distribution(balancer, 10)).toEqual({ b: 10 });
    for (let i = 0; i < 60; i++) {
      clock.advance(1000);
      pick('b').done({ ok: true, latencyMs: 5 });
    }
    expect(Array.from({ length: 10 }, () => balancer.pick()?.nodeId)).toContain('a');
  });

  it('does not believe a report that is no number', () => {
    const { balancer, metrics } = over(named('a', 'b'), {});
    for (const bad of [Number.NaN, -1, Infinity])
      balancer.report('a', { queueDepth: bad, utilization: bad, latencyMs: bad });
    balancer.report('a', {});
    balancer.report('nobody', { queueDepth: 1 });
    expect(metrics.value('balancer_ignored', { what: 'report' })).toBe(5);
    expect(balancer.endpoints()[0]).toMatchObject({ queueDepth: null, utilization: null, latencyMs: null });
  });
});
