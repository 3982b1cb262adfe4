import { VirtualClock } from '@cluster/sim';
import { describe, expect, it } from 'vitest';

describe('the virtual clock', () => {
  it('holds on to no more cancelled timers than live ones, however many there were', () => {
    const clock = new VirtualClock();
    const fired: number[] = [];
    for (let i = 0; i < 10_000; i++) {
      const timer = clock.setTimer(10_000, () => fired.push(-1));
      if (i % 100 === 0) clock.setTimer(10_000 - i, () => fired.push(i));
      timer.cancel();
      timer.cancel();
    }
    expect(clock.held).toBeLessThan(300);
    clock.advance(20_000);
    expect(fired).toEqual(Array.from({ length: 100 }, (_, i) => 9900 - 100 * i));
    expect(clock.held).toBe(0);
  });

  it('fires those of one moment in the order they were set, also after a sweep, and none that another has cancelled', () => {
    const clock = new VirtualClock();
    const fired: string[] = [];
    const doomed = Array.from({ length: 200 }, () => clock.setTimer(5, () => fired.push('doomed')));
    const timers = ['a', 'b', 'c'].map((name) => clock.setTimer(5, () => fired.push(name)));
    clock.setTimer(4, () => timers[1]?.cancel());
    for (const timer of doomed) timer.cancel();
    clock.advance(10);
    expect(fired).toEqual(['a', 'c']);
    timers[0]?.cancel();
    expect(clock.held).toBe(0);
  });
});
