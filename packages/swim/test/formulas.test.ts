import { Prng } from '@cluster/core';
import { describe, expect, it } from 'vitest';
import { Broadcasts } from '../src/core/broadcasts.ts';
import { OwnIncarnation } from '../src/core/incarnation.ts';
import { RoundRobin } from '../src/core/round-robin.ts';
import {
  failedProbeDelta,
  healthScore,
  pushPullPeriodMs,
  reconnectChance,
  retransmitLimit,
} from '../src/core/scaling.ts';
import { confirm, remainingMs, suspicionBounds, suspicionTimeoutMs } from '../src/core/suspicion.ts';
import { versionsAgree } from '../src/core/versions.ts';
import { parseSwimConfig } from '../src/config.ts';

const lan = parseSwimConfig({ name: 'x', preset: 'lan' });
const ours = parseSwimConfig({ name: 'x' });

describe('the length of a suspicion', () => {
  it('has the minimum that serf was measured at: 6.79 s on lan and 5.095 s on local with 50 members', () => {
    expect(suspicionBounds(lan, 50).minMs).toBeCloseTo(6796, 0);
    expect(suspicionBounds(parseSwimConfig({ name: 'x', preset: 'local' }), 50).minMs).toBeCloseTo(5097, 0);
  });

  it('with the defaults never passes the documented 5 s', () => {
    for (const members of [2, 5, 10, 100, 10_000, 1e9]) {
      const bounds = suspicionBounds(ours, members);
      expect(bounds.maxMs).toBeLessThanOrEqual(5000);
      expect(bounds.minMs).toBeLessThanOrEqual(bounds.maxMs);
    }
    expect(suspicionBounds(ours, 5)).toEqual({ minMs: 1000, maxMs: 5000, confirmations: 2 });
  });

  it('without confirmations is the maximum, with all of them the minimum, in between by their logarithm', () => {
    const bounds = { minMs: 2000, maxMs: 30_000, confirmations: 3 };
    const timeouts = [0, 1, 2, 3, 4].map((confirmed) => Math.round(suspicionTimeoutMs(bounds, confirmed)));
    // 30 - 28 ln(c + 1) / ln 4
    expect(timeouts).toEqual([30_000, 16_000, 7811, 2000, 2000]);
  });

  it('is the minimum where nobody is asked, or too few are left, to confirm', () => {
    expect(suspicionTimeoutMs({ minMs: 7, maxMs: 70, confirmations: 0 }, 0)).toBe(7);
    expect(suspicionBounds(lan, 3).confirmations).toBe(0);
    expect(suspicionBounds(lan, 4).confirmations).toBe(2);
  });

  it('counts each accuser once, and no more than are asked for', () => {
    const start = { startedAtMs: 0, bounds: { minMs: 10, maxMs: 100, confirmations: 1 }, accusers: ['a'] };
    expect(confirm(start, 'a')).toBe(start);
    const confirmed = confirm(start, 'b');
    expect(confirmed.accusers).toEqual(['a', 'b']);
    expect(confirm(confirmed, 'c')).toBe(confirmed);
  });

  it('may be over by the time a late confirmation comes', () => {
    const bounds = { minMs: 10, maxMs: 100, confirmations: 1 };
    expect(remainingMs({ startedAtMs: 0, bounds, accusers: ['a'] }, 60)).toBe(40);
    expect(remainingMs({ startedAtMs: 0, bounds, accusers: ['a', 'b'] }, 60)).toBe(0);
  });
});

