import { expect, it } from 'vitest';
import { KeyValues, putCommand } from '../src/raft/key-value.ts';

it('what was put last under a key is what is read', () => {
  const values = new KeyValues();
  const results: number[] = [];
  const command = (key: string, ...bytes: number[]) => putCommand(key, Uint8Array.of(...bytes));
  const entries = [command('a', 1), command('b', 2, 2), command('a', 3)].map((bytes, i) => ({
    index: i + 1,
    term: 1,
    command: bytes,
    session: null,
  }));
  values.apply({ entries, sessions: [], lastIndex: 3 }, (outcome) => {
    if (outcome.ok) results.push(outcome.value.length);
  });
  expect(results).toEqual([3]);
  expect([[...values.get('a')], [...values.get('b')], [...values.get('c')]]).toEqual([[3], [2, 2], []]);
});
