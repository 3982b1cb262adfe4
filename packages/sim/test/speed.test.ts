import { describe, expect, test } from 'vitest';
import { World } from '../src/index.ts';

/** Runs it, prints events a second, and gives them back. */
function measure(name: string, world: World, virtualMs: number): number {
  const startMs = performance.now();
  world.runFor(virtualMs);
  const perSecond = world.steps / ((performance.now() - startMs) / 1000);
  console.log(`${name}: ${Math.round(perSecond / 1000)} thousand events a second (${world.steps} events)`);
  return perSecond;
}

// Figures for people; a shared machine decides them, so the floor is far below what is usual.
describe('speed', () => {
  test('timers', () => {
    const world = new World({ seed: 1 });
    for (let i = 0; i < 100; i++) {
      world.spawn(`n${i}`, ({ clock }) => {
        const tick = (): void => void clock.setTimer(10, tick);
        clock.setTimer(i / 10, tick);
        return {};
      });
    }
    expect(measure('timers', world, 30_000)).toBeGreaterThan(50_000);
  });

  test('messages', () => {
    const world = new World({ seed: 1 });
    for (let i = 0; i < 10; i++) {
      world.spawn(`n${i}`, ({ messages, name }) => {
        const port = messages('x');
        const bytes = new Uint8Array(64);
        port.onMessage((from) => port.send(from, bytes));
        if (name === 'n9') for (let peer = 0; peer < 9; peer++) port.send(`n${peer}`, bytes);
        return {};
      });
    }
    expect(measure('messages', world, 30_000)).toBeGreaterThan(50_000);
  });
});
