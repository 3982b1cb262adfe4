import fc from 'fast-check';
import { ListRecorder, MetricsRegistry, plainEqual, replay, Tracer, unpackPlain } from '@cluster/core';
import { describe, expect, it } from 'vitest';
import { Balancer, BalancerCore, parseBalancerConfig, type Route, strategyNames } from '../src/index.ts';
import { workbench } from './support/bench.ts';
import { VirtualClock } from '@cluster/sim';

describe('a route', () => {
  it('holds a request in flight until it is done, once', () => {
    const { balancer, metrics, pick } = workbench(['a']);
    const route = pick('a');
    expect(balancer.endpoints()[0]?.inFlight).toBe(1);
    expect(metrics.value('endpoint_in_flight', { node: 'a' })).toBe(1);
    route.done({ ok: true });
    route.done({ ok: false });
    expect(balancer.endpoints()[0]).toMatchObject({ inFlight: 0, errorStreak: 0 });
    expect(metrics.value('endpoint_in_flight', { node: 'a' })).toBe(0);
  });

  it('closes without an opinion at the end of its scope', () => {
    const { balancer } = workbench(['a']);
    const use = () => {
      using route = balancer.pick();
      expect(route?.nodeId).toBe('a');
      expect(balancer.endpoints()[0]?.inFlight).toBe(1);
    };
    use();
    expect(balancer.endpoints()[0]).toMatchObject({ inFlight: 0, latencyMs: null, errorStreak: 0 });
  });

  it('expires by itself, is counted, and is then too late to report', () => {
    const { balancer, clock, metrics } = workbench(['a', 'b']);
    const first = balancer.pick();
    clock.advance(20_000);
    balancer.pick();
    clock.advance(10_000);
    expect(balancer.endpoints().reduce((sum, { inFlight }) => sum + inFlight, 0)).toBe(1);
    first?.done({ ok: false });
    expect(balancer.endpoints().every(({ errorStreak }) => errorStreak === 0)).toBe(true);
    expect(metrics.value('route_expired', { cause: 'time' })).toBe(1);
    expect(metrics.value('balancer_ignored', { what: 'outcome' })).toBe(1);
    clock.advance(20_000);
    expect(metrics.value('route_expired', { cause: 'time' })).toBe(2);
  });

  it('is closed early when the table is full, the oldest first', () => {
    const { balancer, metrics, pick } = workbench(['a', 'b'], { routesMax: 10 });
    pick('a');
    for (let i = 0; i < 10; i++) pick('b');
    expect(balancer.endpoints().map(({ inFlight }) => inFlight)).toEqual([0, 10]);
    expect(metrics.value('route_expired', { cause: 'overflow' })).toBe(1);
  });

  it('to an endpoint that was removed says nothing about one that comes back by its name', () => {
    const { balancer, pick } = workbench(['a', 'b']);
    const old = Array.from({ length: 5 }, () => pick('a'));
    balancer.setEndpoints([{ nodeId: 'b' }]);
    balancer.setEndpoints([{ nodeId: 'b' }, { nodeId: 'a' }]);
    for (const route of old) route.done({ ok: false });
    expect(balancer.endpoints()[1]).toMatchObject({
      nodeId: 'a',
      state: 'healthy',
      inFlight: 0,
      errorStreak: 0,
    });
  });
});

describe('data locality', () => {
  const replicas = { replicasOf: (key: string) => ({ k: ['b', 'c'], lost: [] })[key] };

  it('routes a key to a node that holds it', () => {
    const { balancer } = workbench(['a', 'b', 'c'], {}, { replicas });
    for (let i = 0; i < 30; i++) expect(['b', 'c']).toContain(balancer.pick({ key: 'k' })?.nodeId);
    expect(balancer.pick({ key: 'k', candidates: ['a', 'c'] })?.nodeId).toBe('c');
    expect(balancer.pick({ key: 'k', candidates: ['a'] })).toBeNull();
    expect(balancer.pick({ key: 'lost' })).toBeNull();
    expect(balancer.pick({ key: 'unheard of' })).not.toBeNull();
  });
});

