import { type Disk, type DiskFile, runTask, toPromise } from '@cluster/core';
import { expect } from 'vitest';
import { cutWal, type LogStorage, type LogWrite, type RecoveredLog } from '../../src/index.ts';
import { entry, write } from './wal.ts';

/** A storage and the way to open it again on the same medium, as after a restart. */
export interface StorageHarness {
  readonly storage: LogStorage;
  readonly reopen: () => Promise<LogStorage>;
}

/** One whose log is in the folder `wal` of a disk. */
export interface DiskHarness extends StorageHarness {
  /** As it is now, for whoever damages what is on it. */
  readonly disk: () => Disk;
}

export interface StorageCase<Harness extends StorageHarness> {
  readonly name: string;
  readonly run: (harness: Harness) => Promise<void>;
}

const start = { index: 0, term: 0 };
const nothing = { hardState: { term: 0, vote: null }, base: start, entries: [] };

const recovered = (storage: LogStorage, groupId = 0): Promise<RecoveredLog> =>
  toPromise((done) => storage.recover(groupId, done));

const put = (storage: LogStorage, more: Partial<LogWrite>, groupId = 0): Promise<void> =>
  toPromise((done) => storage.write(groupId, write(more), done));

/** What every implementation of `LogStorage` must do. */
export const storageConformance: readonly StorageCase<StorageHarness>[] = [
  {
    name: 'a new group has no term, no vote and no entries',
    run: async ({ storage }) => expect(await recovered(storage, 3)).toEqual(nothing),
  },
  {
    name: 'term and vote come back',
    run: async ({ storage, reopen }) => {
      await recovered(storage);
      await put(storage, { hardState: { term: 3, vote: 'n-1.example_2' } });
      await put(storage, { hardState: { term: 4, vote: null } });
      expect((await recovered(await reopen())).hardState).toEqual({ term: 4, vote: null });
    },
  },
  {
    name: 'entries of every kind come back, byte for byte',
    run: async ({ storage, reopen }) => {
      await recovered(storage);
      const entries = [
        { ...entry(1), kind: 'noop', command: new Uint8Array(0) },
        { ...entry(2), command: Uint8Array.from({ length: 256 }, (_, i) => i) },
        { ...entry(3), session: { clientId: 2 ** 45, sequence: 2 ** 33 } },
        { ...entry(4), kind: 'openSession' },
        { ...entry(5), kind: 'barrier' },
      ] as const;
      await put(storage, { entries });
      expect((await recovered(await reopen())).entries).toEqual(entries);
    },
  },
  {
    name: 'what is cut off stays cut off, also when as much is written again',
    run: async ({ storage, reopen }) => {
      await recovered(storage);
      await put(storage, { entries: [entry(1), entry(2), entry(3)] });
      await put(storage, { truncateAfter: 1, entries: [entry(2, 2)] });
      const again = await reopen();
      expect((await recovered(again)).entries).toEqual([entry(1), entry(2, 2)]);
      await put(again, { truncateAfter: 0 });
      expect((await recovered(await reopen())).entries).toEqual([]);
    },
  },
  {
    name: 'term, truncation and entries of one write come back together',
    run: async ({ storage, reopen }) => {
      await recovered(storage);
      await put(storage, { entries: [entry(1), entry(2)] });
      await put(storage, {
        hardState: { term: 9, vote: 'b' },
        truncateAfter: 1,
        entries: [entry(2, 9), entry(3, 9)],
      });
      expect(await recovered(await reopen())).toEqual({
        hardState: { term: 9, vote: 'b' },
        base: start,
        entries: [entry(1), entry(2, 9), entry(3, 9)],
      });
    },
  },
  {
    name: 'groups do not see one another',
    run: async ({ storage, reopen }) => {
      for (const group of [0, 1, 0xffff_ffff]) await recovered(storage, group);
      await put(storage, { entries: [entry(1)] }, 0);
      await put(storage, { hardState: { term: 2, vote: 'x' }, entries: [entry(1, 2)] }, 0xffff_ffff);
      const again = await reopen();
      expect((await recovered(again, 0)).entries).toEqual([entry(1)]);
      expect(await recovered(again, 1)).toEqual(nothing);
      expect(await recovered(again, 0xffff_ffff)).toEqual({
        hardState: { term: 2, vote: 'x' },
        base: start,
        entries: [entry(1, 2)],
      });
    },
  },
  {
    name: 'what a snapshot covers is gone, and what follows it comes back',
    run: async ({ storage, reopen }) => {
      await recovered(storage);
      await put(storage, { entries: [1, 2, 3, 4, 5].map((index) => entry(index)) });
      await put(storage, { base: { index: 3, term: 1 } });
      const again = await reopen();
      expect(await recovered(again)).toMatchObject({
        base: { index: 3, term: 1 },
        entries: [entry(4), entry(5)],
      });
      await put(again, { truncateAfter: 4, entries: [entry(5, 2)] });
      await put(again, { base: { index: 4, term: 1 } });
      expect(await recovered(await reopen())).toMatchObject({
        base: { index: 4, term: 1 },
        entries: [entry(5, 2)],
      });
    },
  },
  {
    name: 'a log that does not go through what a snapshot covers is gone as a whole',
    run: async ({ storage, reopen }) => {
      await recovered(storage);
      await put(storage, { entries: [entry(1), entry(2), entry(3), entry(4)] });
      await put(storage, { base: { index: 3, term: 2 } });
      const again = await reopen();
      expect(await recovered(again)).toMatchObject({ base: { index: 3, term: 2 }, entries: [] });
      await put(again, { base: { index: 9, term: 4 } });
      await put(again, { entries: [entry(10, 4)] });
      expect(await recovered(await reopen())).toMatchObject({
        base: { index: 9, term: 4 },
        entries: [entry(10, 4)],
      });
    },
  },
  {
    name: 'a log that goes on and on, and is covered again and again, stays what it is',
    run: async ({ storage, reopen }) => {
      let current = storage;
      await recovered(current);
      await recovered(current, 7);
      await put(current, { hardState: { term: 1, vote: 'b' } }, 7);
      const command = 'x'.repeat(300);
      for (let index = 1; index <= 200; index++) {
        await put(current, { entries: [entry(index, 1, command)] });
        if (index % 10 === 0) await put(current, { base: { index: index - 5, term: 1 } });
        if (index % 45 !== 0) continue;
        current = await reopen();
        const { base, entries } = await recovered(current);
        expect([base.index, entries[0]?.index, entries.at(-1)?.index]).toEqual([
          index - (index % 10) - 5,
          index - (index % 10) - 4,
          index,
        ]);
        expect((await recovered(current, 7)).hardState).toEqual({ term: 1, vote: 'b' });
      }
    },
  },
  {
    name: 'writes are done in the order they were made',
    run: async ({ storage }) => {
      await recovered(storage);
      const order: number[] = [];
      const writes = Array.from({ length: 20 }, (_, i) =>
        put(storage, { entries: [entry(i + 1)] }).then(() => order.push(i)),
      );
      await Promise.all(writes);
      expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i));
    },
  },
  {
    name: 'a group is handed out once',
    run: async ({ storage }) => {
      await recovered(storage);
      await expect(recovered(storage)).rejects.toMatchObject({ code: 'RAFT_GROUP_IN_USE' });
    },
  },
];

