/** @packageDocumentation Membership on Node: sockets, keys and the incarnation file. */
import type { Logger, Metrics, Tracer } from '@cluster/core';
import {
  fileDisk,
  resolveAddress,
  systemClock,
  systemRandom,
  tcpStreams,
  udpDatagrams,
} from '@cluster/core/node';
import type { SwimConfigInput } from './config.ts';
import { type DatacenterConfigInput, parseDatacenterConfig } from './datacenter/config.ts';
import { Datacenter } from './datacenter/datacenter.ts';
import { keyring } from './node/keyring.ts';
import type { Admission, IncarnationStore, KeyStore, PeerStore, SwimDelegate, SwimPorts } from './ports.ts';
import { diskIncarnations, diskKeys, diskPeers } from './stores.ts';
import { Swim } from './swim.ts';

export { keyring } from './node/keyring.ts';

export interface SwimExtras {
  readonly logger?: Logger | undefined;
  readonly metrics?: Metrics | undefined;
  readonly tracer?: Tracer | undefined;
  /** Each instead of the file in `dataDir`. */
  readonly incarnations?: IncarnationStore | undefined;
  readonly peers?: PeerStore | undefined;
  readonly keys?: KeyStore | undefined;
  readonly delegate?: SwimDelegate | undefined;
  readonly admission?: Admission | undefined;
}

/** The ports that a configuration asks for. @throws ClusterError `SWIM_KEY_INVALID`. */
export function swimPorts(config: SwimConfigInput, extras: SwimExtras = {}): SwimPorts {
  const { gossipKeys = [], dataDir } = config;
  const disk = dataDir === undefined ? null : fileDisk(dataDir);
  const kept = disk && {
    incarnations: diskIncarnations(disk, 'swim'),
    peers: diskPeers(disk, 'swim'),
    keys: diskKeys(disk, 'swim'),
  };
  return {
    clock: systemClock,
    datagrams: udpDatagrams(),
    streams: tcpStreams(),
    seed: systemRandom.u32(),
    cipher: gossipKeys.length === 0 ? undefined : keyring(gossipKeys),
    resolver: { resolve: resolveAddress },
    ...kept,
    ...extras,
  };
}

/**
 * Starts a member of a datacenter, and of the pool between datacenters, on real sockets.
 * @throws ClusterError `SWIM_DATACENTER_CONFIG_INVALID`, or as `startSwim`.
 */
export async function startDatacenter(
  config: DatacenterConfigInput,
  extras: { readonly lan?: SwimExtras; readonly wan?: SwimExtras } = {},
): Promise<Datacenter> {
  const { lan, wan } = parseDatacenterConfig(config);
  return Datacenter.start(config, { lan: swimPorts(lan, extras.lan), wan: swimPorts(wan, extras.wan) });
}

/**
 * Starts a member on real sockets.
 * @throws ClusterError `SWIM_CONFIG_INVALID`, `SWIM_KEY_INVALID`, `SWIM_PORT_IN_USE`, or what the disk or the network says.
 */
export async function startSwim(config: SwimConfigInput, extras: SwimExtras = {}): Promise<Swim> {
  return Swim.start(config, swimPorts(config, extras));
}
