/** What every Disk does while nothing goes wrong; what is lost when something does is the simulated disk's own test. */
import type { Disk, DiskFile } from '@cluster/core';
import {
  complete,
  type ConformanceCase,
  expectBytes,
  expectThat,
  failWith,
  type Settle,
  succeed,
} from './conformance.ts';

export interface DiskHarness extends Settle {
  /** Empty. */
  readonly disk: Disk;
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

/** The calls of a disk as promises. */
class Hand {
  readonly harness: DiskHarness;
  readonly disk: Disk;

  constructor(harness: DiskHarness) {
    this.harness = harness;
    this.disk = harness.disk;
  }

  create(path: string): Promise<DiskFile> {
    return succeed(this.harness, (done) => this.disk.open(path, { create: true }, done));
  }

  open(path: string): Promise<DiskFile> {
    return succeed(this.harness, (done) => this.disk.open(path, { create: false }, done));
  }

  folder(path: string): Promise<void> {
    return succeed(this.harness, (done) => this.disk.makeDirectory(path, done));
  }

  list(path: string): Promise<readonly string[]> {
    return succeed(this.harness, (done) => this.disk.list(path, done));
  }

  write(file: DiskFile, offset: number, data: Uint8Array): Promise<void> {
    return succeed(this.harness, (done) => file.write(offset, data, done));
  }

  read(file: DiskFile, offset: number, length: number): Promise<Uint8Array> {
    return succeed(this.harness, (done) => file.read(offset, length, done));
  }

  size(file: DiskFile): Promise<number> {
    return succeed(this.harness, (done) => file.size(done));
  }

  run(start: Parameters<typeof succeed<void>>[1]): Promise<void> {
    return succeed(this.harness, start);
  }

