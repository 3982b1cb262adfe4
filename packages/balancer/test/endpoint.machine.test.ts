import { describe, expect, it } from 'vitest';
import { workbench } from './support/bench.ts';

const nodes = ['a', 'b', 'c', 'd'];

describe('an endpoint that fails', () => {
  it('stays in use until the fifth error in a row', () => {
    const { fail, state } = workbench(nodes);
    fail('a', 4);
    expect(state('a')).toBe('healthy');
    fail('a', 1);
    expect(state('a')).toBe('ejected');
  });

  it('starts counting anew after a success', () => {
    const { fail, succeed, state } = workbench(nodes);
    fail('a', 4);
    succeed('a');
    fail('a', 4);
    expect(state('a')).toBe('healthy');
  });

  it('gets no queries while ejected, and says so', () => {
    const { balancer, fail, events, metrics } = workbench(nodes, { strategy: 'round-robin' });
    fail('a', 5);
    for (let i = 0; i < 40; i++) {
      const route = balancer.pick();
      expect(route?.nodeId).not.toBe('a');
      route?.done({ ok: true });
    }
    expect(events).toEqual([{ type: 'Ejected', nodeId: 'a', ejection: 1, ejectionMs: 5000 }]);
    expect(metrics.value('ejections')).toBe(1);
  });

  it('is ejected for 5 s, then for 5 s more each time in a row, never for more than 30 s', () => {
    const { fail, state, clock, events } = workbench(nodes);
    fail('a', 5);
    for (const seconds of [5, 10, 15, 20, 25, 30, 30]) {
      clock.advance(seconds * 1000 - 1);
      expect(state('a')).toBe('ejected');
      clock.advance(1);
      expect(state('a')).toBe('probing');
      fail('a', 1);
      expect(state('a')).toBe('ejected');
    }
    expect(events.filter(({ type }) => type === 'Ejected')).toHaveLength(8);
  });

  it('has an ejection forgiven for each half minute in good health', () => {
    const { fail, succeed, clock, events } = workbench(nodes);
    const last = () => events.findLast(({ type }) => type === 'Ejected');
    fail('a', 5);
    clock.advance(5000);
    fail('a', 1);
    clock.advance(10_000);
    succeed('a');
    clock.advance(29_000);
    fail('a', 5);
    expect(last()).toMatchObject({ ejection: 3, ejectionMs: 15_000 });
    clock.advance(15_000);
    succeed('a');
    clock.advance(61_000);
    fail('a', 5);
    expect(last()).toMatchObject({ ejection: 2, ejectionMs: 10_000 });
  });
});

describe('an endpoint on trial', () => {
  const onTrial = () => {
    const bench = workbench(nodes);
    bench.fail('a', 5);
    bench.clock.advance(5000);
    return bench;
  };

  it('gets the next query, and no other one until that has ended', () => {
    const { balancer, metrics } = onTrial();
    const probe = balancer.pick();
    expect(probe).toMatchObject({ nodeId: 'a', reason: 'probe' });
    for (let i = 0; i < 20; i++) expect(balancer.pick()?.nodeId).not.toBe('a');
    expect(metrics.value('routes', { reason: 'probe' })).toBe(1);
  });

  it('is back in use after one success', () => {
    const { balancer, state, events } = onTrial();
    balancer.pick()?.done({ ok: true, latencyMs: 3 });
    expect(state('a')).toBe('healthy');
    expect(events.map(({ type }) => type)).toEqual(['Ejected', 'Probing', 'Restored']);
    expect(balancer.endpoints()[0]).toMatchObject({ errorStreak: 0, latencyMs: expect.closeTo(3) });
  });

  it('is not judged by queries that were routed before its ejection', () => {
    const bench = workbench(nodes);
    const old = Array.from({ length: 12 }, () => bench.pick('a'));
    for (const route of old.splice(0, 5)) route.done({ ok: false });
    expect(bench.state('a')).toBe('ejected');
    old.pop()?.done({ ok: true });
    for (const route of old.splice(0, 2)) route.done({ ok: false });
    expect(bench.state('a')).toBe('ejected');
    bench.clock.advance(5000);
    old.pop()?.done({ ok: true });
    for (const route of old) route.done({ ok: false });
    expect(bench.state('a')).toBe('probing');
    expect(bench.events.filter(({ type }) => type === 'Ejected')).toHaveLength(1);
  });

  it('gets another probe when nobody says how the first went', () => {
    const { balancer, state, clock } = onTrial();
    balancer.pick()?.[Symbol.dispose]();
    expect(state('a')).toBe('probing');
    expect(balancer.pick()).toMatchObject({ nodeId: 'a', reason: 'probe' });
    clock.advance(30_000);
    expect(balancer.pick()).toMatchObject({ nodeId: 'a', reason: 'probe' });
  });
});

