import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Disk, type DiskFile, memoryDisk, Prng, toPromise } from '@cluster/core';
import { fileDisk } from '@cluster/core/node';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { type FlushPurpose, SnapshotFiles, type SnapshotId, type StoredSnapshot } from '../src/index.ts';
import { piecesOf } from './support/ledger.ts';
import { SimulatedMachine } from './support/simulated-machine.ts';
import {
  imageOf,
  metaAt,
  snapshotConformance,
  type SnapshotHarness,
} from './support/snapshot-conformance.ts';
import { TornDisk } from './support/torn-disk.ts';

const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true })));
const machines: SimulatedMachine[] = [];
afterEach(() => {
  for (const machine of machines.splice(0)) machine.switchOff();
});

async function spoil(disk: Disk, at: number): Promise<void> {
  const names = await toPromise<readonly string[]>((done) => disk.list('snapshots', done));
  const path = `snapshots/${names.findLast((name) => name.endsWith('.snap')) ?? ''}`;
  const file = await toPromise<DiskFile>((done) => disk.open(path, { create: false }, done));
  const size = await toPromise<number>((done) => file.size(done));
  const offset = at < 0 ? size + at : at;
  const [byte = 0] = await toPromise<Uint8Array>((done) => file.read(offset, 1, done));
  await toPromise<void>((done) => file.write(offset, Uint8Array.of(byte ^ 8), done));
  await toPromise<void>((done) => file.sync(done));
  await toPromise<void>((done) => file.close(done));
}

const on = (disk: Disk): SnapshotHarness => ({
  storage: new SnapshotFiles({ disk }),
  reopen: () => new SnapshotFiles({ disk }),
  spoil: (at) => spoil(disk, at),
});

const implementations: Readonly<Record<string, () => SnapshotHarness>> = {
  'a disk in memory': () => on(memoryDisk()),
  'a disk whose machine loses its power': () => {
    const disk = new TornDisk();
    let port = disk.port();
    const power = (): SnapshotFiles => {
      disk.power(Prng.fromSeed(1, 'power'));
      port = disk.port();
      return new SnapshotFiles({ disk: port });
    };
    return { storage: new SnapshotFiles({ disk: port }), reopen: power, spoil: (at) => spoil(port, at) };
  },
  'a simulated machine that loses its power': () => {
    const machine = new SimulatedMachine();
    machines.push(machine);
    const power = (): SnapshotFiles => {
      machine.losePower();
      return new SnapshotFiles({ disk: machine.disk });
    };
    return {
      storage: new SnapshotFiles({ disk: machine.disk }),
      reopen: power,
      spoil: (at) => spoil(machine.disk, at),
    };
  },
  'a real disk': () => {
    const folder = mkdtempSync(join(tmpdir(), 'cluster-raft-'));
    folders.push(folder);
    return on(fileDisk(folder));
  },
};

for (const [name, make] of Object.entries(implementations)) {
  describe(`SnapshotStorage: ${name}`, () => {
    // oxlint-disable-next-line vitest/expect-expect -- the case expects
    for (const { name: claim, run } of snapshotConformance) it(`keeps its word: ${claim}`, () => run(make));
  });
}

/** One that crashes at any step of saving and receiving; what comes back is whole, and not older than what was reported done. */
function life(seed: number, skip: FlushPurpose | null): string | null {
  const prng = Prng.fromSeed(seed, 'snapshots');
  const disk = new TornDisk();
  let known = 0;
  for (let incarnation = 0, next = 1; incarnation < 6; incarnation++) {
    const limit = prng.chance(0.7) ? prng.between(1, 40) : Infinity;
    const open = (): SnapshotFiles =>
      new SnapshotFiles({
        disk: disk.port(),
        onFlush: (purpose) => void (disk.skipNextSync ||= purpose === skip),
      });
    let found: StoredSnapshot | null | undefined;
    let problem: string | null = null;
    const files = open();
    files.recover(0, (outcome) => {
      if (outcome.ok) found = outcome.value;
      else problem = outcome.error.message;
    });
    if (problem !== null) return problem;
    if ((found?.meta.index ?? 0) < known)
      return `index ${known} was there, and ${found?.meta.index ?? 0} came back`;
    if (found) {
      files.open(0, found.id, (source) => {
        if (!source.ok) return void (problem = source.error.message);
        const drain = (): void =>
          source.value.next((piece) => {
            if (!piece.ok) problem = piece.error.message;
            else if (piece.value !== null) drain();
          });
        drain();
      });
      if (problem !== null) return problem;
      known = found.meta.index;
    }
    disk.left = limit;
    for (let count = prng.between(1, 3); count > 0; count--, next++) {
      const image = piecesOf(imageOf(prng.between(0, 3000), next), 700);
      files.save(0, metaAt(next), image, (outcome) => {
        if (outcome.ok) known = next;
        if (outcome.ok && prng.chance(0.5)) files.keepOnly(0, [outcome.value.id], () => undefined);
      });
    }
    disk.power(prng);
    disk.skipNextSync = false;
  }
  return null;
}