describe('what grows with the pool', () => {
  it('is the number of transmissions, by log10', () => {
    expect([1, 10, 40, 99, 100, 1000].map((n) => retransmitLimit(4, n))).toEqual([4, 8, 11, 12, 12, 16]);
  });

  it('is the number of transmissions, so that at no size somebody misses one change in 350', () => {
    for (let size = 12; size <= 10_000; size++) {
      // Each of the others sends it so often, to one of the others at a time.
      const missed = (1 - 1 / (size - 1)) ** (retransmitLimit(4, size) * (size - 2));
      expect(missed * (size - 1)).toBeLessThan(1 / 350);
    }
  });

  it('is the number of transmissions, in a pool below ten as many as there are others', () => {
    expect([2, 5, 6, 8, 9].map((n) => retransmitLimit(4, n))).toEqual([4, 4, 5, 7, 8]);
    expect([2, 3, 9, 10].map((n) => retransmitLimit(1, n))).toEqual([1, 2, 2, 2]);
  });

  it('is the push/pull period, from 32 members on', () => {
    expect([1, 32, 33, 64, 65, 128, 129].map((n) => pushPullPeriodMs(30, n) / 30)).toEqual([
      1, 1, 2, 2, 3, 3, 4,
    ]);
  });

  it('is the patience with the dead: one attempt in the whole pool', () => {
    expect([reconnectChance(1, 4), reconnectChance(5, 4), reconnectChance(1, 0)]).toEqual([0.25, 1, 1]);
  });
});

describe('the local health score', () => {
  it('stays within 0 and its bound', () => {
    expect([healthScore(0, -1, 8), healthScore(3, 1, 8), healthScore(7, 4, 8)]).toEqual([0, 4, 7]);
  });

  it('worsens by the nacks that are missing, by one where none could come', () => {
    expect([
      failedProbeDelta(3, 1),
      failedProbeDelta(3, 3),
      failedProbeDelta(2, 3),
      failedProbeDelta(0, 0),
    ]).toEqual([2, 0, 0, 1]);
  });
});

describe('protocol versions', () => {
  const vsn = (...bytes: number[]): { vsn: Uint8Array } => ({ vsn: Uint8Array.from(bytes) });
  it('agree while everybody understands what everybody speaks', () => {
    const serf = vsn(1, 5, 2, 2, 5, 5);
    expect(versionsAgree([serf, serf, vsn()])).toBe(true);
    expect(versionsAgree([serf, vsn(3, 5, 3, 2, 5, 5)])).toBe(false);
    expect(versionsAgree([serf, vsn(1, 1, 1, 2, 5, 5)])).toBe(false);
    expect(versionsAgree([serf, vsn(1, 5, 2, 2, 4, 4)])).toBe(false);
    expect(versionsAgree([])).toBe(true);
  });
});

describe('the broadcast queue', () => {
  const filled = (...sizes: number[]): Broadcasts<string> => {
    const queue = new Broadcasts<string>();
    for (const [i, bytes] of sizes.entries()) queue.add(`n${i}`, `m${i}`, bytes, 100);
    return queue;
  };

  it('gives what was sent least first, then the largest, then the newest', () => {
    const queue = filled(10, 30, 10);
    expect(queue.take(33, 2, 9, 9)).toEqual(['m1']);
    expect(queue.take(100, 2, 9, 9)).toEqual(['m2', 'm0', 'm1']);
  });

  it('fills a packet with what still fits', () => {
    expect(filled(50, 40, 8).take(62, 2, 9, 9)).toEqual(['m0', 'm2']);
    expect(filled(50, 40, 8).take(1000, 2, 9, 2)).toEqual(['m0', 'm1']);
  });

  it('forgets a broadcast after its last transmission', () => {
    const queue = filled(10);
    expect([1, 2, 3].map(() => queue.take(100, 2, 2, 9).length)).toEqual([1, 1, 0]);
    expect(queue.has('n0')).toBe(false);
  });

  it('replaces older news of the same member', () => {
    const queue = filled(10, 10);
    queue.take(100, 2, 9, 9);
    queue.add('n0', 'newer', 10, 100);
    expect(queue.size).toBe(2);
    expect(queue.take(100, 2, 9, 9)).toEqual(['newer', 'm1']);
  });

  it('drops the most often sent at its bound, and says so', () => {
    const queue = filled(10, 20);
    queue.take(22, 2, 9, 9);
    expect(queue.add('n2', 'm2', 5, 2)).toBe(true);
    expect(queue.has('n1')).toBe(false);
    expect(queue.size).toBe(2);
    expect(queue.add('n2', 'again', 5, 2)).toBe(false);
  });
});

