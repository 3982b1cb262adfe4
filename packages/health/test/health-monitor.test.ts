import { type Done, ListRecorder, plainEqual, replay, Tracer, unpackPlain } from '@cluster/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HealthCore, HealthMonitor, parseHealthConfig, type Prober } from '../src/index.ts';
import { unreachable, workbench } from './support/bench.ts';
import { VirtualClock } from '@cluster/sim';

describe('the schedule', () => {
  it('probes each path every 5 s, a tenth more or less, beginning within half a second', () => {
    const clock = new VirtualClock();
    const sent = new Map<string, number[]>();
    const prober: Prober = {
      probe(peer, done) {
        sent.set(peer, [...(sent.get(peer) ?? []), clock.nowMs()]);
        done({ ok: true, value: 1 });
      },
    };
    const monitor = new HealthMonitor({}, { clock, prober, seed: 9 });
    for (let i = 0; i < 20; i++) monitor.watch(`p${i}`);
    clock.advance(60_000);
    const first = [...sent.values()].map((times) => times[0] ?? -1);
    expect(Math.max(...first)).toBeLessThanOrEqual(500);
    expect(new Set(first).size).toBe(20);
    const gaps = [...sent.values()].flatMap((times) => times.slice(1).map((at, i) => at - (times[i] ?? 0)));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(4500);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(5500);
    expect(Math.max(...gaps) - Math.min(...gaps)).toBeGreaterThan(500);
    monitor.stop();
    const before = sent.get('p0')?.length;
    clock.advance(60_000);
    expect(sent.get('p0')).toHaveLength(before ?? 0);
    expect(monitor.quality('p0')?.samples).toBe(before);
  });

  it('is the same for the same seed and another for another', () => {
    const times = (seed: number): number[] => {
      const clock = new VirtualClock();
      const at: number[] = [];
      const monitor = new HealthMonitor(
        {},
        { clock, seed, prober: { probe: () => void at.push(clock.nowMs()) } },
      );
      monitor.watch('p');
      clock.advance(30_000);
      return at;
    };
    expect(times(1)).toEqual(times(1));
    expect(times(1)).not.toEqual(times(2));
  });
});

describe('a path', () => {
  it('has the figures of its probes', () => {
    const { probe, quality, metrics } = workbench();
    for (let i = 1; i <= 100; i++) probe(i % 20 === 0 ? 'silence' : i);
    expect(quality()).toMatchObject({
      peer: 'p',
      state: 'up',
      samples: 95,
      probes: 100,
      lossRatio: 0.05,
      p99Ms: 99,
    });
    expect(quality()).toMatchObject({ averageMs: 50, lastMs: 99, minMs: 1, maxMs: 99 });
    expect(quality().score).toBeGreaterThan(0.6);
    expect(metrics.value('average_latency_ms')).toBe(50);
    expect(metrics.value('peer_latency_ms', { peer: 'p' })).toBe(50);
    expect(metrics.value('peer_quality_score', { peer: 'p' })).toBe(quality().score);
    expect(metrics.value('probe_failures', { cause: 'timeout' })).toBe(5);
  });

  it('has no figures before its first probe, and no latency while none is answered', () => {
    const { probe, quality } = workbench();
    expect(quality()).toMatchObject({
      samples: 0,
      averageMs: null,
      p99Ms: null,
      lossRatio: null,
      score: null,
    });
    probe('error');
    expect(quality()).toMatchObject({
      samples: 0,
      probes: 1,
      averageMs: null,
      jitterMs: null,
      lossRatio: 1,
      score: 0,
    });
  });

  it('is the worse the more its round trips differ', () => {
    const [even, uneven] = [workbench(), workbench()];
    for (let i = 0; i < 40; i++) {
      even.probe(100);
      uneven.probe(i % 2 === 0 ? 50 : 150);
    }
    expect(even.quality().jitterMs).toBe(0);
    expect(uneven.quality().jitterMs).toBeGreaterThan(80);
    expect(uneven.quality().score ?? 1).toBeLessThan(even.quality().score ?? 0);
  });

  it('counts a prober that fails, throws or talks nonsense as a loss', () => {
    const { probe, quality, metrics } = workbench();
    probe('error');
    for (const nonsense of [Number.NaN, -1, Infinity]) probe(nonsense);
    expect(quality()).toMatchObject({ samples: 0, probes: 4, lossRatio: 1 });
    expect(metrics.value('probe_failures', { cause: 'error' })).toBe(1);
    expect(metrics.value('probe_failures', { cause: 'invalid' })).toBe(3);
    const clock = new VirtualClock();
    const prober: Prober = {
      probe: () => {
        throw new Error('broken');
      },
    };
    const monitor = new HealthMonitor({ jitter: 0 }, { clock, prober, seed: 1 });
    monitor.watch('p');
    clock.advance(10_000);
    expect(monitor.quality('p')).toMatchObject({ state: 'down', lossRatio: 1 });
  });
});

