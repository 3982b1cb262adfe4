/** Opens what a node is made of, in the order in which one needs another; on any failure closes what was opened. */
import { Balancer } from '@cluster/balancer';
import {
  type Address,
  ClusterError,
  describeError,
  formatAddress,
  type Logger,
  type MetricsRegistry,
  type Tracer,
} from '@cluster/core';
import { systemClock, systemRandom } from '@cluster/core/node';
import { HealthMonitor } from '@cluster/health';
import { raftCodecHash } from '@cluster/raft';
import type { Swim, SwimConfigInput } from '@cluster/swim';
import { startSwim } from '@cluster/swim/node';
import type { Transport } from '@cluster/transport';
import { startTransport } from '@cluster/transport/node';
import { messageCodecHash } from '../../codec.ts';
import type { Components, OnComponentFailed } from '../../components.ts';
import { isWildcard, type ManagerConfig } from '../../config.ts';
import { throwIfAborted } from '../../errors.ts';
import { takeDataFolder } from '../../node/data-folder.ts';
import type { LoadedTls } from '../../node/tls.ts';
import { tagNames } from '../../node-info.ts';
import type { StateMachine } from '../../ports.ts';
import { balancerComponent } from '../balancer.ts';
import { MemberDirectory } from '../directory.ts';
import { membershipComponent } from '../membership.ts';
import { messengerComponent } from '../messenger.ts';
import { pathsComponent, transportProber } from '../paths.ts';
import { raftChannel } from '../raft-channel.ts';
import { scopedMetrics } from '../scoped-metrics.ts';
import { Logs } from './open-log.ts';

export interface OpenInput {
  readonly nodeId: string;
  readonly config: ManagerConfig;
  readonly tls: LoadedTls;
  readonly gossipKeys: readonly string[];
  readonly stateMachine: StateMachine;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly tracer: Tracer | undefined;
  readonly bootId: string;
}

/** Compared in the transport's handshake. */
export const codecHashes = { manager: messageCodecHash, raft: raftCodecHash };

const scopes = { gossip: { part: 'gossip' }, transport: { part: 'transport' } };

export async function openComponents(
  input: OpenInput,
  signal: AbortSignal,
  onFailed: OnComponentFailed,
): Promise<Components> {
  const { config, metrics, logger, tracer, nodeId } = input;
  const closers: (() => Promise<void> | void)[] = [];
  const broken = (error: unknown): void => {
    if (ClusterError.is(error)) onFailed(error);
    else logger.log('error', describeError(error));
  };
  try {
    const folder = config.dataDir === undefined ? null : await takeDataFolder(config.dataDir, nodeId);
    if (folder !== null) closers.push(() => folder.release());
    throwIfAborted(signal);

    const directory = new MemberDirectory(config.peers);
    const transport = await openTransport(input, directory);
    closers.push(() => transport.close());
    const messenger = messengerComponent(transport, metrics, scopes.transport);
    throwIfAborted(signal);

    const swim = await openSwim(input, transport.local);
    closers.push(() => swim.stop());
    const membership = membershipComponent(swim, systemClock, metrics, scopes.gossip, broken);
    directory.learnAll(membership.members());
    membership.onEvent((change) => {
      if (change.type === 'Overflow') directory.learnAll(membership.members());
      else directory.learn(change);
    });
    throwIfAborted(signal);

    const logs = new Logs(input, raftChannel(transport));
    const log = await logs.open(input.stateMachine, broken);
    if (log !== null) closers.push(() => log.stop());
    throwIfAborted(signal);
    const quorum = await logs.openQuorum(swim, messenger, log, input.bootId, broken);
    if (quorum !== null) closers.push(() => quorum.stop());
    throwIfAborted(signal);

    const { datacenter, rack, strategy } = config;
    const balancer = new Balancer(
      {
        nodeId,
        strategy,
        ...(datacenter === '' ? {} : { datacenter }),
        ...(rack === '' ? {} : { rack }),
        ...config.balancer,
      },
      { clock: systemClock, seed: systemRandom.u32(), metrics, logger, tracer },
    );
    closers.push(() => balancer.stop());
    const monitor = new HealthMonitor(
      { nodeId, ...config.health },
      {
        clock: systemClock,
        prober: transportProber(messenger, 2000),
        seed: systemRandom.u32(),
        metrics,
        logger,
        tracer,
      },
    );
    return {
      membership,
      messenger,
      log,
      quorum,
      balancer: balancerComponent(balancer),
      paths: pathsComponent(monitor),
      release: async () => folder?.release(),
    };
  } catch (error) {
    for (const close of closers.toReversed()) {
      try {
        await close();
      } catch (cause) {
        logger.log('warn', 'a component did not close cleanly', { error: describeError(cause) });
      }
    }
    throw error;
  }
}

function openTransport(
  { config, nodeId, tls, logger, metrics, tracer }: OpenInput,
  directory: MemberDirectory,
): Promise<Transport> {
  return startTransport(
    {
      ...config.messaging,
      nodeId,
      clusterName: config.clusterName,
      tls,
      bind: config.transport.bind ?? { host: config.bind.host, port: 0 },
      codecHashes,
    },
    { directory, logger, metrics: scopedMetrics(metrics, scopes.transport), tracer },
  );
}

function openSwim(input: OpenInput, transportLocal: Address): Promise<Swim> {
  const { config, nodeId, gossipKeys, logger, metrics, tracer } = input;
  const { bind, advertise, dataDir } = config;
  const settings: SwimConfigInput = {
    // Pools of other clusters that are reached by mistake are refused by their label.
    label: config.clusterName,
    ...config.swim,
    name: nodeId,
    // Gossip is bound by address: names are for seeds.
    bind: bind.host === 'localhost' ? { host: '127.0.0.1', port: bind.port } : bind,
    tags: tagsOf(input, transportLocal),
    gossipKeys: [...gossipKeys],
    ...(advertise === undefined ? {} : { advertise }),
    ...(dataDir === undefined ? {} : { dataDir }),
  };
  return startSwim(settings, { logger, metrics: scopedMetrics(metrics, scopes.gossip), tracer });
}

function tagsOf({ config, bootId }: OpenInput, local: Address): Record<string, string> {
  const { advertise } = config;
  const host = isWildcard(local.host) ? (advertise?.host ?? local.host) : local.host;
  const tags: Record<string, string> = {
    ...config.metadata,
    [tagNames.transport]: formatAddress(config.transport.advertise ?? { host, port: local.port }),
    [tagNames.boot]: bootId,
  };
  if (config.datacenter !== '') tags[tagNames.datacenter] = config.datacenter;
  if (config.rack !== '') tags[tagNames.rack] = config.rack;
  if (config.capacity !== 1) tags[tagNames.capacity] = String(config.capacity);
  if (config.version !== '') tags[tagNames.version] = config.version;
  return tags;
}