  fails(code: string, start: Parameters<typeof succeed>[1]): Promise<void> {
    return failWith(this.harness, code, start);
  }
}

const cases: Record<string, (hand: Hand) => Promise<void>> = {
  'what is written is read back': async (hand) => {
    const file = await hand.create('a');
    await hand.write(file, 0, bytes(1, 2, 3, 4));
    expectBytes(await hand.read(file, 1, 2), [2, 3], 'the middle');
  },
  'a read past the end gives what there is': async (hand) => {
    const file = await hand.create('a');
    await hand.write(file, 0, bytes(1, 2));
    expectBytes(await hand.read(file, 1, 10), [2], 'the tail');
    expectBytes(await hand.read(file, 5, 10), [], 'beyond the end');
  },
  'a write past the end leaves zeros between': async (hand) => {
    const file = await hand.create('a');
    await hand.write(file, 3, bytes(9));
    expectBytes(await hand.read(file, 0, 4), [0, 0, 0, 9], 'the file');
    expectThat((await hand.size(file)) === 4, 'the size is 4');
  },
  'a write over old bytes changes those alone': async (hand) => {
    const file = await hand.create('a');
    await hand.write(file, 0, bytes(1, 2, 3, 4));
    await hand.write(file, 1, bytes(8, 9));
    expectBytes(await hand.read(file, 0, 4), [1, 8, 9, 4], 'the file');
  },
  'a write across many pages is read back': async (hand) => {
    const file = await hand.create('a');
    const data = Uint8Array.from({ length: 20_000 }, (_, i) => (i * 7) & 255);
    await hand.write(file, 1000, data);
    const read = await hand.read(file, 1000, 20_000);
    expectThat(
      data.every((byte, i) => read[i] === byte),
      'all bytes are the same',
    );
  },
  'a durable write, where there is one, is a write': async (hand) => {
    const file = await hand.create('a');
    await hand.write(file, 0, bytes(1, 2, 3, 4));
    if (file.writeDurably === undefined) return;
    for (const at of [1, 2]) await hand.run((done) => file.writeDurably?.(at, bytes(8, 9), done));
    expectBytes(await hand.read(file, 0, 4), [1, 8, 8, 9], 'the file');
    await hand.run((done) => file.close(done));
    await failWith(hand.harness, 'DISK_CLOSED', (done) => file.writeDurably?.(0, bytes(1), done));
  },
  'a file survives closing and opening': async (hand) => {
    const file = await hand.create('a');
    await hand.write(file, 0, bytes(7));
    await hand.run((done) => file.sync(done));
    await hand.run((done) => file.close(done));
    expectBytes(await hand.read(await hand.open('a'), 0, 1), [7], 'the file');
  },
  'a closed file takes no more calls': async (hand) => {
    const file = await hand.create('a');
    await hand.run((done) => file.close(done));
    await hand.fails('DISK_CLOSED', (done) => file.size(done));
    await hand.fails('DISK_CLOSED', (done) => file.write(0, bytes(1), done));
    await hand.fails('DISK_CLOSED', (done) => file.sync(done));
  },
  'create opens an existing file as it is': async (hand) => {
    await hand.write(await hand.create('a'), 0, bytes(5));
    expectBytes(await hand.read(await hand.create('a'), 0, 9), [5], 'the file');
  },
  'a file that is not there cannot be opened without create': async (hand) => {
    await hand.fails('DISK_NOT_FOUND', (done) => hand.disk.open('a', { create: false }, done));
  },
  'a file cannot be created in a folder that is not there': async (hand) => {
    await hand.fails('DISK_NOT_FOUND', (done) => hand.disk.open('x/a', { create: true }, done));
  },
  'allocate extends with zeros and never shortens': async (hand) => {
    const file = await hand.create('a');
    await hand.write(file, 0, bytes(1, 2));
    await hand.run((done) => file.allocate(4, done));
    expectBytes(await hand.read(file, 0, 9), [1, 2, 0, 0], 'the file');
    await hand.run((done) => file.allocate(1, done));
    expectThat((await hand.size(file)) === 4, 'the size is still 4');
  },
  'truncate cuts, and what it cut does not come back': async (hand) => {
    const file = await hand.create('a');
    await hand.write(file, 0, bytes(1, 2, 3, 4));
    await hand.run((done) => file.truncate(2, done));
    expectThat((await hand.size(file)) === 2, 'the size is 2');
    await hand.run((done) => file.truncate(4, done));
    expectBytes(await hand.read(file, 0, 9), [1, 2, 0, 0], 'the file');
  },
  'folders are made with those above them, and making them again is no error': async (hand) => {
    await hand.folder('x/y');
    await hand.folder('x/y');
    await hand.create('x/y/a');
    expectThat((await hand.list('x/y')).join() === 'a', 'the file is listed');
  },
  'a list is sorted, by name without path': async (hand) => {
    await hand.folder('x');
    for (const name of ['b', 'c', 'a']) await hand.create(`x/${name}`);
    await hand.create('elsewhere');
    expectThat((await hand.list('x')).join() === 'a,b,c', 'the names are a, b, c');
  },
  'a folder that is not there cannot be listed or synced': async (hand) => {
    await hand.fails('DISK_NOT_FOUND', (done) => hand.disk.list('x', done));
    await hand.fails('DISK_NOT_FOUND', (done) => hand.disk.syncDirectory('x', done));
  },
  'a renamed file has its new name only, and replaces what had it': async (hand) => {
    await hand.write(await hand.create('old'), 0, bytes(1));
    await hand.write(await hand.create('new'), 0, bytes(2));
    await hand.run((done) => hand.disk.rename('old', 'new', done));
    expectThat((await hand.list('')).join() === 'new', 'only the new name is there');
    expectBytes(await hand.read(await hand.open('new'), 0, 1), [1], 'the file');
  },
  'a removed file is gone, though who has it open reads on': async (hand) => {
    const file = await hand.create('a');
    await hand.write(file, 0, bytes(3));
    await hand.run((done) => hand.disk.remove('a', done));
    await hand.fails('DISK_NOT_FOUND', (done) => hand.disk.open('a', { create: false }, done));
    expectBytes(await hand.read(file, 0, 1), [3], 'the open file');
  },
  'what is not there cannot be removed or renamed': async (hand) => {
    await hand.fails('DISK_NOT_FOUND', (done) => hand.disk.remove('a', done));
    await hand.fails('DISK_NOT_FOUND', (done) => hand.disk.rename('a', 'b', done));
  },
  'a path cannot leave the root': async (hand) => {
    await hand.fails('DISK_PATH_OUTSIDE', (done) => hand.disk.open('../a', { create: true }, done));
  },
  'syncing files and folders completes': async (hand) => {
    await hand.folder('x');
    const file = await hand.create('x/a');
    await hand.write(file, 0, bytes(1));
    await hand.run((done) => file.sync(done));
    await hand.run((done) => hand.disk.syncDirectory('x', done));
    await hand.run((done) => hand.disk.syncDirectory('', done));
  },
  'operations that overlap all complete': async (hand) => {
    const file = await hand.create('a');
    const writes = Array.from({ length: 20 }, (_, i) =>
      complete(hand.harness, (done) => file.write(i, bytes(i), done)),
    );
    expectThat(
      (await Promise.all(writes)).every(({ ok }) => ok),
      'every write succeeds',
    );
    expectBytes(
      await hand.read(file, 0, 20),
      Array.from({ length: 20 }, (_, i) => i),
      'the file',
    );
  },
};

export function diskConformance(make: () => DiskHarness | Promise<DiskHarness>): readonly ConformanceCase[] {
  return Object.entries(cases).map(([name, run]) => ({
    name,
    run: async () => run(new Hand(await make())),
  }));
}