describe('a balancer', () => {
  it('counts what it routes by strategy', () => {
    const { balancer, metrics } = workbench(['a']);
    balancer.pick();
    balancer.setStrategy('round-robin');
    balancer.pick();
    balancer.pick();
    expect(balancer.strategy).toBe('round-robin');
    expect(metrics.value('queries_routed', { strategy: 'adaptive' })).toBe(1);
    expect(metrics.value('queries_routed', { strategy: 'round-robin' })).toBe(2);
  });

  it('refuses endpoints it cannot route to, and keeps those it has', () => {
    const { balancer } = workbench(['a'], { endpointsMax: 2 });
    const refused = (endpoints: { nodeId: string; weight?: number }[]) => {
      try {
        balancer.setEndpoints(endpoints);
      } catch (error) {
        return (error as { code: string }).code;
      }
      return null;
    };
    for (const weight of [0, -1, Number.NaN, Infinity])
      expect(refused([{ nodeId: 'x', weight }])).toBe('BALANCER_ENDPOINT_INVALID');
    expect(refused([{ nodeId: '' }])).toBe('BALANCER_ENDPOINT_INVALID');
    expect(refused([{ nodeId: 'x' }, { nodeId: 'x' }])).toBe('BALANCER_ENDPOINT_INVALID');
    expect(refused([{ nodeId: 'x' }, { nodeId: 'y' }, { nodeId: 'z' }])).toBe('BALANCER_TOO_MANY_ENDPOINTS');
    expect(balancer.pick()?.nodeId).toBe('a');
  });

  it('names every wrong key of its configuration', () => {
    expect(() => parseBalancerConfig({ latencyAlpha: 2, ejection: { baseMs: 9000, maxMs: 5000 } })).toThrow(
      /latencyAlpha: .*ejection\.maxMs: must be at least baseMs/s,
    );
    expect(() => parseBalancerConfig({ colour: 'red' } as never)).toThrow(/colour/);
  });

  it('lets a listener pick, and survives one that throws', () => {
    const { balancer, fail, clock } = workbench(['a', 'b', 'c']);
    const picked: (string | undefined)[] = [];
    balancer.onEvent(() => {
      throw new Error('not mine');
    });
    balancer.onEvent(({ type }) => {
      if (type === 'Ejected' || type === 'Probing') picked.push(balancer.pick()?.nodeId);
    });
    fail('a', 5);
    clock.advance(5000);
    expect(picked).toHaveLength(2);
    expect(picked[0]).not.toBe('a');
    expect(picked[1]).toBe('a');
  });

  it('gives no routes after it was stopped, and leaves no timer', () => {
    const { balancer, clock, metrics } = workbench(['a', 'b']);
    const route = balancer.pick();
    balancer.stop();
    expect(balancer.pick()).toBeNull();
    route?.done({ ok: true });
    clock.advance(60_000);
    expect(metrics.value('route_expired', { cause: 'time' })).toBe(0);
  });

  it('bounds the nodes that its metrics name', () => {
    const { balancer, metrics } = workbench([], { endpointsMax: 3 });
    for (let i = 0; i < 50; i++) {
      balancer.setEndpoints([{ nodeId: `n${i}` }]);
      balancer.pick();
    }
    const named = Object.keys(metrics.snapshot()).filter((name) => name.startsWith('endpoint_in_flight'));
    expect(named).toHaveLength(3);
  });
});

