import {
  constants,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Disk, type DiskFile, type Done, memoryDisk, toPromise } from '@cluster/core';
import { fileDisk } from '@cluster/core/node';

const ask = <T>(start: (done: Done<T>) => void): Promise<T> => toPromise(start);
const open = (disk: Disk, path: string, create = true): Promise<DiskFile> =>
  ask((done) => disk.open(path, { create }, done));
const write = (file: DiskFile, offset: number, bytes: number[]): Promise<void> =>
  ask((done) => file.write(offset, Uint8Array.from(bytes), done));
const read = (file: DiskFile, offset = 0, length = 100): Promise<number[]> =>
  ask<Uint8Array>((done) => file.read(offset, length, done)).then((bytes) => [...bytes]);

/** Of each descriptor of this process on a file, as the kernel tells: whether a write to it waits for the medium. */
const syncingDescriptorsOf = (path: string): boolean[] =>
  readdirSync('/proc/self/fd')
    .filter((fd) => pathOf(fd) === path)
    .map((fd) => /^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '')
    .map((flags) => (Number.parseInt(flags, 8) & constants.O_DSYNC) === constants.O_DSYNC)
    .sort((a, b) => Number(a) - Number(b));

function pathOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    // The one that the list was read through.
    return '';
  }
}

let folder = '';
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'cluster-disk-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const disks: readonly [string, () => Disk][] = [
  ['a folder of the file system', () => fileDisk(folder)],
  ['memory', memoryDisk],
];

