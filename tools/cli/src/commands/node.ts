import { readFile } from 'node:fs/promises';
import { ClusterError, describeError } from '@cluster/core';
import type { ClusterEvent } from '@cluster/manager';
import type { ClusterNetworkManager, CreateOptions } from '@cluster/manager/node';
import { Command } from 'commander';
import type { Context, MakeCommand } from '../context.ts';

interface Options {
  readonly config?: string;
  readonly id?: string;
  readonly cluster?: string;
  readonly bind?: string;
  readonly join?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly gossipKey?: string;
  readonly data?: string;
  readonly voters?: string;
  readonly trace?: string;
  readonly json?: boolean;
}

export const nodeCommand: MakeCommand = (context, done) =>
  new Command('node')
    .description('run one node until Ctrl-C; without options on loopback, with certificates of your own')
    .option('--config <file>', "JSON with the manager's configuration; the options below override it")
    .option('--id <name>', 'node id')
    .option('--cluster <name>', 'cluster name')
    .option('--bind <host:port>', 'gossip address')
    .option('--join <addresses>', 'gossip addresses of members, separated by commas')
    .option('--ca <file>', 'certificate of the authority (PEM)')
    .option('--cert <file>', "this node's certificate (PEM)")
    .option('--key <file>', "this node's private key (PEM)")
    .option('--gossip-key <file>', 'file with the gossip key in base64')
    .option('--data <folder>', 'durable log and identity')
    .option(
      '--voters <ids>',
      'node ids that vote, separated by commas, the same everywhere; empty: a replica that waits to be added',
    )
    .option(
      '--trace <file>',
      'write the last steps of its protocols there at the end, and at each SIGUSR2; see `step`',
    )
    .option('--json', 'one line of JSON per event')
    .action(async (options: Options) => {
      const { ClusterNetworkManager } = await import('@cluster/manager/node');
      const manager = await ClusterNetworkManager.create(await configuration(options));
      done(await run(manager, options, context));
    });

const list = (text: string | undefined): string[] => text?.split(',').filter((part) => part !== '') ?? [];

async function configuration(options: Options): Promise<CreateOptions> {
  const { config, id, cluster, bind, ca, cert, key, gossipKey, data, voters } = options;
  const base = config === undefined ? {} : ((await readJson(config)) as CreateOptions);
  const tls = ca === undefined && cert === undefined && key === undefined ? undefined : { ca, cert, key };
  const given = {
    nodeId: id,
    clusterName: cluster,
    bind,
    tls,
    gossipKeys: gossipKey === undefined ? undefined : [(await readText(gossipKey)).trim()],
    dataDir: data,
    voters: voters === undefined ? undefined : list(voters),
  };
  const present = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...base, ...(Object.fromEntries(present) as CreateOptions) };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw unreadable(path, error);
  }
}

async function readJson(path: string): Promise<unknown> {
  const text = await readText(path);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw unreadable(path, error);
  }
}

const unreadable = (path: string, error: unknown): ClusterError =>
  new ClusterError({
    code: 'CLI_FILE_UNREADABLE',
    fault: 'caller',
    message: `${path} cannot be used: ${describeError(error)}.`,
    advice: 'Check the path, its permissions and its content.',
    cause: error,
  });

/** Runs until the first SIGINT or SIGTERM, then leaves. */
async function run(
  manager: ClusterNetworkManager,
  { join, trace, json }: Options,
  { out, err }: Context,
): Promise<number> {
  const interrupted = new Promise<void>((resolve) => {
    process.once('SIGINT', resolve).once('SIGTERM', resolve);
  });
  const dump = async (): Promise<void> => {
    if (trace !== undefined) err(`the last steps are in ${await manager.dumpTrace(trace)}\n`);
  };
  process.on('SIGUSR2', () => void dump());
  const feed = print(manager, json === true, out);
  try {
    await manager.start();
    const { host, port } = manager.gossipAddress;
    err(`${manager.nodeId} gossips at ${host}:${port}; Ctrl-C leaves the cluster\n`);
    const seeds = list(join);
    if (seeds.length > 0) await manager.joinCluster(seeds);
    await interrupted;
    await manager.leave();
    return 0;
  } finally {
    await dump();
    await manager.stop();
    await feed;
  }
}

async function print(manager: ClusterNetworkManager, json: boolean, out: Context['out']): Promise<void> {
  for await (const event of manager.subscribeToEvents()) {
    out(json ? `${JSON.stringify(event)}\n` : `${new Date(event.at).toISOString()}  ${describe(event)}\n`);
  }
}

function describe(event: ClusterEvent): string {
  switch (event.type) {
    case 'LeaderChanged':
      return event.leaderId === null
        ? `term ${event.term} has no leader`
        : `${event.leaderId} leads term ${event.term}`;
    case 'RoleChanged':
      return `this node is ${event.role} in term ${event.term}`;
    case 'RosterChanged':
      return `the voters are ${event.voters.join(', ')}`;
    case 'PartitionDetected':
    case 'PartitionHealed':
    case 'QuorumLost':
    case 'QuorumRegained':
      return `${event.type}; missing: ${event.missing.join(', ') || 'nobody'}`;
    case 'StoodDown':
      return `this node stands down: ${event.reason}`;
    case 'TakenOver':
      return `this node has taken over from ${event.nodeIds.join(', ')}`;
    case 'LogFailed':
      return event.error.line;
    case 'PeerUp':
      return `${event.nodeId} is connected`;
    case 'PeerDown':
      return `${event.nodeId} is disconnected: ${event.reason}`;
    case 'MetadataChanged':
      return `${event.nodeId} ${event.value === null ? 'has deleted' : 'says'} ${event.key}`;
    case 'LifecycleChanged':
      return `this node is ${event.state}`;
    case 'Overflow':
      return `${event.dropped} events were missed`;
    case 'Joined':
    case 'Updated':
    case 'Suspect':
    case 'Dead':
    case 'Left':
    case 'Reaped':
      return `${event.node.id} is ${event.type}`;
  }
}
