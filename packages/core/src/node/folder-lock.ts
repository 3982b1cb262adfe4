/**
 * A folder that belongs to one process at a time, also when its owner was killed in the middle of anything.
 *
 * Node offers no flock, and a file with a process id in it cannot be trusted: ids are used again, and a container numbers its own.
 * So the owner listens on a Unix socket inside the folder. The system ends the listening with the process, whatever ended it, and
 * knows it across containers that share the folder of one machine; an owner that is merely stopped or busy still counts.
 *
 * Sockets are numbered, `<name>.lock.<n>`, and the highest number owns. Whoever finds the highest dead links its own, already
 * listening, socket as the next one, which the file system grants to one process only; then it looks again, because a number may
 * have become free behind a faster one. The highest socket is never removed, only outnumbered: were it removed, a slow contender
 * could take a number that had been taken and given back since it looked.
 *
 * Not covered: a folder shared by several machines over a network file system, and Windows, where nothing is locked.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, link, mkdir, open, readdir, unlink } from 'node:fs/promises';
import { createConnection, createServer, type Server } from 'node:net';
import { join, resolve } from 'node:path';
import type { ClusterError } from '../errors.ts';
import { diskError } from '../port-errors.ts';
import { fromDiskFailure } from './system-error.ts';

export interface FolderLock {
  /** Gives the folder back. Idempotent. */
  release(): Promise<void>;
}

export interface FolderLockOptions {
  /** What is locked: several names in one folder are independent. */
  readonly name: string;
  /** Who holds it, for the message that the next one gets, e.g. `node a`. */
  readonly owner: string;
}

const attemptsMax = 50;
const answerMs = 500;
const answerCharsMax = 512;
// The system takes 107 bytes for a socket's path.
const socketPathBytesMax = 100;

/**
 * Makes the folder if need be and takes it.
 * @throws ClusterError `DISK_LOCKED` naming the holder, or what the disk says.
 */
export async function lockFolder(folder: string, options: FolderLockOptions): Promise<FolderLock> {
  const path = resolve(folder);
  if (process.platform === 'win32') return { release: async () => undefined };
  let directory: FileHandle | null = null;
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
    // By its descriptor a folder has a short name on Linux, however deep it lies.
    const isShort = Buffer.byteLength(path) + options.name.length + 32 <= socketPathBytesMax;
    const short = isShort || process.platform !== 'linux' ? path : `/proc/self/fd/${directory.fd}`;
    return await take({ path, short, prefix: `${options.name}.lock.`, owner: options.owner });
  } catch (error) {
    if ((error as { code?: unknown }).code === 'DISK_LOCKED') throw error;
    throw fromDiskFailure(error, `Cannot lock the folder ${path}`);
  } finally {
    await directory?.close();
  }
}

interface Place {
  readonly path: string;
  /** The same folder by a name that fits a socket's address. */
  readonly short: string;
  readonly prefix: string;
  readonly owner: string;
}

async function take(place: Place): Promise<FolderLock> {
  const { path, short, prefix, owner } = place;
  const temporary = `${prefix}new-${randomBytes(8).toString('hex')}`;
  const server = await listen(join(short, temporary), `${owner}, process ${process.pid}`);
  let held = false;
  try {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const highest = Math.max(-1, ...(await numbers(place)));
      const holder = highest < 0 ? null : await holderAt(join(short, `${prefix}${highest}`));
      if (holder !== null) throw locked(path, holder);
      const mine = highest + 1;
      if (!(await linked(join(path, temporary), join(path, `${prefix}${mine}`)))) continue;
      if (Math.max(...(await numbers(place))) > mine) {
        await removeIfThere(join(path, `${prefix}${mine}`));
        continue;
      }
      held = true;
      await clear(place, mine);
      return { release: () => close(server) };
    }
    throw locked(path, 'processes that take it from one another');
  } finally {
    if (!held) await close(server);
    await removeIfThere(join(path, temporary));
  }
}

function listen(path: string, introduction: string): Promise<Server> {
  return new Promise((done, failed) => {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.unref();
      socket.end(introduction);
    });
    server.once('error', failed);
    // A lock is no reason for a process to stay.
    server.listen(path, () => done(server.unref()));
  });
}

async function numbers({ path, prefix }: Place): Promise<readonly number[]> {
  const names = await readdir(path);
  return names
    .filter((name) => name.startsWith(prefix) && /^\d{1,15}$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)));
}

/** What the process listening there says of itself; null when there is none. Whatever is not clearly dead counts as alive. */
function holderAt(path: string): Promise<string | null> {
  return new Promise((done) => {
    let said = '';
    const socket = createConnection(path);
    const timer = setTimeout(() => finish('a process that does not answer'), answerMs);
    const finish = (holder: string | null): void => {
      clearTimeout(timer);
      socket.destroy();
      done(holder);
    };
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      said += text;
      if (said.length > answerCharsMax) finish('a process that says too much');
    });
    socket.on('end', () => finish(said === '' ? 'a process that says nothing' : said));
    socket.on('error', ({ code }: NodeJS.ErrnoException) =>
      finish(code === 'ECONNREFUSED' || code === 'ENOENT' ? null : `a process out of reach (${code ?? '?'})`),
    );
  });
}

/** False when the name is taken. */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    throw error;
  }
}

/** The owner clears away the sockets below its own. */
async function clear(place: Place, mine: number): Promise<void> {
  for (const number of await numbers(place)) {
    if (number < mine) await removeIfThere(join(place.path, `${place.prefix}${number}`));
  }
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function close(server: Server): Promise<void> {
  return new Promise((done) => {
    if (server.listening) server.close(() => done());
    else done();
  });
}

const locked = (path: string, holder: string): ClusterError =>
  diskError('DISK_LOCKED', `The folder ${path} is in use by ${holder}.`);
