import { expect } from 'vitest';
import type { LogStorage } from '../../src/index.ts';
import { entry, put, recovered, recoveryError, write } from './wal.ts';

/** A storage and the way to open it again on the same medium, as after a restart. */
export interface StorageHarness {
  readonly storage: LogStorage;
  readonly reopen: () => LogStorage;
}

export interface StorageCase {
  readonly name: string;
  readonly run: (make: () => StorageHarness) => void;
}

const done = { ok: true, value: undefined };
const start = { index: 0, term: 0 };
const nothing = { hardState: { term: 0, vote: null }, base: start, entries: [] };

/** What every implementation of `LogStorage` must do. */
export const storageConformance: readonly StorageCase[] = [
  {
    name: 'a new group has no term, no vote and no entries',
    run: (make) => expect(recovered(make().storage, 3)).toEqual(nothing),
  },
  {
    name: 'term and vote come back',
    run: (make) => {
      const { storage, reopen } = make();
      recovered(storage);
      expect(put(storage, { hardState: { term: 3, vote: 'n-1.example_2' } })).toEqual(done);
      expect(put(storage, { hardState: { term: 4, vote: null } })).toEqual(done);
      expect(recovered(reopen()).hardState).toEqual({ term: 4, vote: null });
    },
  },
  {
    name: 'entries of every kind come back, byte for byte',
    run: (make) => {
      const { storage, reopen } = make();
      recovered(storage);
      const entries = [
        { ...entry(1), kind: 'noop', command: new Uint8Array(0) },
        { ...entry(2), command: Uint8Array.from({ length: 256 }, (_, i) => i) },
        { ...entry(3), session: { clientId: 2 ** 45, sequence: 2 ** 33 } },
        { ...entry(4), kind: 'openSession' },
        { ...entry(5), kind: 'barrier' },
      ] as const;
      expect(put(storage, { entries })).toEqual(done);
      expect(recovered(reopen()).entries).toEqual(entries);
    },
  },
  {
    name: 'what is cut off stays cut off, also when as much is written again',
    run: (make) => {
      const { storage, reopen } = make();
      recovered(storage);
      put(storage, { entries: [entry(1), entry(2), entry(3)] });
      put(storage, { truncateAfter: 1, entries: [entry(2, 2)] });
      const again = reopen();
      expect(recovered(again).entries).toEqual([entry(1), entry(2, 2)]);
      put(again, { truncateAfter: 0 });
      expect(recovered(reopen()).entries).toEqual([]);
    },
  },
  {
    name: 'term, truncation and entries of one write come back together',
    run: (make) => {
      const { storage, reopen } = make();
      recovered(storage);
      put(storage, { entries: [entry(1), entry(2)] });
      put(storage, {
        hardState: { term: 9, vote: 'b' },
        truncateAfter: 1,
        entries: [entry(2, 9), entry(3, 9)],
      });
      expect(recovered(reopen())).toEqual({
        hardState: { term: 9, vote: 'b' },
        base: start,
        entries: [entry(1), entry(2, 9), entry(3, 9)],
      });
    },
  },
  {
    name: 'groups do not see one another',
    run: (make) => {
      const { storage, reopen } = make();
      for (const group of [0, 1, 0xffff_ffff]) recovered(storage, group);
      put(storage, { entries: [entry(1)] }, 0);
      put(storage, { hardState: { term: 2, vote: 'x' }, entries: [entry(1, 2)] }, 0xffff_ffff);
      const again = reopen();
      expect(recovered(again, 0).entries).toEqual([entry(1)]);
      expect(recovered(again, 1)).toEqual(nothing);
      expect(recovered(again, 0xffff_ffff)).toEqual({
        hardState: { term: 2, vote: 'x' },
        base: start,
        entries: [entry(1, 2)],
      });
    },
  },
  {
    name: 'what a snapshot covers is gone, and what follows it comes back',
    run: (make) => {
      const { storage, reopen } = make();
      recovered(storage);
      put(storage, { entries: [1, 2, 3, 4, 5].map((index) => entry(index)) });
      expect(put(storage, { base: { index: 3, term: 1 } })).toEqual(done);
      const again = reopen();
      expect(recovered(again)).toMatchObject({ base: { index: 3, term: 1 }, entries: [entry(4), entry(5)] });
      put(again, { truncateAfter: 4, entries: [entry(5, 2)] });
      put(again, { base: { index: 4, term: 1 } });
      expect(recovered(reopen())).toMatchObject({ base: { index: 4, term: 1 }, entries: [entry(5, 2)] });
    },
  },
  {
    name: 'a log that does not go through what a snapshot covers is gone as a whole',
    run: (make) => {
      const { storage, reopen } = make();
      recovered(storage);
      put(storage, { entries: [entry(1), entry(2), entry(3), entry(4)] });
      put(storage, { base: { index: 3, term: 2 } });
      const again = reopen();
      expect(recovered(again)).toMatchObject({ base: { index: 3, term: 2 }, entries: [] });
      put(again, { base: { index: 9, term: 4 } });
      put(again, { entries: [entry(10, 4)] });
      expect(recovered(reopen())).toMatchObject({ base: { index: 9, term: 4 }, entries: [entry(10, 4)] });
    },
  },
  {
    name: 'a log that goes on and on, and is covered again and again, stays what it is',
    run: (make) => {
      const { storage, reopen } = make();
      let current = storage;
      recovered(current);
      recovered(current, 7);
      put(current, { hardState: { term: 1, vote: 'b' } }, 7);
      const command = 'x'.repeat(300);
      for (let index = 1; index <= 200; index++) {
        put(current, { entries: [entry(index, 1, command)] });
        if (index % 10 === 0) put(current, { base: { index: index - 5, term: 1 } });
        if (index % 45 !== 0) continue;
        current = reopen();
        const { base, entries } = recovered(current);
        expect([base.index, entries[0]?.index, entries.at(-1)?.index]).toEqual([
          index - (index % 10) - 5,
          index - (index % 10) - 4,
          index,
        ]);
        expect(recovered(current, 7).hardState).toEqual({ term: 1, vote: 'b' });
      }
    },
  },
  {
    name: 'writes are done in the order they were made',
    run: (make) => {
      const { storage } = make();
      recovered(storage);
      const order: number[] = [];
      for (let i = 1; i <= 20; i++)
        storage.write(0, write({ entries: [entry(i)] }), () => void order.push(i));
      expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    },
  },
  {
    name: 'a group is handed out once',
    run: (make) => {
      const { storage } = make();
      recovered(storage);
      expect(recoveryError(storage).code).toBe('RAFT_GROUP_IN_USE');
    },
  },
];
