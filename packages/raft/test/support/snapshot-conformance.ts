import { toPromise } from '@cluster/core';
import { expect } from 'vitest';
import { votersOnly } from '../../src/core/configuration.ts';
import type { ByteSource, SnapshotMeta, SnapshotStorage, StoredSnapshot } from '../../src/index.ts';
import { piecesOf } from './ledger.ts';

/** A place for snapshots, the way to open it again on the same medium, and the way to spoil a file in it. */
export interface SnapshotHarness {
  readonly storage: SnapshotStorage;
  readonly reopen: () => SnapshotStorage;
  /** Flips a bit of the newest snapshot, so many bytes from its beginning, or from its end if negative. */
  readonly spoil: (at: number) => Promise<void>;
}

export const metaAt = (index: number): SnapshotMeta => ({
  index,
  term: 3,
  configuration: { ...votersOnly(['a', 'b']), learners: ['c'] },
  sessions: [
    { clientId: 4, lastIndex: 9, owner: 'somebody', results: [{ sequence: 1, result: Uint8Array.of(1, 2) }] },
    { clientId: 5, lastIndex: 5, owner: '', results: [] },
  ],
});

export const imageOf = (length: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + seed) & 255);

export const recover = (storage: SnapshotStorage, group = 0): Promise<StoredSnapshot | null> =>
  toPromise((done) => storage.recover(group, done));

export const save = (
  storage: SnapshotStorage,
  index: number,
  image: Uint8Array,
  group = 0,
): Promise<StoredSnapshot> =>
  toPromise((done) => storage.save(group, metaAt(index), piecesOf(image, 100_000), done));

export async function contentOf(
  storage: SnapshotStorage,
  { id }: StoredSnapshot,
  group = 0,
): Promise<Uint8Array> {
  const source = await toPromise<ByteSource>((done) => storage.open(group, id, done));
  const bytes: number[] = [];
  try {
    for (;;) {
      const piece = await toPromise<Uint8Array | null>((done) => source.next(done));
      if (piece === null) return Uint8Array.from(bytes);
      for (const byte of piece) bytes.push(byte);
    }
  } finally {
    source.close();
  }
}

/** Sends a snapshot from one place to another, in pieces. */
export async function transfer(
  from: SnapshotStorage,
  to: SnapshotStorage,
  { id }: StoredSnapshot,
  change: (piece: Uint8Array, offset: number) => Uint8Array = (piece) => piece,
): Promise<StoredSnapshot> {
  for (let offset = 0; offset < id.bytes; offset += 50_000) {
    const length = Math.min(50_000, id.bytes - offset);
    const piece = await toPromise<Uint8Array>((done) => from.read(0, id, offset, length, done));
    await toPromise<void>((done) => to.receive(0, id, offset, change(piece, offset), done));
  }
  return toPromise((done) => to.accept(0, id, done));
}