describe('the pool', () => {
  it('keeps half of its endpoints, however much they fail', () => {
    const { fail, state, metrics } = workbench(nodes);
    for (const node of nodes) fail(node, 5);
    expect(nodes.map(state)).toEqual(['ejected', 'ejected', 'healthy', 'healthy']);
    expect(metrics.value('ejections_refused')).toBe(2);
  });

  it('counts those on trial among the ejected', () => {
    const { fail, state, clock } = workbench(nodes);
    fail('a', 5);
    fail('b', 5);
    clock.advance(5000);
    expect(state('b')).toBe('probing');
    fail('c', 5);
    expect(state('c')).toBe('healthy');
  });

  it('always keeps one endpoint, and always may give up one', () => {
    const pair = workbench(['a', 'b'], { ejection: { ejectedRatioMax: 0 } });
    pair.fail('a', 5);
    pair.fail('b', 5);
    expect([pair.state('a'), pair.state('b')]).toEqual(['ejected', 'healthy']);
    const wide = workbench(['a', 'b'], { ejection: { ejectedRatioMax: 1 } });
    wide.fail('a', 5);
    wide.fail('b', 5);
    expect([wide.state('a'), wide.state('b')]).toEqual(['ejected', 'healthy']);
  });

  it('does without nobody while the rest could not carry the load', () => {
    const { balancer, fail, state, clock, events } = workbench(nodes);
    const report = (utilization: number) => {
      for (const node of nodes) for (let i = 0; i < 30; i++) balancer.report(node, { utilization });
    };
    // 4 × 0.7 on three is 0.93; 4 × 0.6 is 0.8.
    report(0.7);
    fail('a', 7);
    expect(state('a')).toBe('healthy');
    expect(events.map(({ type }) => type)).toEqual(['EjectionRefused', 'EjectionRefused', 'EjectionRefused']);
    report(0.6);
    fail('a', 1);
    expect(state('a')).toBe('ejected');
    clock.advance(5000);
    // Out already, so that its failed probe leaves the others no worse.
    report(0.99);
    fail('a', 1);
    expect(state('a')).toBe('ejected');
  });

  it('does without one that carries nothing, however busy the others are', () => {
    const idle = workbench(nodes);
    for (const node of nodes) idle.balancer.report(node, { utilization: node === 'a' ? 0.01 : 1 });
    idle.fail('a', 5);
    expect(idle.state('a')).toBe('ejected');
    const silent = workbench(nodes);
    for (const node of nodes) silent.balancer.report(node, { utilization: 1 });
    silent.clock.advance(3100);
    silent.fail('a', 5);
    expect(silent.state('a')).toBe('ejected');
  });

  it('does not take old reports of the others for their load of now', () => {
    const { balancer, fail, state, clock } = workbench(nodes);
    for (const node of nodes) balancer.report(node, { utilization: 1 });
    clock.advance(10_001);
    balancer.report('a', { utilization: 1 });
    fail('a', 5);
    expect(state('a')).toBe('ejected');
  });

  it('routes to the ejected when nobody else may take the query', () => {
    const { balancer, fail, state } = workbench(nodes);
    fail('a', 5);
    fail('b', 5);
    const route = balancer.pick({ candidates: ['a', 'b'] });
    expect(['a', 'b']).toContain(route?.nodeId);
    expect(route?.reason).toBe('panic');
    route?.done({ ok: true });
    expect(state(route?.nodeId ?? '')).toBe('ejected');
    balancer.setEndpoints([{ nodeId: 'b' }]);
    expect(balancer.pick()).toMatchObject({ nodeId: 'b', reason: 'panic' });
  });
});

describe('a drained endpoint', () => {
  it('gets nothing new, and is not even a last resort', () => {
    const { balancer, state, events, metrics } = workbench(['a', 'b'], { strategy: 'round-robin' });
    balancer.drain('a');
    expect(state('a')).toBe('draining');
    for (let i = 0; i < 10; i++) expect(balancer.pick()?.nodeId).toBe('b');
    expect(balancer.pick({ candidates: ['a'] })).toBeNull();
    expect(metrics.value('queries_not_routed')).toBe(1);
    expect(events).toEqual([{ type: 'Draining', nodeId: 'a' }]);
  });

  it('may be one that is ejected or on trial', () => {
    const { balancer, fail, state, clock } = workbench(nodes);
    fail('a', 5);
    fail('b', 5);
    balancer.drain('a');
    expect(state('a')).toBe('draining');
    clock.advance(5000);
    expect([state('a'), state('b')]).toEqual(['draining', 'probing']);
    balancer.drain('b');
    expect(state('b')).toBe('draining');
    expect(balancer.pick()?.reason).toBe('strategy');
  });

  it('stays drained whatever its last queries come to, and when it is listed again', () => {
    const { balancer, pick, state, fail, clock } = workbench(nodes);
    const last = Array.from({ length: 6 }, () => pick('a'));
    balancer.drain('a');
    for (const route of last) route.done({ ok: false });
    expect(state('a')).toBe('draining');
    fail('b', 5);
    clock.advance(5000);
    const probe = pick('b');
    balancer.drain('b');
    probe.done({ ok: true });
    expect(state('b')).toBe('draining');
    balancer.setEndpoints(nodes.map((nodeId) => ({ nodeId })));
    expect(state('a')).toBe('draining');
  });

  it('has to show one success when it is resumed', () => {
    const { balancer, state } = workbench(nodes);
    balancer.drain('a');
    balancer.resume('a');
    expect(state('a')).toBe('probing');
    const probe = balancer.pick();
    expect(probe?.nodeId).toBe('a');
    probe?.done({ ok: true });
    expect(state('a')).toBe('healthy');
  });

  it('leaves a healthy one alone when that is resumed', () => {
    const { balancer, state, events } = workbench(nodes);
    balancer.resume('a');
    balancer.drain('nobody');
    expect(state('a')).toBe('healthy');
    expect(events).toEqual([]);
  });
});
