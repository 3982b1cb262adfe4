import { describe, expect, it } from 'vitest';
import { benchSimCost, recordBytes, simCostQuick } from '../src/sim/cost.ts';

describe('the cost of the simulator', () => {
  it('tells the bytes of a record from what comes with a member', () => {
    const held = (size: number): number => 2e6 + size * 50_000 + size * (size - 1) * 800;
    expect(recordBytes(200, [held(200), held(400), held(600)])).toBe(800);
  });

  it('runs each pool in a process of its own, to an end where everybody knows everybody', async () => {
    const small = {
      long: { size: 5, virtualSeconds: 10 },
      formed: { size: 8, virtualSeconds: 30 },
      standing: { size: 8, virtualSeconds: 10 },
    };
    const { rows, expectations } = await benchSimCost(
      { ...simCostQuick, ...small, recordSize: 4 },
      () => undefined,
    );
    expect(rows.map(({ unit }) => unit)).toEqual(['s', 'µs', 's', 's', 'GiB', 's', 'GiB', 'bytes']);
    // What so few records take is lost in what a heap varies by.
    expect(rows.slice(0, -1).every(({ ours }) => ours > 0)).toBe(true);
    expect(expectations?.filter(({ held }) => !held)).toEqual([]);
  }, 120_000);
});
