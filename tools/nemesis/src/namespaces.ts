/** Network namespaces by the `ip` command, named after the process that owns them, so that what a run leaves behind can be swept. */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { promisify } from 'node:util';
import { ClusterError, describeError } from '@cluster/core';

const run = promisify(execFile);
const folder = '/var/run/netns';

/** A hardware address that belongs to nobody: the second lowest bit of its first byte says that it was made up. */
export const nowhere = '02:00:00:00:ff:ff';

/** @param kind what the network is for, such as `nemesis`. */
export const namespaceName = (kind: string, member: string): string =>
  `cluster-${kind}-${process.pid}-${member}`;

/** @param command its arguments, with one space between. */
export async function ip(command: string): Promise<void> {
  await run('ip', command.split(' '));
}

/** The command to put before a program so that it runs in the namespace; the program takes its place. */
export const inNamespace = (name: string): readonly string[] => ['ip', 'netns', 'exec', name];

/** Now, and safe in an exit handler. */
export function removeNamespace(name: string): void {
  spawnSync('ip', ['netns', 'del', name], { stdio: 'ignore' });
}

/** Removes what runs of that kind have left whose process is gone. */
export function sweepNamespaces(kind: string): void {
  if (!existsSync(folder)) return;
  const ours = new RegExp(String.raw`^cluster-${kind}-(\d+)-`);
  for (const name of readdirSync(folder)) {
    const pid = ours.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) removeNamespace(name);
  }
}

/** Why there can be no namespaces here; null when there can. */
export function whyNoNamespaces(): string | null {
  if (process.platform !== 'linux') return 'network namespaces are a matter of Linux';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  const probe = spawnSync('ip', ['netns', 'list'], { stdio: 'ignore' });
  if (probe.error !== undefined || probe.status !== 0)
    return 'there is no ip command with namespaces (iproute2)';
  const name = namespaceName('probe', 'probe');
  const made = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' });
  removeNamespace(name);
  return made.status === 0 ? null : `namespaces cannot be made here: ${made.stderr.trim()}`;
}

/** @throws ClusterError `NETWORK_SETUP_FAILED` when it cannot be made; nothing is left of it then. */
export async function setUp<N extends { make(): Promise<void>; remove(): void }>(network: N): Promise<N> {
  try {
    await network.make();
    return network;
  } catch (error) {
    network.remove();
    throw new ClusterError({
      code: 'NETWORK_SETUP_FAILED',
      fault: 'environment',
      message: `The network namespaces could not be set up: ${describeError(error)}`,
      advice: 'They need Linux, root, iproute2 and a kernel that allows namespaces, veth and bridges.',
      cause: error,
    });
  }
}
