import { describe, expect, it } from 'vitest';
import { Prng } from '@cluster/core';

/** sfc32 as its author wrote it, in exact integers: the measure for the one in use. */
function* reference(a: bigint, b: bigint, c: bigint, counter: bigint): Generator<number> {
  const mask = 0xffff_ffffn;
  for (;;) {
    const result = (a + b + counter) & mask;
    counter = (counter + 1n) & mask;
    a = b ^ (b >> 9n);
    b = (c + (c << 3n)) & mask;
    c = ((((c << 21n) | (c >> 11n)) & mask) + result) & mask;
    yield Number(result);
  }
}

describe('the seeded generator', () => {
  it('draws what sfc32 draws', () => {
    const prng = Prng.fromState([1, -2, 3, 4]);
    const expected = reference(1n, 0xffff_fffen, 3n, 4n);
    for (let i = 0; i < 1000; i++) expect(prng.u32()).toBe(expected.next().value);
  });

  it('draws the same again from the same seed and label, and something else from others', () => {
    const draw = (seed: number, label?: string): number[] => {
      const prng = Prng.fromSeed(seed, label);
      return Array.from({ length: 4 }, () => prng.u32());
    };
    expect(draw(7, 'n1')).toEqual(draw(7, 'n1'));
    const all = [draw(7), draw(7, 'n1'), draw(7, 'n2'), draw(8), draw(-7), draw(2 ** 40 + 7)].map(String);
    expect(new Set(all).size).toBe(all.length);
  });

  it('goes on from its state', () => {
    const prng = Prng.fromSeed(1);
    prng.u32();
    const copy = Prng.fromState(prng.state);
    const restored = Prng.fromSeed(99);
    restored.restore(prng.state);
    const next = prng.u32();
    expect([copy.u32(), restored.u32()]).toEqual([next, next]);
  });

  it('is uniform: chi-square over 100 cells within 4 sigma, for seeds side by side', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const prng = Prng.fromSeed(seed);
      const cells = Array.from({ length: 100 }, () => 0);
      for (let i = 0; i < 20_000; i++) cells[prng.below(100)]!++;
      const chiSquare = cells.reduce((sum, n) => sum + (n - 200) ** 2 / 200, 0);
      // 99 degrees of freedom: mean 99, standard deviation sqrt(198).
      expect(Math.abs(chiSquare - 99)).toBeLessThan(4 * Math.sqrt(198));
    }
  });

  it('keeps to the bounds it is given and reaches both', () => {
    const prng = Prng.fromSeed(3);
    const drawn = new Set(Array.from({ length: 500 }, () => prng.between(5, 9)));
    expect([...drawn].toSorted((a, b) => a - b)).toEqual([5, 6, 7, 8, 9]);
    expect(prng.pick([])).toBeUndefined();
    expect([prng.chance(0), prng.chance(1)]).toEqual([false, true]);
  });

  it('has the mean it is asked for, exponentially', () => {
    const prng = Prng.fromSeed(4);
    const drawn = Array.from({ length: 20_000 }, () => prng.exponential(30));
    const mean = drawn.reduce((sum, x) => sum + x, 0) / drawn.length;
    // Standard error 30 / sqrt(20,000) = 0.21.
    expect(Math.abs(mean - 30)).toBeLessThan(1);
    expect(drawn.filter((x) => x > 30).length / drawn.length).toBeCloseTo(Math.exp(-1), 1);
  });

  it('shuffles into every order equally often', () => {
    const prng = Prng.fromSeed(5);
    const often = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const order = prng.shuffle(['a', 'b', 'c']).join('');
      often.set(order, (often.get(order) ?? 0) + 1);
    }
    expect(often.size).toBe(6);
    // 1,000 each, standard deviation 29.
    for (const times of often.values()) expect(Math.abs(times - 1000)).toBeLessThan(150);
  });

  it('forks generators that differ from it and from one another', () => {
    const prng = Prng.fromSeed(6);
    const [a, b] = [prng.fork('x'), prng.fork('x')];
    expect(new Set([prng.u32(), a.u32(), b.u32()]).size).toBe(3);
  });
});