describe.each(disks)('a disk that is %s', (_, make) => {
  it('reads back what was written, and less only at the end of the file', async () => {
    const file = await open(make(), 'log');
    await write(file, 0, [1, 2, 3, 4]);
    await write(file, 2, [9]);
    expect(await read(file)).toEqual([1, 2, 9, 4]);
    expect(await read(file, 1, 2)).toEqual([2, 9]);
    expect(await read(file, 10, 2)).toEqual([]);
    await ask<void>((done) => file.sync(done));
    expect(await ask((done) => file.size(done))).toBe(4);
  });

  it('fills a gap, an allocation and a longer truncation with zeros', async () => {
    const file = await open(make(), 'log');
    await write(file, 2, [7]);
    expect(await read(file)).toEqual([0, 0, 7]);
    await ask<void>((done) => file.allocate(5, done));
    await ask<void>((done) => file.allocate(1, done));
    expect(await read(file)).toEqual([0, 0, 7, 0, 0]);
    await ask<void>((done) => file.truncate(1, done));
    await ask<void>((done) => file.truncate(4, done));
    expect(await read(file)).toEqual([0, 0, 0, 0]);
  });

  it('allocates more than one piece of zeros', async () => {
    const file = await open(make(), 'log');
    const length = 2_500_000;
    await write(file, 0, [1]);
    await ask<void>((done) => file.allocate(length, done));
    expect(await ask((done) => file.size(done))).toBe(length);
    expect(await read(file, 0, 2)).toEqual([1, 0]);
    expect(await read(file, length - 1)).toEqual([0]);
  });

  it('lists names in order, renames over an existing file and removes', async () => {
    const disk = make();
    await ask<void>((done) => disk.makeDirectory('a/b', done));
    await ask<void>((done) => disk.makeDirectory('a/b', done));
    await write(await open(disk, 'a/b/2'), 0, [2]);
    await write(await open(disk, 'a/b/1'), 0, [1]);
    expect(await ask((done) => disk.list('a/b', done))).toEqual(['1', '2']);
    expect(await ask((done) => disk.list('a', done))).toEqual(['b']);
    expect(await ask((done) => disk.list('', done))).toEqual(['a']);
    await ask<void>((done) => disk.rename('a/b/1', 'a/b/2', done));
    await ask<void>((done) => disk.syncDirectory('a/b', done));
    expect(await ask((done) => disk.list('a/b', done))).toEqual(['2']);
    expect(await read(await open(disk, 'a/b/2', false))).toEqual([1]);
    await ask<void>((done) => disk.remove('a/b/2', done));
    expect(await ask((done) => disk.list('a/b', done))).toEqual([]);
  });

  it('says what is not there, what is of the wrong kind and what is closed, by stable codes', async () => {
    const disk = make();
    const file = await open(disk, 'file');
    await ask<void>((done) => disk.makeDirectory('folder', done));
    const notFound = { code: 'DISK_NOT_FOUND', fault: 'environment' };
    await expect(open(disk, 'absent', false)).rejects.toMatchObject(notFound);
    await expect(open(disk, 'absent/file')).rejects.toMatchObject(notFound);
    await expect(ask((done) => disk.list('absent', done))).rejects.toMatchObject(notFound);
    await expect(ask((done) => disk.remove('absent', done))).rejects.toMatchObject(notFound);
    await expect(ask((done) => disk.rename('absent', 'x', done))).rejects.toMatchObject(notFound);
    await expect(ask((done) => disk.syncDirectory('absent', done))).rejects.toMatchObject(notFound);
    await expect(open(disk, 'folder')).rejects.toMatchObject({ code: 'DISK_WRONG_KIND' });
    await expect(ask((done) => disk.makeDirectory('file/x', done))).rejects.toMatchObject({
      code: 'DISK_WRONG_KIND',
    });
    await ask<void>((done) => file.close(done));
    await expect(write(file, 0, [1])).rejects.toMatchObject({ code: 'DISK_CLOSED', fault: 'caller' });
  });

  it.each(['../outside', 'a/../../outside', '/etc/passwd'])('refuses the path %s', async (path) => {
    const disk = make();
    const refused = { code: 'DISK_PATH_OUTSIDE', fault: 'caller' };
    await expect(open(disk, path)).rejects.toMatchObject(refused);
    await expect(ask((done) => disk.remove(path, done))).rejects.toMatchObject(refused);
    await expect(ask((done) => disk.rename('x', path, done))).rejects.toMatchObject(refused);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('a folder as a disk', () => {
  it('keeps its files over a restart', async () => {
    const file = await open(fileDisk(folder), 'log');
    await write(file, 0, [5]);
    await ask<void>((done) => file.sync(done));
    await ask<void>((done) => file.close(done));
    expect(await read(await open(fileDisk(folder), 'log', false))).toEqual([5]);
  });

  // Elsewhere there is no such write.
  it.skipIf(process.platform !== 'linux')(
    'has the system wait for the medium in a durable write (O_DSYNC), and in no other',
    async () => {
      const file = await open(fileDisk(folder), 'log');
      const path = join(realpathSync(folder), 'log');
      await write(file, 0, [1]);
      expect(syncingDescriptorsOf(path)).toEqual([false]);
      for (const at of [1, 2]) await ask<void>((done) => file.writeDurably?.(at, Uint8Array.of(9), done));
      expect(syncingDescriptorsOf(path)).toEqual([false, true]);
      expect(await read(file)).toEqual([1, 9, 9]);
      await ask<void>((done) => file.close(done));
    },
  );

  it('makes folders and files that no other user may read', async () => {
    const disk = fileDisk(folder);
    await ask<void>((done) => disk.makeDirectory('secret', done));
    await open(disk, 'secret/log');
    const othersMay = (path: string): number => statSync(join(folder, path)).mode & 0o077;
    expect([othersMay('secret'), othersMay('secret/log')]).toEqual([0, 0]);
  });

  it('names the file and what to do when the system refuses', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    const inAFile = open(fileDisk(file), 'x');
    await expect(inAFile).rejects.toMatchObject({
      code: 'DISK_WRONG_KIND',
      message: expect.stringContaining(file),
    });
  });

  it('reports a full volume as such', async () => {
    const file = await open(fileDisk('/dev'), 'full', false);
    await expect(write(file, 0, [1])).rejects.toMatchObject({ code: 'DISK_FULL', fault: 'environment' });
    await ask<void>((done) => file.close(done));
  });
});
