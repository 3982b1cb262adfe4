import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CertificateAndKey } from '@cluster/manager/certificates';
import { Command } from 'commander';
import type { MakeCommand } from '../context.ts';
import { integer } from '../usage.ts';

interface Options {
  readonly cluster: string;
  readonly nodes: string;
  readonly clients: string;
  readonly hosts: string;
  readonly days: number;
}

const list = (text: string): string[] => text.split(',').filter((part) => part !== '');

export const certsCommand: MakeCommand = ({ err }, done) =>
  new Command('certs')
    .description(
      'make an authority, certificates and a gossip key in a folder; the authority there is used again',
    )
    .argument('<folder>', 'where to; made when absent, for your eyes only')
    .option('--cluster <name>', 'cluster name', 'cluster')
    .option('--nodes <ids>', 'node ids, separated by commas', '')
    .option('--clients <ids>', 'client ids, separated by commas', '')
    .option('--hosts <names>', 'host names and addresses besides loopback, separated by commas', '')
    .option('--days <n>', 'how long they are valid', integer(1, 3650), 365)
    .action(async (folder: string, { cluster, nodes, clients, hosts, days }: Options) => {
      const { createAuthority, issueClientCertificate, issueNodeCertificate } =
        await import('@cluster/manager/certificates');
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const authority =
        (await existing(folder)) ?? (await createAuthority({ name: `authority of ${cluster}` }));
      await save(folder, 'authority', authority);
      const common = { clusterName: cluster, hosts: list(hosts), days };
      for (const nodeId of list(nodes))
        await save(folder, nodeId, await issueNodeCertificate(authority, { ...common, nodeId }));
      for (const clientId of list(clients))
        await save(folder, clientId, await issueClientCertificate(authority, { ...common, clientId }));
      // `wx`: the cluster's key is not replaced under its feet.
      await writeFile(join(folder, 'gossip.key'), `${randomBytes(32).toString('base64')}\n`, {
        mode: 0o600,
        flag: 'wx',
      }).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
      });
      err(
        `authority, ${list(nodes).length + list(clients).length} certificates and gossip.key are in ${folder}\n`,
      );
      done(0);
    });

async function save(folder: string, name: string, { cert, key }: CertificateAndKey): Promise<void> {
  await writeFile(join(folder, `${name}.crt`), cert, { mode: 0o600 });
  await writeFile(join(folder, `${name}.key`), key, { mode: 0o600 });
}

async function existing(folder: string): Promise<CertificateAndKey | null> {
  try {
    const read = (end: string): Promise<string> => readFile(join(folder, `authority.${end}`), 'utf8');
    return { cert: await read('crt'), key: await read('key') };
  } catch {
    return null;
  }
}
