import { type ClusterError, diskError, type DiskFile, type Done } from '@cluster/core';
import type { Change, Inode } from './inode.ts';
import type { DiskSession } from './session.ts';
import type { SimulatedDisk } from './simulated-disk.ts';

/** An open file. Its completions die with the process that opened it. */
export function openFile(disk: SimulatedDisk, session: DiskSession, path: string, inode: Inode): DiskFile {
  let closed = false;
  const gone = (): { readonly error: ClusterError } => ({
    error: diskError('DISK_CLOSED', `The file ${path} has been closed.`),
  });
  const read = <T>(done: Done<T>, body: () => T): void => {
    if (closed) session.access(done, gone);
    else session.access(done, () => ({ value: body() }));
  };
  /** @param final what is applied at the end, when `change` has been on its way for a while. */
  const write = (change: Change, done: Done<void>, final: () => Change | null): void => {
    if (closed) return session.access(done, gone);
    if (!session.isAlive) return;
    inode.inFlight.add(change);
    const finished: Done<void> = (outcome) => {
      inode.inFlight.delete(change);
      done(outcome);
    };
    session.write(finished, `Cannot write ${path}`, () => {
      const now = final();
      if (now !== null) inode.apply(now);
      return { value: undefined };
    });
  };
  return {
    path,
    size: (done) => read(done, () => inode.current.length),
    read: (offset, length, done) => read(done, () => inode.current.read(offset, length)),
    write: (offset, bytes, done) =>
      // Copied only at the end: bytes their owner changes too early are written as they are then, as a thread would.
      write({ type: 'write', offset, bytes }, done, () =>
        disk.divert({ type: 'write', offset, bytes: bytes.slice() }, inode.current.length),
      ),
    allocate: (length, done) =>
      write({ type: 'allocate', length }, done, () =>
        length > inode.current.length ? { type: 'allocate', length } : null,
      ),
    truncate: (length, done) =>
      write({ type: 'truncate', length }, done, () => ({ type: 'truncate', length })),
    sync: (done) => {
      if (closed) return session.access(done, gone);
      const covered = inode.pending();
      session.sync(
        done,
        `Cannot sync ${path}`,
        () => inode.settle(covered),
        () => inode.forget(disk.prng, covered),
      );
    },
    close: (done) => {
      if (closed) return session.access(done, gone);
      closed = true;
      session.access(done, () => ({ value: undefined }));
    },
  };
}
