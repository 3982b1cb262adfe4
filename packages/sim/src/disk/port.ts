import {
  type ClusterError,
  type Disk,
  diskError,
  type DiskFile,
  type Done,
  normalizePath,
} from '@cluster/core';
import { openFile } from './file.ts';
import { Inode } from './inode.ts';
import { parentOf } from './names.ts';
import { type Answer, DiskSession } from './session.ts';
import type { SimulatedDisk } from './simulated-disk.ts';

/** The disk as the process that runs now sees it; dead once that process is. */
export function diskPort(disk: SimulatedDisk): Disk {
  const { names } = disk;
  const session = new DiskSession(disk);

  /** Runs `body` with the normal form of a path. */
  const at = <T>(path: string, done: Done<T>, body: (normal: string) => void): void => {
    const normal = normalizePath(path);
    if (normal !== null) return body(normal);
    session.access(done, () => ({
      error: diskError('DISK_PATH_OUTSIDE', `The path ${path} leaves the disk's root.`),
    }));
  };

  return {
    makeDirectory: (path, done) =>
      at(path, done, (folder) =>
        session.write(done, `Cannot make the folder ${path}`, () => makeDirectory(disk, path, folder)),
      ),

    list: (path, done) =>
      at(path, done, (folder) =>
        session.access(done, () =>
          names.get(folder) === 'directory' ? { value: names.list(folder) } : notFound(path),
        ),
      ),

    open: (path, { create }, done) =>
      at(path, done, (name) => session.access(done, () => open(disk, session, path, name, create))),

    rename: (from, to, done) =>
      at(from, done, (source) =>
        at(to, done, (target) =>
          session.write(done, `Cannot rename ${from} to ${to}`, () => rename(disk, source, target)),
        ),
      ),

    remove: (path, done) =>
      at(path, done, (name) =>
        session.write(done, `Cannot remove ${path}`, () => {
          const entry = names.get(name);
          if (entry === undefined) return notFound(path);
          if (entry === 'directory') return wrongKind(path);
          names.apply({ changes: [{ path: name, entry: null }] });
          return { value: undefined };
        }),
      ),

    syncDirectory: (path, done) =>
      at(path, done, (folder) => {
        if (names.get(folder) !== 'directory') return session.access(done, () => notFound(path));
        const covered = names.pending();
        session.sync(
          done,
          `Cannot sync the folder ${path}`,
          () => names.settle(folder, covered),
          () => undefined,
        );
      }),
  };
}

function makeDirectory({ names }: SimulatedDisk, path: string, folder: string): Answer<void> {
  const parts = folder === '' ? [] : folder.split('/');
  for (let depth = 1; depth <= parts.length; depth++) {
    const name = parts.slice(0, depth).join('/');
    const entry = names.get(name);
    if (entry === undefined) names.apply({ changes: [{ path: name, entry: 'directory' }] });
    else if (entry !== 'directory') return wrongKind(path);
  }
  return { value: undefined };
}

function open(
  disk: SimulatedDisk,
  session: DiskSession,
  path: string,
  name: string,
  create: boolean,
): Answer<DiskFile> {
  let entry = disk.names.get(name);
  if (entry === 'directory') return wrongKind(path);
  if (entry === undefined) {
    if (!create || disk.names.get(parentOf(name)) !== 'directory') return notFound(path);
    if (disk.full) return { error: diskError('DISK_FULL', `Cannot create ${path}: no space left.`) };
    entry = new Inode();
    disk.names.apply({ changes: [{ path: name, entry }] });
  }
  disk.open.add(entry);
  return { value: openFile(disk, session, path, entry) };
}

function rename({ names }: SimulatedDisk, from: string, to: string): Answer<void> {
  const entry = names.get(from);
  if (entry === undefined) return notFound(from);
  if (names.get(parentOf(to)) !== 'directory') return notFound(parentOf(to));
  if (entry === 'directory' || names.get(to) === 'directory') return wrongKind(from);
  if (from !== to) {
    names.apply({
      changes: [
        { path: from, entry: null },
        { path: to, entry },
      ],
    });
  }
  return { value: undefined };
}

const notFound = (path: string): { readonly error: ClusterError } => ({
  error: diskError('DISK_NOT_FOUND', `There is no ${path === '' ? 'root' : path}.`),
});
const wrongKind = (path: string): { readonly error: ClusterError } => ({
  error: diskError('DISK_WRONG_KIND', `${path} is a folder where a file is needed, or the other way round.`),
});
