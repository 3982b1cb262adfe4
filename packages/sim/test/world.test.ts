import { Driver, encodeTrace, Prng, type ProtocolCore, type Sink, type TimerInput } from '@cluster/core';
import { describe, expect, test } from 'vitest';
import { explain, type NodePorts, SimulationFailure, World } from '../src/index.ts';

type Input =
  | { readonly type: 'START' }
  | { readonly type: 'GOT'; readonly from: string; readonly hops: number };
type Effect = { readonly type: 'send'; readonly to: string; readonly hops: number };

/** Passes a counter on to a random other node, and starts a new one by timer: a workload with a trace. */
class Gossip implements ProtocolCore<Input, Effect> {
  readonly #peers: readonly string[];
  readonly #prng: Prng;
  #total = 0;

  constructor(peers: readonly string[], seed: number) {
    this.#peers = peers;
    this.#prng = Prng.fromSeed(seed);
  }

  handle(input: Input | TimerInput, _nowMs: number, out: Sink<Effect>): void {
    if (input.type === 'GOT') this.#total += input.hops;
    else out.emit({ type: 'setTimer', timer: 'again', delayMs: 5 + this.#prng.below(10) });
    const hops = input.type === 'GOT' ? input.hops - 1 : 6;
    if (hops > 0) out.emit({ type: 'send', to: this.#prng.pick(this.#peers) ?? '', hops });
  }

  checkpoint(): Uint8Array {
    return Uint8Array.of(this.#total & 255);
  }

  restore(): void {
    this.#total = 0;
  }
}

const names = ['a', 'b', 'c', 'd'];

function gossip(ports: NodePorts): { stop(): void } {
  const channel = ports.messages('gossip');
  const driver = new Driver<Input, Effect>({
    node: ports.name,
    name: 'gossip',
    core: new Gossip(
      names.filter((name) => name !== ports.name),
      ports.seed,
    ),
    clock: ports.clock,
    execute: ({ to, hops }) => channel.send(to, Uint8Array.of(hops)),
    onBug: (error) => {
      throw error;
    },
    tracer: ports.tracer,
  });
  channel.onMessage((from, bytes) => driver.dispatch({ type: 'GOT', from, hops: bytes[0] ?? 0 }));
  driver.dispatch({ type: 'START' });
  return { stop: () => driver.stop() };
}

function makeWorld(seed: number, trace: boolean): World {
  const network = { lossRate: 0.05, duplicateRate: 0.05, reorderRate: 0.05 };
  const world = new World({ seed, trace, network });
  for (const name of names) world.spawn(name, gossip);
  world.after(100, () => world.crash('a'));
  world.after(150, () => world.partition([['b'], ['a', 'c', 'd']]));
  world.after(200, () => world.restart('a'));
  world.after(250, () => world.pause('c'));
  world.after(300, () => world.resume('c'));
  world.after(350, () => world.heal());
  return world;
}

describe('determinism', () => {
  test('a seed gives the same trace, byte by byte, also while other worlds run in between', () => {
    const alone = makeWorld(7, true);
    alone.runUntil(1000);
    const [again, other] = [makeWorld(7, true), makeWorld(8, true)];
    for (let ms = 0; ms <= 1000; ms += 10) {
      again.runUntil(ms);
      other.runUntil(ms);
    }
    const text = encodeTrace(alone.trace());
    expect(text.length).toBeGreaterThan(10_000);
    expect(encodeTrace(again.trace())).toBe(text);
    expect(encodeTrace(other.trace())).not.toBe(text);
  });

  test('tracing does not change what happens', () => {
    const [traced, plain] = [makeWorld(7, true), makeWorld(7, false)];
    traced.runUntil(1000);
    plain.runUntil(1000);
    expect(plain.digest).toBe(traced.digest);
    expect(plain.steps).toBe(traced.steps);
    expect(plain.trace()).toEqual([]);
  });

  test('another seed gives another run', () => {
    const digests = new Set(
      [1, 2, 3, 4].map((seed) => {
        const world = makeWorld(seed, false);
        world.runUntil(500);
        return world.digest;
      }),
    );
    expect(digests.size).toBe(4);
  });

  test('a delivery names the step that sent it as its cause', () => {
    const world = makeWorld(3, true);
    world.runUntil(50);
    const steps = world.trace().filter((record) => record.kind === 'step');
    const byNumber = new Map(steps.map((step) => [step.seq, step]));
    const deliveries = steps.filter(({ input }) => input.type === 'GOT');
    expect(deliveries.length).toBeGreaterThan(20);
    for (const { input, cause, node } of deliveries) {
      const sender = byNumber.get(cause ?? -1);
      const { from, hops } = input as Extract<Input, { type: 'GOT' }>;
      expect(sender?.node).toBe(from);
      expect(sender?.effects).toContainEqual({ type: 'send', to: node, hops });
    }
  });
});

describe('failing runs', () => {
  test('a broken invariant ends the run with seed, time, step and name', () => {
    const world = makeWorld(5, false);
    world.onStep(() => {
      if (world.nowMs > 40) world.fail('nothing lasts', 'it is past 40 ms');
    });
    const failure = catchFailure(() => world.runUntil(1000));
    expect(failure).toMatchObject({ seed: 5, invariant: 'nothing lasts', step: world.steps });
    expect(failure.atMs).toBeGreaterThan(40);
    expect(failure.message).toContain('Seed 5');
  });

  test('an error thrown in a callback of a node ends the run, and is kept as the cause', () => {
    const world = new World({ seed: 1 });
    const cause = new Error('planted');
    world.spawn('a', ({ clock }) => {
      clock.setTimer(10, () => {
        throw cause;
      });
      return {};
    });
    const failure = catchFailure(() => world.runFor(100));
    expect(failure).toMatchObject({ invariant: 'no error is thrown', cause, atMs: 10 });
  });

  test('a failure reported inside a node that swallows errors ends the run all the same', () => {
    const world = new World({ seed: 1 });
    world.spawn('a', ({ clock }) => {
      clock.setTimer(10, () => world.fail('found inside', 'here'));
      return {};
    });
    expect(catchFailure(() => world.runFor(100)).invariant).toBe('found inside');
  });

  test('a failure reported between two runs ends the next one before anything happens', () => {
    const world = makeWorld(1, false);
    world.runFor(10);
    const { steps } = world;
    world.fail('found between', 'here');
    expect(catchFailure(() => world.runFor(0)).invariant).toBe('found between');
    expect(world.steps).toBe(steps);
  });

  test('the smallest delay moves time on, however late it is', () => {
    const world = new World({ seed: 1 });
    const firedAtMs: number[] = [];
    world.runFor(1e9 + 0.1);
    const startMs = world.nowMs;
    world.spawn('a', ({ clock }) => {
      clock.setTimer(1e-13, () => firedAtMs.push(clock.nowMs()));
      return {};
    });
    world.runFor(1);
    expect(firedAtMs[0]).toBeGreaterThan(startMs);
  });

  test('events that follow each other at one instant for ever end the run', () => {
    const world = new World({ seed: 1 });
    world.spawn('a', ({ clock }) => {
      const spin = (): void => void clock.setTimer(0, spin);
      spin();
      return {};
    });
    expect(catchFailure(() => world.runFor(1)).invariant).toBe('time moves on');
  });

  test('explain runs a failing seed again with a trace, and a passing one once', () => {
    const runs: boolean[] = [];
    const run =
      (limitMs: number) =>
      (trace: boolean, started: (world: World) => void): number => {
        runs.push(trace);
        const world = makeWorld(9, trace);
        started(world);
        world.onStep(() => {
          if (world.nowMs > limitMs) world.fail('early enough', 'too late');
        });
        world.runUntil(100);
        return world.steps;
      };
    const passed = explain(run(1000));
    expect([passed.failure, passed.trace, runs]).toEqual([null, null, [false]]);
    const failed = explain(run(50));
    expect(runs).toEqual([false, false, true]);
    expect(failed.failure?.invariant).toBe('early enough');
    expect(failed.trace?.[0]).toMatchObject({ kind: 'header', seed: 9, note: failed.failure?.message });
    expect(failed.trace?.length).toBeGreaterThan(50);
  });
});

function catchFailure(run: () => void): SimulationFailure {
  try {
    run();
  } catch (error) {
    if (error instanceof SimulationFailure) return error;
    throw error;
  }
  throw new Error('The run did not fail.');
}
