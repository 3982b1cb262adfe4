import { type Clock, type DiskFile, type Done, Prng, runTask, type Task, wait } from '@cluster/core';
import { describe, expect, test } from 'vitest';
import { type DelayShape, type NetworkOptions, type NodePorts, World } from '../src/index.ts';

interface Arrival {
  readonly atMs: number;
  readonly number: number;
}

/** Two nodes: b notes when what a sends arrives, by its number. */
function pair(network: NetworkOptions = {}, seed = 1) {
  const world = new World({ seed, network });
  const arrived: Arrival[] = [];
  let send: (number: number, bytes?: number) => void = () => undefined;
  world.spawn('a', ({ messages }) => {
    const port = messages('x');
    send = (number, bytes = 2) => {
      const message = new Uint8Array(bytes);
      new DataView(message.buffer).setUint16(0, number);
      port.send('b', message);
    };
    return {};
  });
  world.spawn('b', ({ messages }) => {
    messages('x').onMessage((_, bytes) => {
      arrived.push({ atMs: world.nowMs, number: new DataView(bytes.buffer).getUint16(0) });
    });
    return {};
  });
  return { world, arrived, send };
}

describe('delays', () => {
  const means: Readonly<Record<DelayShape, number>> = { exponential: 0, uniform: 0, lognormal: 0, pareto: 0 };

  test.each(Object.keys(means) as DelayShape[])(
    'of the shape %s have the mean they were given',
    (delayShape) => {
      const { world, arrived, send } = pair({ delayMinMs: 1, delayMeanMs: 11, delayShape, reorderRate: 0 });
      const count = 20_000;
      // One at a time, so that none waits for the one before.
      for (let i = 0; i < count; i++) world.after(i * 5000, () => send(0));
      world.runFor(count * 5000 + 100_000);
      const delays = arrived.map(({ atMs }) => atMs % 5000);
      const mean = delays.reduce((sum, delay) => sum + delay, 0) / count;
      expect(mean).toBeGreaterThan(10.4);
      expect(mean).toBeLessThan(11.6);
      expect(Math.min(...delays)).toBeGreaterThanOrEqual(1);
      const late = delays.filter((delay) => delay > 61).length / count;
      // More than six times the mean above the minimum.
      const bounds = {
        exponential: [0.001, 0.005],
        uniform: [0, 0],
        lognormal: [0.008, 0.014],
        pareto: [0.01, 0.03],
      };
      const [least, most] = bounds[delayShape] as [number, number];
      expect(late).toBeGreaterThanOrEqual(least);
      expect(late).toBeLessThanOrEqual(most);
    },
  );
});

describe('bandwidth', () => {
  test('lets packets leave one after the other, and drops those that would wait too long', () => {
    const { world, arrived, send } = pair({ bytesPerSecond: 10_000, queueMaxMs: 500 });
    // 100 ms each.
    for (let i = 0; i < 20; i++) send(i, 1000);
    world.runFor(5000);
    expect(arrived.map(({ number }) => number)).toEqual([0, 1, 2, 3, 4, 5]);
    for (const [i, { atMs }] of arrived.entries()) expect(Math.abs(atMs - 100 * (i + 1))).toBeLessThan(20);
    expect(world.counters.get('droppedByQueue')).toBe(14);
    expect(world.counters.get('throttled')).toBe(6);
  });

  test('belongs to one direction of one link, and can be taken back', () => {
    const { world, arrived, send } = pair();
    world.setLink('b', 'a', { bytesPerSecond: 10 });
    send(1, 1000);
    world.runFor(50);
    world.setLink('a', 'b', { bytesPerSecond: 1000 });
    send(2, 1000);
    world.runFor(900);
    expect(arrived.map(({ number }) => number)).toEqual([1]);
    world.runFor(200);
    world.setLink('a', 'b', {});
    send(3, 1000);
    world.runFor(50);
    expect(arrived.map(({ number }) => number)).toEqual([1, 2, 3]);
  });

  test('makes a stream late and loses nothing of it', () => {
    const world = new World({ seed: 3, network: { bytesPerSecond: 100_000 } });
    let got = 0;
    let gotAtMs = 0;
    world.spawn('b', ({ streams, host }) => {
      const accept = (stream: Parameters<Parameters<NodePorts['streams']['listen']>[1]>[0]): void => {
        stream.handlers = {
          onData: (bytes) => {
            got += bytes.length;
            gotAtMs = world.nowMs;
          },
          onEnd: () => undefined,
          onClose: () => undefined,
        };
      };
      streams.listen({ host, port: 1 }, accept, () => undefined);
      return {};
    });
    world.spawn('a', ({ streams, clock }) => {
      const handlers = { onData: () => undefined, onEnd: () => undefined, onClose: () => undefined };
      clock.setTimer(10, () =>
        streams.dial({ host: world.addressOf('b'), port: 1 }, handlers, 1000, (outcome) => {
          if (!outcome.ok) throw outcome.error;
          for (let i = 0; i < 20; i++) outcome.value.write(new Uint8Array(10_000));
        }),
      );
      return {};
    });
    world.runFor(10_000);
    expect(got).toBe(200_000);
    expect(gotAtMs).toBeGreaterThan(2000);
    expect(gotAtMs).toBeLessThan(2100);
  });
});

