import { type Disk, type DiskFile, memoryDisk, toPromise, runTask, type Task } from '@cluster/core';
import { describe, expect, it } from 'vitest';
import { cutWal, inspectWal } from '../src/index.ts';
import { entry, openWal, put, recovered, recoveryError } from './support/wal.ts';

const run = <T>(task: Task<T>): Promise<T> => toPromise((done) => runTask(task, done));
const nameOf = (number: number): string => `wal/000000000000000${number}.wal`;

/** Some segments of ten entries or so. */
async function filled(): Promise<Disk> {
  const disk = memoryDisk();
  const wal = openWal(disk);
  recovered(wal);
  put(wal, { hardState: { term: 1, vote: 'a' } });
  for (let index = 1; index <= 30; index++) put(wal, { entries: [entry(index, 1, 'x'.repeat(300))] });
  await toPromise<void>((done) => wal.close(done));
  return disk;
}

async function flip(disk: Disk, path: string, at: number): Promise<void> {
  const file = await toPromise<DiskFile>((done) => disk.open(path, { create: false }, done));
  const [byte = 0] = await toPromise<Uint8Array>((done) => file.read(at, 1, done));
  await toPromise<void>((done) => file.write(at, Uint8Array.of(byte ^ 1), done));
}

describe('a log that is looked into', () => {
  it('shows its segments, and no damage where there is none', async () => {
    const disk = await filled();
    const report = await run(inspectWal(disk, 'wal'));
    expect(report).toMatchObject({ behindDamage: [], problem: null });
    expect(report.segments.map(({ damage }) => damage)).toEqual([null, null, null]);
    expect(report.segments.reduce((sum, { frames }) => sum + frames, 0)).toBe(31);
    expect(await run(cutWal(disk, 'wal'))).toEqual(report);
    expect(recovered(openWal(disk)).entries).toHaveLength(30);
  });

  it('shows where the damage is, and changes nothing', async () => {
    const disk = await filled();
    await flip(disk, nameOf(2), 2000);
    const before = await run(inspectWal(disk, 'wal'));
    const [first, second] = before.segments;
    expect([first?.damage, second?.path, before.behindDamage]).toEqual([null, nameOf(2), [nameOf(3)]]);
    expect(second?.damage).toContain(`${nameOf(2)} at offset ${second?.soundBytes}`);
    expect(await run(inspectWal(disk, 'wal'))).toEqual(before);
    expect(recoveryError(openWal(disk)).code).toBe('RAFT_LOG_DAMAGED');
  });

  it('shows that its beginning is missing', async () => {
    const disk = await filled();
    await toPromise<void>((done) => disk.remove(nameOf(1), done));
    expect((await run(inspectWal(disk, 'wal'))).problem).toContain('is the first one there');
  });
});

describe('a damaged log that is cut off', () => {
  it.each([
    ['in the middle of a segment', nameOf(2), 2000],
    ['at the beginning of a segment', nameOf(2), 10],
    ['in its last segment', nameOf(3), 500],
  ])('%s, opens again with what was before, and the rest is kept beside it', async (_, path, at) => {
    const disk = await filled();
    await flip(disk, path, at);
    const error = recoveryError(openWal(disk));
    expect([error.code, error.advice]).toEqual(['RAFT_LOG_DAMAGED', expect.stringContaining('cluster wal')]);
    const { segments } = await run(cutWal(disk, 'wal'));
    const frames = segments.reduce((sum, segment) => sum + segment.frames, 0);
    const again = openWal(disk);
    expect(recovered(again)).toMatchObject({ hardState: { term: 1, vote: 'a' } });
    const names = await toPromise<readonly string[]>((done) => disk.list('wal', done));
    expect(names).toContain(`${path.slice(4)}.damaged`);
    put(again, { entries: [entry(frames)] });
    expect(recovered(openWal(disk)).entries).toHaveLength(frames);
  });
});
