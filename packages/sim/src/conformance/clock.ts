/** What every Clock does. */
import type { Clock } from '@cluster/core';
import { type ConformanceCase, eventually, expectThat, quiet, type Settle } from './conformance.ts';

export interface ClockHarness extends Settle {
  readonly clock: Clock;
}

export function clockConformance(make: () => ClockHarness): readonly ConformanceCase[] {
  const cases: Record<string, (harness: ClockHarness) => Promise<void>> = {
    'time never goes back': async (harness) => {
      let last = harness.clock.nowMs();
      for (let round = 0; round < 5; round++) {
        await harness.settle();
        const now = harness.clock.nowMs();
        expectThat(now >= last, `the clock went from ${last} to ${now}`);
        last = now;
      }
    },
    'a timer fires once, not before its time': async (harness) => {
      const { clock } = harness;
      const startMs = clock.nowMs();
      const firedAtMs: number[] = [];
      clock.setTimer(10, () => firedAtMs.push(clock.nowMs()));
      await eventually(harness, () => firedAtMs.length > 0, 'the timer');
      await quiet(harness);
      expectThat(firedAtMs.length === 1, 'it fired more than once');
      expectThat((firedAtMs[0] ?? 0) - startMs >= 10, 'it fired early');
    },
    'a timer never fires before setTimer has returned, even with no delay': async (harness) => {
      const { clock } = harness;
      let returned = false;
      let early = false;
      let fired = false;
      clock.setTimer(0, () => {
        fired = true;
        early = !returned;
      });
      returned = true;
      await eventually(harness, () => fired, 'the timer');
      expectThat(!early, 'it fired inside of setTimer');
    },
    'timers fire in the order of their times': async (harness) => {
      const { clock } = harness;
      const order: number[] = [];
      for (const delayMs of [30, 1, 15]) clock.setTimer(delayMs, () => order.push(delayMs));
      await eventually(harness, () => order.length === 3, 'all timers');
      expectThat(order.join() === '1,15,30', `the order was ${order.join()}`);
    },
    'a cancelled timer does not fire, and cancelling again is no error': async (harness) => {
      const { clock } = harness;
      let fired = false;
      const timer = clock.setTimer(1, () => {
        fired = true;
      });
      timer.cancel();
      timer.cancel();
      await quiet(harness);
      expectThat(!fired, 'it fired');
    },
    'cancelling a fired timer is no error': async (harness) => {
      const { clock } = harness;
      let fired = false;
      const timer = clock.setTimer(1, () => {
        fired = true;
      });
      await eventually(harness, () => fired, 'the timer');
      timer.cancel();
    },
  };
  return Object.entries(cases).map(([name, run]) => ({
    name,
    run: async () => run(make()),
  }));
}