describe('a snapshot’s file', () => {
  it('is there whole or not at all, over 100 lives of crashes at any step', () => {
    for (let seed = 1; seed <= 100; seed++) expect([seed, life(seed, null)]).toEqual([seed, null]);
  });

  for (const purpose of ['snapshotData', 'snapshotName'] as const) {
    it(`is lost or damaged when the flush for ${purpose} is left out`, () => {
      let seed = 1;
      while (seed < 100 && life(seed, purpose) === null) seed++;
      expect(seed).toBeLessThan(100);
    });
  }

  it('is written, synced, named, and its name synced, in this order', () => {
    const disk = new TornDisk();
    const files = new SnapshotFiles({ disk: disk.port() });
    files.recover(0, () => undefined);
    const before = disk.operations.length;
    files.save(0, metaAt(12), piecesOf(imageOf(10), 5), () => undefined);
    const part = 'snapshots/00000000.part';
    expect(disk.operations.slice(before)).toEqual([
      `open ${part}`,
      `truncate ${part}`,
      ...Array.from({ length: 4 }, () => `write ${part}`),
      `sync ${part}`,
      `close ${part}`,
      `rename ${part} snapshots/00000000-000000000000000c-0000000000000003.snap`,
      'syncDirectory snapshots',
    ]);
  });

  it('is not taken for an old one when it gets its name while old ones are being removed', async () => {
    const disk = memoryDisk();
    let look: () => void = () => undefined;
    const slow: Disk = { ...disk, list: (path, done) => void (look = () => disk.list(path, done)) };
    const files = new SnapshotFiles({ disk: slow });
    const saved: StoredSnapshot[] = [];
    const saveNow = (index: number): void =>
      files.save(0, metaAt(index), piecesOf(imageOf(10), 5), (outcome) => {
        if (outcome.ok) saved.push(outcome.value);
      });
    files.recover(0, () => undefined);
    look();
    for (const index of [3, 5]) saveNow(index);
    files.keepOnly(0, [saved[1]?.id as SnapshotId], () => undefined);
    saveNow(9);
    look();
    const names = await toPromise<readonly string[]>((done) => disk.list('snapshots', done));
    expect(names.map((name) => Number.parseInt(name.slice(9, 25), 16))).toEqual([5, 9]);
  });

  it('is damaged when it states a length that it has not, and nobody makes room for that', async () => {
    const disk = memoryDisk();
    let longest = 0;
    const watched: Disk = {
      ...disk,
      open: (path, options, done) =>
        disk.open(path, options, (opened) => {
          if (opened.ok) {
            const file = opened.value;
            const read = file.read.bind(file);
            file.read = (offset, length, tell) => {
              longest = Math.max(longest, length);
              read(offset, length, tell);
            };
          }
          done(opened);
        }),
    };
    const files = new SnapshotFiles({ disk: watched });
    await toPromise((done) => files.recover(0, done));
    const { id } = await toPromise<StoredSnapshot>((done) =>
      files.save(0, metaAt(12), piecesOf(imageOf(10), 5), done),
    );
    const bytes = (await toPromise<Uint8Array>((done) => files.read(0, id, 0, id.bytes, done))).slice();
    new DataView(bytes.buffer).setUint32(12, 1024 * 1024 * 1024, true);
    await toPromise<void>((done) => files.receive(0, id, 0, bytes, done));
    longest = 0;
    await expect(toPromise((done) => files.accept(0, id, done))).rejects.toMatchObject({
      code: 'RAFT_SNAPSHOT_DAMAGED',
    });
    expect(longest).toBeLessThanOrEqual(id.bytes);
  });

  it('leaves nothing else in the folder once it is opened again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cluster-raft-'));
    folders.push(folder);
    const disk = fileDisk(folder);
    const first = new SnapshotFiles({ disk });
    await toPromise((done) => first.recover(0, done));
    const id = { index: 5, term: 1, bytes: 1000, crc: 1 };
    await toPromise<void>((done) => first.receive(0, id, 0, imageOf(10), done));
    expect(readdirSync(join(folder, 'snapshots'))).toEqual(['00000000.incoming']);
    await toPromise((done) => new SnapshotFiles({ disk }).recover(0, done));
    expect(readdirSync(join(folder, 'snapshots'))).toEqual([]);
  });
});
