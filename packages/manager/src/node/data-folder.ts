/** The node's folder on disk: there, and ours to write, before anything relies on it. */
import { constants } from 'node:fs';
import { access, mkdir, stat } from 'node:fs/promises';
import { ClusterError } from '@cluster/core';
import { type FolderLock, lockFolder } from '@cluster/core/node';
import { managerError } from '../errors.ts';

/**
 * Makes it, and keeps every other process out until it is released.
 * @throws ClusterError `MANAGER_DATA_UNREADABLE`, `MANAGER_DATA_LOCKED`
 */
export async function takeDataFolder(path: string, nodeId: string): Promise<FolderLock> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    if (!(await stat(path)).isDirectory()) throw new Error('it is no folder');
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
    return await lockFolder(path, { name: 'node', owner: `node ${nodeId}` });
  } catch (cause) {
    if (ClusterError.is(cause) && cause.code === 'DISK_LOCKED')
      throw managerError('MANAGER_DATA_LOCKED', cause.message, { cause });
    const { code, message } = cause as NodeJS.ErrnoException;
    throw managerError(
      'MANAGER_DATA_UNREADABLE',
      `The data folder ${path} cannot be used (${code ?? message}).`,
      { cause },
    );
  }
}
