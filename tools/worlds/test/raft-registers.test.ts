import { checkHistory, type Operation } from '@cluster/nemesis/history';
import { World } from '@cluster/sim';
import { describe, expect, test } from 'vitest';
import { unwritten } from '../src/raft/commands.ts';
import { RegisterHistory } from '../src/raft/register-history.ts';
import { brokenBy } from './broken-by.ts';

const put = { key: 0, expect: null };
const swap = (expect: number) => ({ key: 0, expect });

/** A history in which time passes by hand. */
function stage() {
  const world = new World({ seed: 1 });
  const history = new RegisterHistory(world, '');
  const [one, two] = [history.newClient(), history.newClient()];
  const pass = (): void => world.runFor(1);
  /** From call to return. */
  const writes = (operation: number, write: Parameters<RegisterHistory['writes']>[2], wrote = true): void => {
    const call = history.writes(one, operation, write);
    pass();
    history.wrote(call, wrote);
    pass();
  };
  const sees = (value: number, key = 0): void => {
    const calledMs = world.nowMs;
    pass();
    history.saw(two, key, value, calledMs);
    pass();
  };
  const verdict = (): string | null => brokenBy(world, () => history.check());
  return { history, one, pass, writes, sees, verdict };
}

describe('the history of the registers', () => {
  test('is explained by an order of what clients did, each register by itself', () => {
    const { writes, sees, verdict } = stage();
    sees(unwritten);
    writes(1, put);
    sees(1);
    writes(2, { key: 1, expect: null });
    sees(2, 1);
    writes(3, swap(1));
    writes(4, swap(1), false);
    sees(3);
    expect(verdict()).toBeNull();
  });

  test('is broken by a read that misses a write, or sees one that was written over', () => {
    for (const stale of [unwritten, 1]) {
      const { writes, sees, verdict } = stage();
      writes(1, put);
      writes(2, put);
      sees(stale);
      expect(verdict()).toBe('linearizable');
    }
  });

  test('is broken by two swaps of one value, and by one that fails where the value was', () => {
    const twice = stage();
    twice.writes(1, put);
    twice.writes(2, swap(1));
    twice.writes(3, swap(1));
    expect(twice.verdict()).toBe('linearizable');
    const never = stage();
    never.writes(1, put);
    never.writes(2, swap(1), false);
    expect(never.verdict()).toBe('linearizable');
  });

  test('lets a write that was given up happen late or never, and one that was refused not at all', () => {
    const late = stage();
    late.history.writes(late.one, 1, put);
    late.writes(2, put);
    late.sees(2);
    expect(late.verdict()).toBeNull();
    late.sees(1);
    expect(late.verdict()).toBeNull();
    const refused = stage();
    refused.history.wroteNothing(refused.history.writes(refused.one, 1, put));
    refused.writes(2, put);
    expect(refused.verdict()).toBeNull();
    refused.sees(1);
    expect(refused.verdict()).toBe('linearizable');
  });

  test('is broken by the edit of any answer in it', () => {
    const { history, writes, sees } = stage();
    for (let operation = 1; operation < 20; operation += 2) {
      writes(operation, put);
      sees(operation);
      writes(operation + 1, swap(operation));
      sees(operation + 1);
    }
    const { operations } = history;
    expect(checkHistory(operations).verdict).toBe('linearizable');
    for (const [at, operation] of operations.entries()) {
      const edited: Operation =
        operation.op === 'get' ? { ...operation, value: '#1000' } : { ...operation, status: 'fail' };
      expect(checkHistory(operations.with(at, edited)).verdict).toBe('violation');
    }
  });
});
