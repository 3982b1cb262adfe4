/**
 * The development authority: what makes `create()` work without a word about certificates.
 *
 * One authority and one gossip key per user and machine, kept where only that user can read them, so that any two nodes this
 * user starts on loopback trust each other and nobody else's do. It is for development: nothing limits what it signs, and it
 * must not be used beyond loopback, which the manager enforces.
 */
import { randomBytes } from 'node:crypto';
import { chmod, link, lstat, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { asClusterError, managerError } from '../errors.ts';
import {
  type CertificateAndKey,
  createAuthority,
  isCurrent,
  type IssuedIdentity,
  issueNodeCertificate,
} from './authority.ts';

export interface DevelopmentSecrets {
  readonly authority: CertificateAndKey;
  /** Base64, 32 bytes. */
  readonly gossipKey: string;
}

const fileName = 'development-authority.json';

/** The user's cache folder by the platform's custom; without a home, a folder of the user's own among the temporary ones. */
export function developmentFolder(): string {
  const { env, platform } = process;
  const home = env['HOME'] ?? homedir();
  if (env['XDG_CACHE_HOME']) return join(env['XDG_CACHE_HOME'], 'cluster');
  if (platform === 'win32' && env['LOCALAPPDATA']) return join(env['LOCALAPPDATA'], 'cluster');
  if (platform === 'darwin' && home) return join(home, 'Library', 'Caches', 'cluster');
  return home ? join(home, '.cache', 'cluster') : join(tmpdir(), `cluster-${userInfo().uid}`);
}

/**
 * Reads the secrets, or makes them. Of several processes that make them at once one wins, and all use its.
 * @throws ClusterError `MANAGER_AUTHORITY_UNREADABLE`
 */
export async function developmentSecrets(folder: string = developmentFolder()): Promise<DevelopmentSecrets> {
  const path = join(folder, fileName);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await assertPrivate(folder);
    const known = await read(path);
    if (known !== null && isCurrent(known.authority.cert)) return known;
    if (known !== null) await rm(path, { force: true });
    return await make(folder, path);
  } catch (error) {
    const { message } = asClusterError(error, 'MANAGER_AUTHORITY_UNREADABLE');
    throw managerError(
      'MANAGER_AUTHORITY_UNREADABLE',
      `The development authority in ${folder} is of no use: ${message}`,
      {
        cause: error,
      },
    );
  }
}

/** A certificate of this user's development authority, and the gossip key that goes with it. */
export async function developmentIdentity(
  clusterName: string,
  nodeId: string,
): Promise<{ readonly tls: IssuedIdentity; readonly gossipKey: string }> {
  const { authority, gossipKey } = await developmentSecrets();
  return { tls: await issueNodeCertificate(authority, { clusterName, nodeId }), gossipKey };
}

async function make(folder: string, path: string): Promise<DevelopmentSecrets> {
  const secrets: DevelopmentSecrets = {
    authority: await createAuthority({ name: `development authority of ${userInfo().username}` }),
    gossipKey: randomBytes(32).toString('base64'),
  };
  // Written whole under another name, then linked: a reader never sees half of it, and only the first link succeeds.
  const draft = join(folder, `${fileName}.${process.pid}.${randomBytes(6).toString('hex')}`);
  await writeFile(draft, JSON.stringify(secrets), { mode: 0o600, flag: 'wx' });
  try {
    await link(draft, path);
    return secrets;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const winner = await read(path);
    if (winner === null) throw error;
    return winner;
  } finally {
    await rm(draft, { force: true });
  }
}

async function read(path: string): Promise<DevelopmentSecrets | null> {
  let text: string;
  try {
    const stats = await lstat(path);
    if (!stats.isFile()) throw managerError('MANAGER_AUTHORITY_UNREADABLE', `${path} is no regular file.`);
    assertOwn(path, stats.uid);
    if ((stats.mode & 0o077) !== 0 && process.platform !== 'win32') {
      throw managerError('MANAGER_AUTHORITY_UNREADABLE', `${path} can be read by other users.`);
    }
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const parsed = JSON.parse(text) as Partial<DevelopmentSecrets>;
  const { authority, gossipKey } = parsed;
  if (
    typeof authority?.cert === 'string' &&
    typeof authority.key === 'string' &&
    typeof gossipKey === 'string'
  ) {
    return { authority, gossipKey };
  }
  throw managerError('MANAGER_AUTHORITY_UNREADABLE', `${path} holds something else.`);
}

async function assertPrivate(folder: string): Promise<void> {
  const stats = await lstat(folder);
  if (!stats.isDirectory()) throw managerError('MANAGER_AUTHORITY_UNREADABLE', `${folder} is no folder.`);
  assertOwn(folder, stats.uid);
  // An older folder of ours may have been made with a lax umask.
  if ((stats.mode & 0o077) !== 0 && process.platform !== 'win32') await chmod(folder, 0o700);
}

/** A file another user has put there is a trap. */
function assertOwn(path: string, uid: number): void {
  if (process.getuid && uid !== process.getuid()) {
    throw managerError('MANAGER_AUTHORITY_UNREADABLE', `${path} belongs to another user.`);
  }
}