/** A file of the log, to be damaged. */
interface Segment {
  readonly path: string;
  readonly file: DiskFile;
  /** Where the last frame ends, about: what follows are zeros. */
  readonly end: number;
}

async function segmentsOf(disk: Disk): Promise<Segment[]> {
  const names = await toPromise<readonly string[]>((done) => disk.list('wal', done));
  const segments: Segment[] = [];
  for (const name of names.filter((one) => /^\d+\.wal$/.test(one))) {
    const path = `wal/${name}`;
    const file = await toPromise<DiskFile>((done) => disk.open(path, { create: false }, done));
    const size = await toPromise<number>((done) => file.size(done));
    const bytes = await toPromise<Uint8Array>((done) => file.read(0, size, done));
    segments.push({ path, file, end: bytes.findLastIndex((byte) => byte !== 0) + 1 });
  }
  return segments;
}

async function overwrite({ file }: Segment, at: number, bytes: Uint8Array): Promise<void> {
  await toPromise<void>((done) => file.write(at, bytes, done));
  await toPromise<void>((done) => file.sync(done));
}

async function flip(segment: Segment, at: number): Promise<void> {
  const [byte = 0] = await toPromise<Uint8Array>((done) => segment.file.read(at, 1, done));
  await overwrite(segment, at, Uint8Array.of(byte ^ 1));
}

