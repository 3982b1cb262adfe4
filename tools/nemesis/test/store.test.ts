import type { AppliedEntry } from '@cluster/raft';
import { describe, expect, it } from 'vitest';
import { decode, encode, type Write, type WriteResult } from '../src/kv/commands.ts';
import { KeyValueStore } from '../src/kv/state-machine.ts';

const noMembers = { voters: [], outgoing: [], learners: [], learnersNext: [], staging: [], autoLeave: false };

function apply(store: KeyValueStore, ...writes: Write[]): WriteResult[] {
  const entries = writes.map((write, i): AppliedEntry => ({
    index: i + 1,
    term: 1,
    command: encode(write),
    session: null,
  }));
  let results: WriteResult[] = [];
  store.apply({ entries, sessions: [], lastIndex: entries.length }, (outcome) => {
    if (outcome.ok) results = outcome.value.map((bytes) => decode<WriteResult>(bytes));
  });
  return results;
}

describe('the replicated store', () => {
  it('puts, appends, swaps and deletes', () => {
    const store = new KeyValueStore();
    const results = apply(
      store,
      { op: 'append', key: 'k', value: 'a' },
      { op: 'append', key: 'k', value: 'b' },
      { op: 'cas', key: 'k', expect: 'ab', value: 'c' },
      { op: 'cas', key: 'k', expect: 'ab', value: 'd' },
    );
    expect(results).toEqual([{ done: true }, { done: true }, { done: true }, { done: false }]);
    expect(store.read('k')).toBe('c');
    apply(store, { op: 'del', key: 'k' });
    expect(store.read('k')).toBeNull();
    apply(store, { op: 'cas', key: 'k', expect: null, value: 'e' }, { op: 'put', key: 'l', value: 'f' });
    expect([store.read('k'), store.read('l')]).toEqual(['e', 'f']);
  });

  it('counts, apart from its keys', () => {
    const store = new KeyValueStore();
    const count: Write = { op: 'count', key: 'k' };
    expect(apply(store, count, count)).toEqual([
      { done: true, count: 1 },
      { done: true, count: 2 },
    ]);
    expect([store.read('k'), store.count('k')]).toEqual([null, 2]);
  });

  it('begins empty, whatever the log holds', () => {
    new KeyValueStore().restore((outcome) => {
      expect(outcome).toEqual({ ok: true, value: { appliedIndex: 0, sessions: [] } });
    });
  });

  it('has one digest for one content, and another for another', () => {
    const [a, b] = [new KeyValueStore(), new KeyValueStore()];
    apply(a, { op: 'put', key: 'k', value: '1' }, { op: 'put', key: 'l', value: '2' });
    apply(b, { op: 'put', key: 'l', value: '2' }, { op: 'append', key: 'k', value: '1' });
    expect(a.digest()).toBe(b.digest());
    apply(b, { op: 'count', key: 'k' });
    expect(a.digest()).not.toBe(b.digest());
  });

  it('gives an image that later writes do not change, and takes one over whole', () => {
    const [store, other] = [new KeyValueStore(), new KeyValueStore()];
    apply(store, { op: 'put', key: 'k', value: 'x'.repeat(100_000) }, { op: 'count', key: 'c' });
    const before = store.digest();
    apply(other, { op: 'put', key: 'old', value: 'gone' });
    store.images.take((image) => {
      if (!image.ok) throw image.error;
      apply(store, { op: 'put', key: 'later', value: 'y' });
      const meta = { index: 2, term: 1, configuration: noMembers, sessions: [] };
      other.images.install(meta, image.value, (outcome) => expect(outcome.ok).toBe(true));
    });
    expect(other.digest()).toBe(before);
  });
});
