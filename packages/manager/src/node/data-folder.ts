/** The node's folder on disk: there, and ours to write, before anything relies on it. */
import { constants } from 'node:fs';
import { access, mkdir, stat } from 'node:fs/promises';
import { managerError } from '../errors.ts';

/** @throws ClusterError `MANAGER_DATA_UNREADABLE` */
export async function prepareDataFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    if (!(await stat(path)).isDirectory()) throw new Error('it is no folder');
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw managerError(
      'MANAGER_DATA_UNREADABLE',
      `The data folder ${path} cannot be used (${code ?? message}).`,
      { cause },
    );
  }
}
