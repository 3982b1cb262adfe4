import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Disk, memoryDisk, toPromise } from '@cluster/core';
import { fileDisk } from '@cluster/core/node';
import { afterEach, describe, it } from 'vitest';
import { type LogStorage, MemoryLogStorage } from '../src/index.ts';
import { SimulatedMachine } from './support/simulated-machine.ts';
import {
  damageConformance,
  type DiskHarness,
  storageConformance,
  type StorageHarness,
} from './support/storage-conformance.ts';
import { TornDisk } from './support/torn-disk.ts';
import { openWal } from './support/wal.ts';

const cleanUps: (() => void)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
});

/** @param kill ends the process that has the log; the disk as the next one sees it. Without it the log is closed. */
function logOn(disk: Disk, kill?: () => Disk): DiskHarness {
  let now = disk;
  let storage = openWal(disk);
  const reopen = async (): Promise<LogStorage> => {
    if (kill === undefined) await toPromise<void>((done) => storage.close(done));
    else now = kill();
    return (storage = openWal(now));
  };
  return { storage, reopen, disk: () => now };
}

const onDisks: Readonly<Record<string, () => DiskHarness>> = {
  'the write-ahead log in memory': () => logOn(memoryDisk()),
  'the write-ahead log on a disk whose process is killed': () => {
    const disk = new TornDisk();
    const kill = (): Disk => {
      disk.kill();
      return disk.port();
    };
    return logOn(disk.port(), kill);
  },
  'the write-ahead log on a simulated machine that loses its power': () => {
    const machine = new SimulatedMachine();
    cleanUps.push(() => machine.switchOff());
    const kill = (): Disk => {
      machine.losePower();
      return machine.disk;
    };
    return logOn(machine.disk, kill);
  },
  'the write-ahead log on a real disk': () => {
    const folder = mkdtempSync(join(tmpdir(), 'cluster-raft-'));
    cleanUps.push(() => rmSync(folder, { recursive: true }));
    return logOn(fileDisk(folder));
  },
};

const inMemory = (): StorageHarness => {
  const storage = new MemoryLogStorage();
  return { storage, reopen: async () => new MemoryLogStorage(storage) };
};

for (const [name, make] of Object.entries({ 'the memory storage': inMemory, ...onDisks })) {
  describe(`LogStorage: ${name}`, () => {
    // oxlint-disable-next-line vitest/expect-expect -- the case expects
    for (const { name: claim, run } of storageConformance) it(`keeps its word: ${claim}`, () => run(make()));
  });
}

for (const [name, make] of Object.entries(onDisks)) {
  describe(`LogStorage, damaged: ${name}`, () => {
    // oxlint-disable-next-line vitest/expect-expect -- the case expects
    for (const { name: claim, run } of damageConformance) it(`keeps its word: ${claim}`, () => run(make()));
  });
}