describe('a completion', () => {
  it('that is late or comes twice changes nothing but a counter', () => {
    const { probe, sent, quality, metrics, clock } = workbench();
    probe(10);
    sent[0]?.done({ ok: true, value: 999 });
    probe('silence');
    sent[1]?.done({ ok: true, value: 999 });
    clock.advance(3000);
    // The third probe is under way; an answer to the second is no answer to it.
    expect(sent).toHaveLength(3);
    sent[1]?.done({ ok: false, error: unreachable });
    expect(quality()).toMatchObject({ samples: 1, probes: 2, lastMs: 10 });
    expect(metrics.value('probe_completions_ignored')).toBe(3);
    sent[2]?.done({ ok: true, value: 30 });
    clock.advance(2500);
    expect(quality()).toMatchObject({ samples: 2, probes: 3 });
  });

  it('of a path that was unwatched, even when it is watched anew', () => {
    const { monitor, sent, quality, clock, metrics } = workbench();
    clock.advance(0);
    monitor.unwatch('p');
    expect(monitor.quality('p')).toBeUndefined();
    sent[0]?.done({ ok: true, value: 1 });
    monitor.watch('p');
    clock.advance(0);
    sent[0]?.done({ ok: true, value: 1 });
    expect(sent).toHaveLength(2);
    expect(quality()).toMatchObject({ state: 'unknown', probes: 0 });
    expect(metrics.value('probe_completions_ignored')).toBe(2);
  });
});

describe('a monitor', () => {
  it('stops probing what it no longer watches', () => {
    const { monitor, sent, clock, metrics, probe } = workbench();
    probe(1);
    monitor.unwatch('p');
    monitor.unwatch('p');
    clock.advance(60_000);
    expect(sent).toHaveLength(1);
    expect(monitor.paths()).toEqual([]);
    expect(metrics.value('paths_watched')).toBe(0);
    expect(metrics.value('peer_quality_score', { peer: 'p' })).toBe(0);
  });

  it('watches a path once, refuses more paths than it may, and bounds the peers its metrics name', () => {
    const { monitor, sent, clock, metrics } = workbench({ pathsMax: 3 });
    expect([monitor.watch('p'), monitor.watch('q'), monitor.watch('r'), monitor.watch('s')]).toEqual([
      true,
      true,
      true,
      false,
    ]);
    expect(metrics.value('paths_refused')).toBe(1);
    clock.advance(0);
    expect(sent).toHaveLength(3);
    for (let i = 0; i < 20; i++) {
      monitor.unwatch(i === 0 ? 'p' : `n${i - 1}`);
      expect(monitor.watch(`n${i}`)).toBe(true);
      clock.advance(0);
      sent.at(-1)?.done({ ok: true, value: 1 });
    }
    const named = Object.keys(metrics.snapshot()).filter((name) => name.startsWith('peer_quality_score'));
    expect(named).toHaveLength(3);
  });

  it('averages over its paths, not over their probes', () => {
    const { monitor, sent, clock, metrics, probe } = workbench();
    for (let i = 0; i < 9; i++) probe(10);
    monitor.watch('q');
    clock.advance(0);
    sent.find(({ peer }) => peer === 'q')?.done({ ok: true, value: 30 });
    expect(metrics.value('average_latency_ms')).toBe(20);
  });

  it('lets a listener watch and unwatch, and survives one that throws', () => {
    const clock = new VirtualClock();
    const prober = { probe: (_peer: string, done: Done<number>) => done({ ok: true, value: 1 }) };
    const monitor = new HealthMonitor({ jitter: 0 }, { clock, prober, seed: 1 });
    const watched: boolean[] = [];
    monitor.onEvent(() => {
      throw new Error('not mine');
    });
    const stop = monitor.onEvent(({ peer }) => {
      if (peer === 'p') watched.push(monitor.watch('q'));
    });
    monitor.watch('p');
    clock.advance(0);
    expect(watched).toEqual([true]);
    expect(monitor.paths().map(({ peer, state }) => `${peer} ${state}`)).toEqual(['p up', 'q up']);
    stop();
    monitor.unwatch('p');
    monitor.watch('p');
    clock.advance(0);
    expect(watched).toHaveLength(1);
  });

  it('names every wrong key of its configuration', () => {
    expect(() => parseHealthConfig({ timeoutMs: 4600 })).toThrow(/timeoutMs: must be below intervalMs/);
    expect(() => parseHealthConfig({ windowSize: 0, colour: 'red' } as never)).toThrow(
      /windowSize: .*colour/s,
    );
  });
});

