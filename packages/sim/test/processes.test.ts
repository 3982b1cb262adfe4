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
