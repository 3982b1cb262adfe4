import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

/** As the kernel tells, of a descriptor of this process (Linux). */
function described(fd: number): { readonly path: string; readonly flags: number } {
  const flags = /^flags:\s*(\d+)$/m.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '';
  return { path: fs.readlinkSync(`/proc/self/fd/${fd}`), flags: Number.parseInt(flags, 8) };
}

export interface ObservedFiles extends Disposable {
  readonly steps: string[];
}

/**
 * Notes every write and sync of a file in a folder, as the process asks the system for it, below all ports: `pwrite`, `pwrite O_DSYNC`
 * (the system waits for the medium) or `fdatasync`, and the same with `done` at its end.
 */
export function observeFiles(folder: string): ObservedFiles {
  const steps: string[] = [];
  const original = { write: fs.write, fdatasync: fs.fdatasync };
  const root = fs.realpathSync(folder);
  type Call = (fd: number, ...more: unknown[]) => void;
  const noting =
    (call: Call, nameOf: (flags: number) => string): Call =>
    (fd, ...more) => {
      const { path, flags } = described(fd);
      const done = more.at(-1);
      if (!path.startsWith(root) || typeof done !== 'function') return call(fd, ...more);
      const name = nameOf(flags);
      steps.push(name);
      call(fd, ...more.slice(0, -1), (...outcome: unknown[]) => {
        steps.push(`${name} done`);
        (done as (...given: unknown[]) => void)(...outcome);
      });
    };
  const isSynchronous = (flags: number): boolean => (flags & fs.constants.O_DSYNC) !== 0;
  const nameOfWrite = (flags: number): string => (isSynchronous(flags) ? 'pwrite O_DSYNC' : 'pwrite');
  fs.write = noting(original.write as Call, nameOfWrite) as typeof fs.write;
  fs.fdatasync = noting(original.fdatasync as Call, () => 'fdatasync') as typeof fs.fdatasync;
  syncBuiltinESMExports();
  return {
    steps,
    [Symbol.dispose]: () => {
      Object.assign(fs, original);
      syncBuiltinESMExports();
    },
  };
}