describe('a recorded balancer', () => {
  const ids = ['a', 'b', 'c', 'd', 'e'];
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('pick' as const),
        only: fc.subarray(ids),
        except: fc.subarray(ids),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('done' as const),
        which: fc.nat(20),
        ok: fc.constantFrom(true, false, false, null),
      }),
    },
    fc.record({ do: fc.constant('wait' as const), ms: fc.nat(8000) }),
    fc.record({ do: fc.constant('drain' as const), node: fc.constantFrom(...ids) }),
    fc.record({ do: fc.constant('resume' as const), node: fc.constantFrom(...ids) }),
    fc.record({
      do: fc.constant('report' as const),
      node: fc.constantFrom(...ids),
      load: fc.float({ min: 0, max: 1, noNaN: true }),
    }),
    fc.record({ do: fc.constant('strategy' as const), strategy: fc.constantFrom(...strategyNames) }),
    fc.record({ do: fc.constant('endpoints' as const), nodes: fc.subarray(ids) }),
  );

  it('replays from any checkpoint to the same picks and the same state', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const clock = new VirtualClock();
        const recorder = new ListRecorder();
        const config = { routeTtlMs: 4000, routesMax: 16, ejection: { consecutiveErrors: 2, baseMs: 1000 } };
        const tracer = new Tracer({ sink: recorder, checkpointEvery: 16 });
        const balancer = new Balancer(config, { clock, seed: 3, tracer, metrics: new MetricsRegistry() });
        balancer.setEndpoints(ids.map((nodeId) => ({ nodeId })));
        const routes: Route[] = [];
        const trespassers: string[] = [];
        for (const s of steps) {
          if (s.do === 'pick') {
            const route = balancer.pick({
              ...(s.only.length > 0 ? { candidates: s.only } : {}),
              exclude: s.except,
            });
            if (route !== null) routes.push(route);
            if (route !== null && s.except.includes(route.nodeId)) trespassers.push(route.nodeId);
          } else if (s.do === 'done')
            routes.splice(s.which % Math.max(1, routes.length), 1)[0]?.done({ ok: s.ok });
          else if (s.do === 'wait') clock.advance(s.ms);
          else if (s.do === 'drain') balancer.drain(s.node);
          else if (s.do === 'resume') balancer.resume(s.node);
          else if (s.do === 'report')
            balancer.report(s.node, { utilization: s.load, queueDepth: s.load * 10 });
          else if (s.do === 'strategy') balancer.setStrategy(s.strategy);
          else balancer.setEndpoints(s.nodes.map((nodeId) => ({ nodeId })));
          const open = balancer.endpoints().map(({ inFlight }) => inFlight);
          expect(open.every((count) => count >= 0 && count <= 16)).toBe(true);
        }
        expect(trespassers).toEqual([]);
        const make = () => new BalancerCore(parseBalancerConfig(config), 3);
        const checkpoints = recorder.records.flatMap((record, at) =>
          record.kind === 'checkpoint' ? [at] : [],
        );
        const states = checkpoints.map((at) => {
          const { core, divergence } = replay(recorder.records.slice(at), 'local', 'balancer', make);
          expect(divergence).toBeNull();
          return unpackPlain(core.checkpoint());
        });
        for (const state of states) expect(plainEqual(state, states[0])).toBe(true);
      }),
      { numRuns: 60, seed: 11 },
    );
  });

  it('names the pick as the cause of its outcome', () => {
    const recorder = new ListRecorder();
    const tracer = new Tracer({ sink: recorder });
    const balancer = new Balancer({}, { clock: new VirtualClock(), seed: 3, tracer });
    balancer.setEndpoints([{ nodeId: 'a' }]);
    const [first, second] = [balancer.pick(), balancer.pick()];
    second?.done({ ok: true });
    first?.done({ ok: true });
    const steps = recorder.records.filter((record) => record.kind === 'step');
    expect(steps.map(({ input }) => input.type)).toEqual([
      'SET_ENDPOINTS',
      'PICK',
      'PICK',
      'OUTCOME',
      'OUTCOME',
    ]);
    expect(steps.slice(3).map(({ cause }) => cause)).toEqual([steps[2]?.seq, steps[1]?.seq]);
  });
});