describe('the order of probing', () => {
  const everybody = (): boolean => true;
  const named = (count: number): { order: RoundRobin; prng: Prng } => {
    const [order, prng] = [new RoundRobin(), Prng.fromSeed(5)];
    for (let i = 0; i < count; i++) order.insert(`n${i}`, prng);
    return { order, prng };
  };
  const roundOf = ({ order, prng }: { order: RoundRobin; prng: Prng }, length: number): string[] =>
    Array.from({ length }, () => order.take(everybody, prng, () => undefined) as string);

  it('takes each once in a round, then shuffles', () => {
    const it = named(8);
    const rounds = [roundOf(it, 8), roundOf(it, 8), roundOf(it, 8)];
    for (const round of rounds) expect(new Set(round).size).toBe(8);
    expect(new Set(rounds.map(String)).size).toBe(3);
  });

  it('puts a newcomer at a random place, and nobody else loses or repeats a turn for it', () => {
    const places = new Set<number>();
    for (let seed = 0; seed < 50; seed++) {
      const [order, prng] = [new RoundRobin(), Prng.fromSeed(seed)];
      for (let i = 0; i < 6; i++) order.insert(`n${i}`, prng);
      const first = roundOf({ order, prng }, 3);
      order.insert('new', prng);
      places.add(order.names.indexOf('new'));
      // The others that are left come next, each once; the newcomer among them or not before the next round.
      const rest: string[] = [];
      while (rest.length < 3) {
        const name = order.take(everybody, prng, () => undefined) as string;
        if (name !== 'new') rest.push(name);
      }
      expect(new Set([...first, ...rest]).size).toBe(6);
    }
    expect(places.size).toBe(7);
  });

  it('passes over those that do not qualify, and tells of the end of the round', () => {
    const { order, prng } = named(3);
    let ends = 0;
    const taken = Array.from({ length: 4 }, () =>
      order.take(
        (name) => name === 'n1',
        prng,
        () => ends++,
      ),
    );
    expect(taken).toEqual(['n1', 'n1', 'n1', 'n1']);
    expect(ends).toBeGreaterThanOrEqual(3);
    expect(
      order.take(
        () => false,
        prng,
        () => undefined,
      ),
    ).toBeUndefined();
    expect(new RoundRobin().take(everybody, prng, () => undefined)).toBeUndefined();
  });

  it('goes on where it was when somebody is removed', () => {
    const { order, prng } = named(4);
    const first = roundOf({ order, prng }, 2);
    order.remove(first[0] as string);
    const rest = roundOf({ order, prng }, 2);
    expect(new Set([...first, ...rest]).size).toBe(4);
  });

  it.each([20, 200])('samples different ones among %i', (count) => {
    const { order, prng } = named(count);
    const sample = order.sample(5, (name) => name !== 'n3', prng);
    expect(new Set(sample).size).toBe(5);
    expect(sample).not.toContain('n3');
    expect(order.sample(5, () => false, prng)).toEqual([]);
  });
});

describe('our own incarnation', () => {
  it('rises above what it must refute, within the reserved block', () => {
    const own = new OwnIncarnation();
    own.start(1, 10);
    expect(own.raise(0)).toBe(true);
    expect(own.current).toBe(2);
    expect(own.raise(7)).toBe(true);
    expect(own.current).toBe(8);
  });

  it('waits for a reservation where the block ends, and never goes down', () => {
    const own = new OwnIncarnation();
    own.start(1, 10);
    expect(own.raise(40)).toBe(false);
    expect([own.current, own.wanted]).toEqual([1, 41]);
    expect(own.raise(20)).toBe(false);
    expect(own.wanted).toBe(41);
    expect(own.reserve(30)).toBe(false);
    expect(own.reserve(50)).toBe(true);
    expect([own.current, own.wanted]).toEqual([41, null]);
  });
});