test('a bridged partition leaves nodes between that reach both sides', () => {
  const world = new World({ seed: 1 });
  for (const name of ['a', 'b', 'c']) world.spawn(name, () => ({}));
  world.perform({ type: 'partition', sides: [['a'], ['c']], isBridged: true });
  expect([world.reaches('a', 'c'), world.reaches('a', 'b'), world.reaches('b', 'c')]).toEqual([
    false,
    true,
    true,
  ]);
  expect(world.counters.get('bridges')).toBe(1);
});

describe('a starved node', () => {
  test('works off late, and in order, what came while it got no processor; a quiet one runs on', () => {
    const { world, arrived, send } = pair();
    world.starve('b', { runMs: 100, stallMs: 300 });
    for (let i = 0; i < 1000; i++) world.after(i * 10, () => send(i));
    world.runFor(20_000);
    expect(arrived.map(({ number }) => number)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    const late = arrived.filter(({ atMs, number }) => atMs - number * 10 > 30).length;
    // It runs a quarter of the time.
    expect(late).toBeGreaterThan(500);
    expect(late).toBeLessThan(950);
    expect(world.counters.get('stalls')).toBeGreaterThan(10);
    world.starve('b', { runMs: 0, stallMs: 0 });
    const from = arrived.length;
    const startMs = world.nowMs;
    for (let i = 0; i < 100; i++) world.after(i * 10, () => send(i));
    world.runFor(2000);
    for (const { atMs, number } of arrived.slice(from)) expect(atMs - startMs - number * 10).toBeLessThan(30);
  });

  test('fires its timers late', () => {
    const world = new World({ seed: 5 });
    const firedAtMs: number[] = [];
    world.spawn('a', ({ clock }) => {
      for (let i = 1; i <= 100; i++) clock.setTimer(i * 10, () => firedAtMs.push(world.nowMs - i * 10));
      return {};
    });
    world.starve('a', { runMs: 50, stallMs: 50 });
    world.runFor(3000);
    expect(firedAtMs.length).toBe(100);
    expect(firedAtMs.filter((late) => late > 5).length).toBeGreaterThan(20);
  });
});

describe('a clock that drifts', () => {
  const one = (): { world: World; clock: Clock } => {
    const world = new World({ seed: 1 });
    let clock: Clock | undefined;
    world.spawn('a', (ports) => {
      ({ clock } = ports);
      return {};
    });
    return { world, clock: clock as Clock };
  };

  test('counts its own milliseconds, goes on from where it was, and never back', () => {
    const { world, clock } = one();
    world.runFor(1000);
    world.setClockRate('a', 1.5);
    world.runFor(1000);
    expect(clock.nowMs()).toBeCloseTo(2500);
    world.setClockRate('a', 0.5);
    expect(clock.nowMs()).toBeCloseTo(2500);
    world.runFor(1000);
    expect(clock.nowMs()).toBeCloseTo(3000);
    world.setClockRate('a', 1);
    world.runFor(500);
    expect(clock.nowMs()).toBeCloseTo(3500);
  });

  test('fires its timers by its own time, and never early by it, whatever the rate does meanwhile', () => {
    const { world, clock } = one();
    const prng = Prng.fromSeed(7);
    for (let i = 0; i < 500; i++) {
      const delayMs = 1000 * prng.float();
      world.after(2000 * prng.float(), () => {
        const dueMs = clock.nowMs() + delayMs;
        clock.setTimer(delayMs, () => {
          expect(clock.nowMs()).toBeGreaterThanOrEqual(dueMs);
          // Late at the most by what the rate gained while it was waited for.
          expect(clock.nowMs()).toBeLessThan(dueMs + delayMs * 0.5 + 1);
        });
      });
    }
    for (let i = 0; i < 40; i++) world.after(i * 75, () => world.setClockRate('a', 0.8 + 0.4 * prng.float()));
    world.runFor(5000);
  });

  test('can be cancelled after the rest was armed', () => {
    const { world, clock } = one();
    let fired = false;
    const handle = clock.setTimer(100, () => (fired = true));
    world.setClockRate('a', 0.5);
    world.runFor(150);
    handle.cancel();
    world.runFor(1000);
    expect(fired).toBe(false);
  });
});

describe('a disk that lies', () => {
  function lab(seed: number) {
    const world = new World({ seed });
    let ports: NodePorts | undefined;
    world.spawn('a', (given) => {
      ports = given;
      return {};
    });
    const run = <T>(work: (disk: NodePorts['disk']) => Task<T>): T => {
      let result: T | undefined;
      runTask(work((ports as NodePorts).disk), (outcome) => {
        if (!outcome.ok) throw outcome.error;
        result = outcome.value;
      });
      world.runFor(1000);
      return result as T;
    };
    const append = (offset: number, byte: number): void =>
      run(function* (disk) {
        const file = yield* wait((done: Done<DiskFile>) => disk.open('f', { create: true }, done));
        yield* wait((done: Done<void>) => file.write(offset, new Uint8Array(1000).fill(byte), done));
        yield* wait((done: Done<void>) => file.sync(done));
        yield* wait((done: Done<void>) => disk.syncDirectory('', done));
      });
    const read = (): number[] =>
      run(function* (disk) {
        const file = yield* wait((done: Done<DiskFile>) => disk.open('f', { create: true }, done));
        return [...(yield* wait((done: Done<Uint8Array>) => file.read(0, 1 << 16, done)))];
      });
    return { world, append, read };
  }
  const whole = [...new Uint8Array(1000).fill(1), ...new Uint8Array(1000).fill(2)];

  test('flips bits of old bytes only, in what is read and in what survives a crash', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { world, append, read } = lab(seed);
      append(0, 1);
      append(1000, 2);
      world.perform({ type: 'rot', node: 'a', bits: 1 });
      const rotten = read();
      const wrong = rotten.flatMap((byte, i) => (byte === whole[i] ? [] : [i]));
      expect(wrong).toHaveLength(1);
      expect(wrong[0]).toBeLessThan(1000);
      world.crash('a');
      world.restart('a');
      expect(read()).toEqual(rotten);
      expect(world.counters.get('bitFlips')).toBe(1);
    }
  });

  test('leaves alone what was written last', () => {
    const { world, append, read } = lab(1);
    append(0, 1);
    world.perform({ type: 'rot', node: 'a', bits: 3 });
    expect(read()).toEqual([...new Uint8Array(1000).fill(1)]);
    expect(world.counters.get('bitFlips')).toBe(0);
  });

  test('loses a write that it reports done and synced', () => {
    const { world, append, read } = lab(1);
    append(0, 1);
    world.perform({ type: 'badWrite', node: 'a', fate: 'lost' });
    append(0, 9);
    expect(read()).toEqual(whole.slice(0, 1000));
    append(1000, 2);
    expect(read()).toEqual(whole);
    expect(world.counters.get('phantomWrites')).toBe(1);
  });

  test('puts a write where it does not belong', () => {
    const { world, append, read } = lab(2);
    append(0, 1);
    append(1000, 2);
    world.perform({ type: 'badWrite', node: 'a', fate: 'misdirected' });
    append(0, 9);
    const bytes = read();
    expect(bytes.filter((byte) => byte === 9)).toHaveLength(1000);
    expect(bytes[0]).toBe(1);
    expect(world.counters.get('misdirectedWrites')).toBe(1);
  });

  test('is another, empty one after a wipe', () => {
    const { world, append, read } = lab(1);
    append(0, 1);
    world.perform({ type: 'wipe', node: 'a' });
    expect(world.isUp('a')).toBe(false);
    world.restart('a');
    expect(read()).toEqual([]);
    expect(world.counters.get('wipes')).toBe(1);
  });
});
