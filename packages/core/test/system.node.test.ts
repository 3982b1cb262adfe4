import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { lineLogger, makeSystemClock, systemClock, systemRandom, systemWallClock } from '@cluster/core/node';

describe('the system clock', () => {
  it('never fires a timer early, and a cancelled one not at all', async () => {
    const fired: string[] = [];
    const startMs = systemClock.nowMs();
    const early = systemClock.setTimer(1, () => fired.push('cancelled'));
    early.cancel();
    early.cancel();
    for (let i = 0; i < 20; i++) {
      const delayMs = 1 + i * 0.37;
      await new Promise<void>((resolve) => {
        const dueMs = systemClock.nowMs() + delayMs;
        systemClock.setTimer(delayMs, () => {
          if (systemClock.nowMs() < dueMs) fired.push('early');
          resolve();
        });
      });
    }
    expect(fired).toEqual([]);
    expect(systemClock.nowMs()).toBeGreaterThan(startMs);
    expect(systemWallClock.nowMs()).toBeGreaterThan(Date.UTC(2024, 0));
  });

  describe('on a timer service that is less exact than it', () => {
    let nowMs = 0;
    const delays: number[] = [];
    beforeEach(() => {
      nowMs = 0;
      delays.length = 0;
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      const set = globalThis.setTimeout;
      vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
      vi.spyOn(globalThis, 'setTimeout').mockImplementation(((run: () => void, ms: number) => {
        delays.push(ms);
        return set(run, ms);
      }) as typeof setTimeout);
    });
    afterEach(() => {
      vi.restoreAllMocks();
      vi.useRealTimers();
    });
    const pass = (ms: number, measuredMs = ms): void => {
      nowMs += measuredMs;
      vi.advanceTimersByTime(ms);
    };

    it('waits on when it is woken early', () => {
      let fired = 0;
      makeSystemClock().setTimer(10.3, () => fired++);
      pass(11, 10.2);
      expect([fired, delays]).toEqual([0, [11, 1]]);
      pass(1);
      expect(fired).toBe(1);
    });

    it('holds a timer beyond setTimeout’s range back instead of firing it at once', () => {
      let fired = 0;
      const farMs = 2 ** 32;
      const timer = makeSystemClock().setTimer(farMs, () => fired++);
      pass(2 ** 31 - 1);
      pass(2 ** 31 - 1);
      expect([fired, Math.max(...delays)]).toEqual([0, 2 ** 31 - 1]);
      pass(2);
      expect(fired).toBe(1);
      timer.cancel();
      makeSystemClock()
        .setTimer(farMs, () => fired++)
        .cancel();
      pass(farMs);
      expect(fired).toBe(1);
    });

    it('cancels a timer that has been armed anew', () => {
      let fired = 0;
      const timer = makeSystemClock().setTimer(2 ** 32, () => fired++);
      pass(2 ** 31);
      timer.cancel();
      pass(2 ** 32);
      expect(fired).toBe(0);
    });
  });
});

it('system randomness gives 32-bit numbers and bytes that differ', () => {
  const numbers = new Set(Array.from({ length: 100 }, () => systemRandom.u32()));
  expect(numbers.size).toBeGreaterThan(95);
  expect(systemRandom.bytes(16)).toHaveLength(16);
  expect(systemRandom.bytes(16)).not.toEqual(systemRandom.bytes(16));
});

describe('the line logger', () => {
  const lines: string[] = [];
  const logger = lineLogger((line) => lines.push(line), 'info', { wallClock: { nowMs: () => 0 } });

  it('writes one line per message at its level and above', () => {
    logger.log('debug', 'not this');
    logger.log('info', 'joined', { node: 'n1', members: 3, why: 'two words', gone: undefined });
    expect(lines).toEqual(['1970-01-01T00:00:00.000Z info  joined node=n1 members=3 why="two words"\n']);
  });

  it('lets no value break out of its line or colour the terminal', () => {
    lines.length = 0;
    logger.log('error', 'bad\nname', { name: 'x\n1970 info forged', colour: '\u001b[31mred' });
    expect(lines).toHaveLength(1);
    expect(lines[0]?.trimEnd()).not.toContain('\n');
    expect(lines[0]).not.toContain('\u001b');
  });
});
