import { describe, expect, test } from 'vitest';
import { type NodePorts, World } from '../src/index.ts';

const ticker =
  (ticks: number[]) =>
  ({ clock }: NodePorts) => {
    const tick = (): void => {
      ticks.push(clock.nowMs());
      clock.setTimer(10, tick);
    };
    clock.setTimer(10, tick);
    return {};
  };

describe('processes', () => {
  test('the timers of a crashed process never fire, and a restarted one begins anew', () => {
    const world = new World({ seed: 1 });
    const boots: number[] = [];
    const ticks: number[] = [];
    world.spawn('a', (ports) => {
      boots.push(ports.incarnation);
      return ticker(ticks)(ports);
    });
    world.runFor(35);
    world.crash('a');
    world.runFor(65);
    expect(ticks).toEqual([10, 20, 30]);
    expect(world.isUp('a')).toBe(false);
    world.restart('a');
    world.runFor(25);
    expect(ticks).toEqual([10, 20, 30, 110, 120]);
    expect(boots).toEqual([1, 2]);
  });

  test('the ports of a crashed process do nothing, even when its code is called', () => {
    const world = new World({ seed: 1 });
    const heard: number[] = [];
    let old: NodePorts | undefined;
    world.spawn('a', (ports) => {
      old ??= ports;
      return {};
    });
    world.spawn('b', (ports) => {
      ports.messages('x').onMessage((_, bytes) => heard.push(bytes[0] ?? 0));
      return {};
    });
    const called: string[] = [];
    world.crash('a');
    world.restart('a');
    old?.messages('x').send('b', Uint8Array.of(1));
    old?.clock.setTimer(1, () => called.push('timer'));
    old?.disk.makeDirectory('x', () => called.push('disk'));
    old?.datagrams.bind({ host: '', port: 1 }, { onMessage: () => undefined, onError: () => undefined }, () =>
      called.push('bind'),
    );
    world.runFor(1000);
    expect([heard, called]).toEqual([[], []]);
  });

  test('a node that is spawned down starts when it is told to', () => {
    const world = new World({ seed: 1 });
    const ticks: number[] = [];
    world.spawn('a', ticker(ticks), { down: true });
    world.runFor(50);
    expect([world.isUp('a'), ticks]).toEqual([false, []]);
    world.restart('a');
    world.runFor(15);
    expect(ticks).toEqual([60]);
    expect(world.counters.get('restarts')).toBe(0);
  });

  test('an orderly stop tells the process, a crash does not', () => {
    const world = new World({ seed: 1 });
    let stops = 0;
    world.spawn('a', () => ({ stop: () => void stops++ }));
    world.crash('a');
    expect(stops).toBe(0);
    world.restart('a');
    world.stop('a');
    expect(stops).toBe(1);
  });

  test('a paused process does nothing until it is resumed, and then what was due at once and in order', () => {
    const world = new World({ seed: 1 });
    const seen: string[] = [];
    world.spawn('a', ({ clock, messages }) => {
      clock.setTimer(20, () => seen.push(`timer ${clock.nowMs()}`));
      clock.setTimer(30, () => seen.push('later timer'));
      const cancelled = clock.setTimer(40, () => seen.push('cancelled'));
      clock.setTimer(25, () => cancelled.cancel());
      messages('x').onMessage(() => seen.push('message'));
      return {};
    });
    world.spawn('b', ({ clock, messages }) => {
      clock.setTimer(50, () => messages('x').send('a', Uint8Array.of(1)));
      return {};
    });
    world.pause('a');
    world.runFor(100);
    expect(seen).toEqual([]);
    world.resume('a');
    world.runFor(1);
    expect(seen).toEqual(['timer 100', 'later timer', 'message']);
  });

  test('a process that goes on looks at its timers first, and then at what has come in before they were due', () => {
    const world = new World({ seed: 1 });
    const seen: string[] = [];
    world.spawn('a', ({ clock, messages }) => {
      clock.setTimer(50, () => {
        seen.push('timer');
        clock.setTimer(0, () => seen.push('timer of the timer'));
      });
      messages('x').onMessage(() => seen.push('message'));
      return {};
    });
    world.spawn('b', ({ clock, messages }) => {
      clock.setTimer(10, () => messages('x').send('a', Uint8Array.of(1)));
      return {};
    });
    world.pause('a');
    world.runFor(100);
    world.resume('a');
    world.runFor(1);
    expect(seen).toEqual(['timer', 'message', 'timer of the timer']);
  });

  test('the timers of a blocked process run; what it sends and what comes for it waits, and goes on at once', () => {
    const world = new World({ seed: 1 });
    const seen: string[] = [];
    for (const name of ['a', 'b']) {
      world.spawn(name, ({ clock, messages }) => {
        const other = name === 'a' ? 'b' : 'a';
        messages('x').onMessage((from) => seen.push(`${from} to ${name} at ${Math.round(clock.nowMs())}`));
        clock.setTimer(20, () => {
          seen.push(`${name} sends at ${clock.nowMs()}`);
          messages('x').send(other, Uint8Array.of(1));
        });
        return {};
      });
    }
    world.block('a', true);
    world.runFor(100);
    expect(seen).toEqual(['a sends at 20', 'b sends at 20']);
    // Stopped besides: it goes on when it is neither.
    world.pause('a');
    world.resume('a');
    world.runFor(100);
    expect(seen).toHaveLength(2);
    world.block('a', false);
    world.runFor(10);
    expect(seen.slice(2).map((line) => line.split(' at ')[0])).toEqual(['b to a', 'a to b']);
    expect(world.counters.get('blocks')).toBe(1);
  });

  test.each(['pause', 'starve', 'slow', 'block'] as const)(
    'what waits in the socket of a process that does not get to it is bounded (%s)',
    (fault) => {
      const world = new World({ seed: 1, network: { socketBufferBytes: 10 * (768 + 100) } });
      let heard = 0;
      const bound = { host: '', port: 9 };
      const handlers = { onMessage: () => void heard++, onError: () => undefined };
      world.spawn('a', ({ datagrams }) => {
        datagrams.bind(bound, handlers, () => undefined);
        return {};
      });
      world.spawn('b', ({ clock, datagrams }) => {
        datagrams.bind(bound, handlers, (outcome) => {
          if (!outcome.ok) return;
          const send = (): void =>
            outcome.value.send(new Uint8Array(100), { host: world.addressOf('a'), port: 9 });
          for (let i = 0; i < 25; i++) clock.setTimer(10, send);
        });
        return {};
      });
      world.runFor(5);
      if (fault === 'pause') world.pause('a');
      else if (fault === 'starve') world.starve('a', { runMs: 0.001, stallMs: 1e9 });
      else if (fault === 'slow') world.slow('a', 1e6);
      else world.block('a', true);
      world.runFor(100);
      expect([heard, world.counters.get('droppedByBuffer')]).toEqual([0, 15]);
      world.perform({ type: 'calm' });
      world.runFor(1e8);
      expect(heard).toBe(10);
      // There is room again.
      world.pause('a');
      world.resume('a');
      expect(world.counters.get('droppedByBuffer')).toBe(15);
    },
  );

  test('a stream to a blocked process stalls, and does not break', () => {
    const world = new World({ seed: 1 });
    const got: string[] = [];
    const quiet = { onEnd: () => undefined, onClose: () => void got.push('closed') };
    world.spawn('a', ({ streams }) => {
      streams.listen(
        { host: '', port: 9 },
        (stream) => {
          stream.handlers = { ...quiet, onData: (bytes) => void got.push(`${bytes.length} bytes`) };
        },
        () => undefined,
      );
      return {};
    });
    world.spawn('b', ({ clock, streams }) => {
      clock.setTimer(5, () =>
        streams.dial(
          { host: world.addressOf('a'), port: 9 },
          { ...quiet, onData: () => undefined },
          1000,
          (outcome) => {
            if (outcome.ok) clock.setTimer(50, () => outcome.value.write(Uint8Array.of(1)));
          },
        ),
      );
      return {};
    });
    world.runFor(40);
    world.block('a', true);
    world.runFor(20_000);
    expect(got).toEqual([]);
    world.block('a', false);
    world.runFor(1000);
    expect(got).toEqual(['1 bytes']);
  });

  test('what a paused process had waiting is lost when it is killed', () => {
    const world = new World({ seed: 1 });
    const ticks: number[] = [];
    world.spawn('a', ticker(ticks));
    world.pause('a');
    world.runFor(50);
    world.crash('a');
    world.resume('a');
    world.runFor(50);
    expect(ticks).toEqual([]);
  });

  test('a slow process handles everything later, in the same order', () => {
    const world = new World({ seed: 1 });
    const order: number[] = [];
    let lastMs = 0;
    world.spawn('a', ({ clock }) => {
      for (let i = 0; i < 20; i++) {
        clock.setTimer(10, () => {
          order.push(i);
          lastMs = clock.nowMs();
        });
      }
      return {};
    });
    world.slow('a', 5);
    world.runFor(1000);
    expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(lastMs).toBeGreaterThan(50);
  });

  test('a process that ends in the middle of its own callback takes no further event', () => {
    const world = new World({ seed: 1 });
    const seen: string[] = [];
    world.spawn('a', ({ clock }) => {
      clock.setTimer(1, () => world.crash('a'));
      clock.setTimer(1, () => seen.push('after the crash'));
      return {};
    });
    world.runFor(10);
    expect(seen).toEqual([]);
  });
});