/** A log of so many entries, each a write of its own, that nobody has open. */
async function filled({ storage, reopen, disk }: DiskHarness, entries: number): Promise<Segment[]> {
  await recovered(storage);
  await put(storage, { hardState: { term: 1, vote: 'b' } });
  for (let index = 1; index <= entries; index++)
    await put(storage, { entries: [entry(index, 1, 'x'.repeat(300))] });
  // What is open now has read nothing yet.
  await reopen();
  return segmentsOf(disk());
}

const indexesOf = ({ entries }: RecoveredLog): number[] => entries.map(({ index }) => index);

/** What every `LogStorage` on a disk must do about what happens to its files. */
export const damageConformance: readonly StorageCase<DiskHarness>[] = [
  {
    name: 'damage in the middle refuses to serve, and says which file and offset',
    run: async (harness) => {
      const [segment] = await filled(harness, 5);
      if (segment === undefined) throw new Error('there is no log');
      const at = Math.floor(segment.end / 2);
      await flip(segment, at);
      const opening = recovered(await harness.reopen());
      await expect(opening).rejects.toMatchObject({ code: 'RAFT_LOG_DAMAGED', retry: 'useless' });
      const { message } = (await opening.catch((error: unknown) => error)) as Error;
      const [, path, offset] = /in (\S+) at offset (\d+)/.exec(message) ?? [];
      expect(path).toMatch(new RegExp(`${segment.path}$`));
      // Of the frame that holds the byte.
      expect(Number(offset)).toBeGreaterThan(at - 400);
      expect(Number(offset)).toBeLessThanOrEqual(at);
    },
  },
  {
    name: 'what was before damage is there again once that was cut off',
    run: async (harness) => {
      const [segment] = await filled(harness, 5);
      if (segment === undefined) throw new Error('there is no log');
      await flip(segment, Math.floor(segment.end / 2));
      await toPromise((done) => runTask(cutWal(harness.disk(), 'wal'), done));
      const again = await harness.reopen();
      const log = await recovered(again);
      expect(log.hardState).toEqual({ term: 1, vote: 'b' });
      expect([[1], [1, 2], [1, 2, 3]]).toContainEqual(indexesOf(log));
      const next = log.entries.length + 1;
      await put(again, { entries: [entry(next, 2)] });
      expect((await recovered(await harness.reopen())).entries.at(-1)).toEqual(entry(next, 2));
    },
  },
  {
    name: 'a torn end is dropped, and what comes after takes its place',
    run: async (harness) => {
      const [segment] = await filled(harness, 5);
      if (segment === undefined) throw new Error('there is no log');
      await overwrite(segment, segment.end - 150, new Uint8Array(150));
      const again = await harness.reopen();
      expect(indexesOf(await recovered(again))).toEqual([1, 2, 3, 4]);
      await put(again, { entries: [entry(5, 2)] });
      expect((await recovered(await harness.reopen())).entries.at(-1)).toEqual(entry(5, 2));
    },
  },
  {
    name: 'a segment that is missing refuses to serve, and the one behind it is named',
    run: async (harness) => {
      const [, second, third] = await filled(harness, 30);
      if (second === undefined || third === undefined) throw new Error('it has too few segments');
      await toPromise<void>((done) => harness.disk().remove(second.path, done));
      await toPromise<void>((done) => harness.disk().syncDirectory('wal', done));
      await expect(recovered(await harness.reopen())).rejects.toMatchObject({
        code: 'RAFT_LOG_DAMAGED',
        message: expect.stringMatching(
          new RegExp(`${third.path} at offset 0: the segment before it is missing`),
        ),
      });
    },
  },
];
