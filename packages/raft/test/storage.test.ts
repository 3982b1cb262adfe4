import { memoryDisk } from '@cluster/core';
import { describe, it } from 'vitest';
import { MemoryLogStorage } from '../src/index.ts';
import { storageConformance, type StorageHarness } from './support/storage-conformance.ts';
import { TornDisk } from './support/torn-disk.ts';
import { openWal } from './support/wal.ts';

const implementations: Readonly<Record<string, () => StorageHarness>> = {
  'the memory storage': () => {
    const storage = new MemoryLogStorage();
    return { storage, reopen: () => new MemoryLogStorage(storage) };
  },
  'the write-ahead log in memory': () => {
    const disk = memoryDisk();
    return { storage: openWal(disk), reopen: () => openWal(disk) };
  },
  'the write-ahead log on a disk whose process is killed': () => {
    const disk = new TornDisk();
    return {
      storage: openWal(disk.port()),
      reopen: () => {
        disk.kill();
        return openWal(disk.port());
      },
    };
  },
};

for (const [name, make] of Object.entries(implementations)) {
  describe(`LogStorage: ${name}`, () => {
    // oxlint-disable-next-line vitest/expect-expect -- the case expects
    for (const { name: claim, run } of storageConformance) it(`keeps its word: ${claim}`, () => run(make));
  });
}
