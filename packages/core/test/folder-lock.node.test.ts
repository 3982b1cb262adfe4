// Real processes: what owns a folder, and what becomes of it when they are ended.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FolderLock, lockFolder } from '@cluster/core/node';

let folder = '';
const processes: ChildProcess[] = [];
const locks: FolderLock[] = [];
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'cluster-lock-'))));
afterEach(async () => {
  for (const child of processes.splice(0)) child.kill('SIGKILL');
  await Promise.all(locks.splice(0).map((lock) => lock.release()));
  rmSync(folder, { recursive: true, force: true });
});

const take = async (owner: string, where = folder): Promise<FolderLock> => {
  const lock = await lockFolder(where, { name: 'test', owner });
  locks.push(lock);
  return lock;
};

/** Another process that takes the folder; what it says of that. */
async function holder(owner: string): Promise<{ readonly child: ChildProcess; readonly said: string }> {
  const script = join(import.meta.dirname, 'lock-holder.ts');
  const flags = ['--conditions=@cluster/source', '--import', 'tsx'];
  const child = spawn(process.execPath, [...flags, script, folder, owner], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  processes.push(child);
  const [said] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  return { child, said: said.toString().trim() };
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

describe('a locked folder', () => {
  it('refuses another process and says who holds it', async () => {
    await take('node a');
    const { said } = await holder('node b');
    expect(said).toContain('DISK_LOCKED');
    expect(said).toContain(`in use by node a, process ${process.pid}`);
  });

  it('is free the moment its owner has been killed', async () => {
    for (const owner of ['node a', 'node b']) {
      const { child, said } = await holder(owner);
      expect(said).toBe('locked');
      await expect(take('me')).rejects.toMatchObject({
        code: 'DISK_LOCKED',
        message: expect.stringContaining(`${owner}, process ${child.pid}`),
      });
      await kill(child);
    }
    await take('me');
  });

  it('stays with an owner that is stopped', async () => {
    const { child } = await holder('node a');
    child.kill('SIGSTOP');
    await expect(take('me')).rejects.toMatchObject({
      code: 'DISK_LOCKED',
      message: expect.stringContaining('a process that does not answer'),
    });
    await kill(child);
    await take('me');
  });

  it('goes to exactly one of many who find its owner dead', async () => {
    const { child } = await holder('node a');
    await kill(child);
    for (let round = 0; round < 20; round++) {
      const tries = await Promise.allSettled(Array.from({ length: 8 }, (_, i) => take(`node ${i}`)));
      const taken = tries.filter(({ status }) => status === 'fulfilled');
      expect(taken).toHaveLength(1);
      await Promise.all(locks.splice(0).map((lock) => lock.release()));
    }
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it('is given back by its owner, and a second release takes nothing from the next', async () => {
    const first = await take('node a');
    await first.release();
    await take('node b');
    await first.release();
    await expect(take('node c')).rejects.toMatchObject({ code: 'DISK_LOCKED' });
  });

  it('is made when it does not exist, however deep it lies', async () => {
    const deep = join(folder, 'd'.repeat(100), 'e'.repeat(100));
    await take('node a', deep);
    await expect(take('node b', deep)).rejects.toMatchObject({ code: 'DISK_LOCKED' });
  });

  it('has independent locks under different names', async () => {
    await take('node a');
    locks.push(await lockFolder(folder, { name: 'other', owner: 'node a' }));
    await expect(lockFolder(folder, { name: 'other', owner: 'b' })).rejects.toMatchObject({
      code: 'DISK_LOCKED',
    });
  });

  it('is no lock when the numbered name is a plain file: that is nobody', async () => {
    writeFileSync(join(folder, 'test.lock.7'), 'left by a copy of the folder');
    await take('node a');
    await expect(take('node b')).rejects.toMatchObject({ code: 'DISK_LOCKED' });
  });

  it('is refused with the words of the disk where there can be no folder', async () => {
    writeFileSync(join(folder, 'file'), '');
    await expect(take('node a', join(folder, 'file'))).rejects.toMatchObject({ code: 'DISK_EXISTS' });
    mkdirSync(join(folder, 'there'));
    await expect(take('node a', join(folder, 'file', 'below'))).rejects.toMatchObject({
      code: 'DISK_WRONG_KIND',
    });
  });
});