describe('a recorded monitor', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(4000) }) },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('end' as const),
        which: fc.nat(9),
        ms: fc.option(fc.double({ min: -1, max: 900 })),
      }),
    },
    fc.record({ do: fc.constant('watch' as const), peer: fc.constantFrom('a', 'b', 'c/d') }),
    fc.record({ do: fc.constant('unwatch' as const), peer: fc.constantFrom('a', 'b', 'c/d') }),
  );

  it('replays from any checkpoint to the same probes and the same state', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const clock = new VirtualClock();
        const recorder = new ListRecorder();
        const tracer = new Tracer({ sink: recorder, checkpointEvery: 8 });
        const open: Done<number>[] = [];
        const prober = { probe: (_peer: string, done: Done<number>) => void open.push(done) };
        const config = { windowSize: 7, pathsMax: 2 };
        const monitor = new HealthMonitor(config, { clock, prober, tracer, seed: 2 });
        for (const s of steps) {
          if (s.do === 'wait') clock.advance(s.ms);
          else if (s.do === 'watch') monitor.watch(s.peer);
          else if (s.do === 'unwatch') monitor.unwatch(s.peer);
          else {
            const done = open[open.length - 1 - s.which];
            done?.(s.ms === null ? { ok: false, error: unreachable } : { ok: true, value: s.ms });
          }
        }
        const states = recorder.records.flatMap((record, at) => {
          if (record.kind !== 'checkpoint') return [];
          const make = () => new HealthCore(parseHealthConfig(config), 2);
          const { core, divergence } = replay(recorder.records.slice(at), 'local', 'health', make);
          return [{ divergence, state: unpackPlain(core.checkpoint()) }];
        });
        expect(states.map(({ divergence }) => divergence)).toEqual(states.map(() => null));
        expect(states.every(({ state }) => plainEqual(state, states[0]?.state))).toBe(true);
      }),
      { numRuns: 60, seed: 4 },
    );
  });

  it('names the probe as the cause of its answer', () => {
    const clock = new VirtualClock();
    const recorder = new ListRecorder();
    const tracer = new Tracer({ sink: recorder });
    const open: Done<number>[] = [];
    const prober = { probe: (_peer: string, done: Done<number>) => void open.push(done) };
    const monitor = new HealthMonitor({ jitter: 0 }, { clock, prober, tracer, seed: 2 });
    monitor.watch('p');
    clock.advance(100);
    open[0]?.({ ok: true, value: 100 });
    const steps = recorder.records.filter((record) => record.kind === 'step');
    expect(steps.map(({ input, cause }) => [input.type, cause])).toEqual([
      ['WATCH', null],
      ['TIMER', steps[0]?.seq],
      ['PROBE_DONE', steps[1]?.seq],
    ]);
  });
});