/** What every place for snapshots must do, damage included. */
export const snapshotConformance: readonly {
  readonly name: string;
  readonly run: (make: () => SnapshotHarness) => Promise<void>;
}[] = [
  {
    name: 'a new group has none',
    run: async (make) => expect(await recover(make().storage)).toBeNull(),
  },
  {
    name: 'what was saved comes back, byte for byte, with all that is known about it',
    run: async (make) => {
      const { storage, reopen } = make();
      let current = storage;
      await recover(current);
      for (const length of [0, 1, 600_000]) {
        const image = imageOf(length);
        const stored = await save(current, 10 + length, image);
        current = reopen();
        expect(await recover(current)).toEqual(stored);
        expect(stored.meta).toEqual(metaAt(10 + length));
        expect(Buffer.compare(await contentOf(current, stored), image)).toBe(0);
      }
    },
  },
  {
    name: 'the latest one comes back, and others go when asked to',
    run: async (make) => {
      const { storage, reopen } = make();
      await recover(storage);
      const old = await save(storage, 9, imageOf(10));
      const latest = await save(storage, 0x10, imageOf(10, 2));
      expect(await contentOf(storage, old)).toEqual(imageOf(10));
      await toPromise<void>((done) => storage.keepOnly(0, [latest.id], done));
      await expect(contentOf(storage, old)).rejects.toThrow();
      expect(await recover(reopen())).toEqual(latest);
    },
  },
  {
    name: 'groups do not see one another',
    run: async (make) => {
      const { storage, reopen } = make();
      for (const group of [0, 7, 0xffff_ffff]) await recover(storage, group);
      const mine = await save(storage, 5, imageOf(10), 7);
      await toPromise<void>((done) => storage.keepOnly(0, [], done));
      const again = reopen();
      expect([await recover(again, 0), await recover(again, 7)]).toEqual([null, mine]);
    },
  },
  {
    name: 'a group is handed out once',
    run: async (make) => {
      const { storage } = make();
      await recover(storage);
      await expect(recover(storage)).rejects.toMatchObject({ code: 'RAFT_GROUP_IN_USE' });
    },
  },
  {
    name: 'what one sends another takes, and it is the same',
    run: async (make) => {
      const [sender, receiver] = [make(), make()];
      await Promise.all([recover(sender.storage), recover(receiver.storage)]);
      const stored = await save(sender.storage, 12, imageOf(180_000));
      expect(await transfer(sender.storage, receiver.storage, stored)).toEqual(stored);
      const again = receiver.reopen();
      expect(await recover(again)).toEqual(stored);
      expect(Buffer.compare(await contentOf(again, stored), imageOf(180_000))).toBe(0);
    },
  },
  {
    name: 'what was damaged on the way is refused, nothing is left of it, and it can be sent again',
    run: async (make) => {
      const [sender, receiver] = [make(), make()];
      await Promise.all([recover(sender.storage), recover(receiver.storage)]);
      const stored = await save(sender.storage, 12, imageOf(180_000));
      for (const at of [3, 20, 90_000, stored.id.bytes - 3]) {
        const flip = (piece: Uint8Array, offset: number): Uint8Array => {
          const copy = piece.slice();
          if (at >= offset && at < offset + piece.length) copy[at - offset] = (copy[at - offset] ?? 0) ^ 4;
          return copy;
        };
        await expect(transfer(sender.storage, receiver.storage, stored, flip)).rejects.toMatchObject({
          code: 'RAFT_SNAPSHOT_DAMAGED',
        });
      }
      const again = receiver.reopen();
      expect(await recover(again)).toBeNull();
      expect(await transfer(sender.storage, again, stored)).toEqual(stored);
    },
  },
  {
    name: 'an image that fails leaves nothing behind',
    run: async (make) => {
      const { storage, reopen } = make();
      await recover(storage);
      let closed = 0;
      const broken: ByteSource = { next: (done) => done({ ok: true, value: null }), close: () => closed++ };
      await toPromise((done) => storage.save(0, metaAt(3), broken, done));
      const failing: ByteSource = {
        next: (done) =>
          storage.recover(0, (outcome) => done(outcome.ok ? { ok: true, value: null } : outcome)),
        close: () => closed++,
      };
      await expect(toPromise((done) => storage.save(0, metaAt(8), failing, done))).rejects.toThrow();
      expect([closed, (await recover(reopen()))?.meta.index]).toEqual([2, 3]);
    },
  },
  {
    name: 'damage to the end or to what is known about it is told at the start, with the file',
    run: async (make) => {
      for (const at of [3, 13, 30, -2]) {
        const { storage, reopen, spoil } = make();
        await recover(storage);
        await save(storage, 12, imageOf(1000));
        await spoil(at);
        await expect(recover(reopen())).rejects.toMatchObject({
          code: 'RAFT_SNAPSHOT_DAMAGED',
          message: expect.stringContaining('00000000-000000000000000c-0000000000000003.snap'),
        });
      }
    },
  },
  {
    name: 'damage to the image is told in place of its end',
    run: async (make) => {
      const { storage, reopen, spoil } = make();
      await recover(storage);
      const stored = await save(storage, 12, imageOf(1000));
      await spoil(-500);
      const again = reopen();
      expect(await recover(again)).toEqual(stored);
      await expect(contentOf(again, stored)).rejects.toMatchObject({ code: 'RAFT_SNAPSHOT_DAMAGED' });
    },
  },
];
