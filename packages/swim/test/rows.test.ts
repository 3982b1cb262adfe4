/** The columns of the member tables, and the index that finds a row by its name. */
import { Prng } from '@cluster/core';
import { describe, expect, it } from 'vitest';
import { Rows } from '../src/core/rows.ts';

describe('rows', () => {
  it('are found by name as a Map finds them, through arrivals and removals, in the order they came', () => {
    const prng = Prng.fromSeed(3);
    const values: number[] = [];
    const rows = new Rows(prng.u32(), [values]);
    const model = new Map<string, number>();
    for (let i = 0; i < 3000; i++) {
      const name = `member-${prng.below(350)}`;
      if (rows.find(name) === -1) {
        rows.add(name);
        values.push(i);
        rows.codes.set(name, i % 5);
        model.set(name, i);
      } else if (prng.chance(0.4)) {
        rows.remove(name);
        model.delete(name);
      }
      const asked = `member-${prng.below(350)}`;
      expect(values[rows.find(asked)]).toBe(model.get(asked));
      expect(rows.codes.get(asked)).toBe(model.has(asked) ? (model.get(asked) as number) % 5 : undefined);
    }
    expect(model.size).toBeGreaterThan(100);
    expect(rows.names).toEqual([...model.keys()]);
    expect(values).toEqual([...model.values()]);
    expect([...rows.codes.entries()]).toEqual([...model].map(([name, i]) => [name, i % 5]));
  });

  it('keep their place when a machine ends, and lose all with clear', () => {
    const rows = new Rows(1, []);
    for (const name of ['a', 'b']) {
      rows.add(name);
      rows.codes.set(name, 1);
    }
    rows.codes.delete('a');
    rows.codes.delete('nobody');
    expect([...rows.codes.entries()]).toEqual([['b', 1]]);
    rows.codes.clear();
    expect([rows.codes.get('b'), rows.find('b'), rows.size]).toEqual([undefined, 1, 2]);
    rows.clear();
    expect([rows.find('a'), rows.find('b'), rows.size]).toEqual([-1, -1, 0]);
  });
});
