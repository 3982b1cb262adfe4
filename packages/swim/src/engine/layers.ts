/**
 * What runs on top of membership: Serf's layer, and the maps of all members; or a delegate of the application in the place of both,
 * and what it has to say.
 */
import type { Address, Logger } from '@cluster/core';
import type { SwimConfig } from '../config.ts';
import type { SwimInput } from '../core/effects.ts';
import type { Member, UserEvent } from '../member.ts';
import type { SwimMetrics } from '../metrics.ts';
import type { SwimPorts } from '../ports.ts';
import { encodeStreamUser, envelopeBytes, type WireOptions } from '../wire.ts';
import type { Gate } from './gate.ts';
import type { GossipKeys } from './gossip-keys.ts';
import { InternalQueries } from './internal-queries.ts';
import { MetadataLayer } from './metadata-layer.ts';
import { SerfLayer } from './serf-layer.ts';
import { UserMessages } from './user-messages.ts';

export interface LayersParts {
  readonly config: SwimConfig;
  readonly ports: SwimPorts;
  readonly wire: WireOptions;
  readonly logger: Logger;
  readonly metrics: SwimMetrics;
  readonly keys: GossipKeys;
  readonly gate: Gate;
  readonly members: () => readonly Member[];
  readonly isRunning: () => boolean;
  readonly dispatch: (input: SwimInput) => void;
  /** Sends a message over a stream of its own. */
  readonly tell: (to: Address, body: Uint8Array) => void;
  readonly onUserEvent: (event: UserEvent) => void;
  readonly onNameLost: () => void;
  readonly onBug: (error: unknown) => void;
}

export interface Layers {
  readonly serf: SerfLayer | null;
  readonly metadata: MetadataLayer | null;
  readonly messages: UserMessages;
}

export function makeLayers(parts: LayersParts): Layers {
  const { config, ports } = parts;
  const hasDelegate = ports.delegate !== undefined;
  return {
    serf: config.serf.enabled && !hasDelegate ? serfLayer(parts) : null,
    metadata: config.metadata.enabled && !hasDelegate ? metadataLayer(parts) : null,
    messages: new UserMessages({ ...parts, hasDelegate }),
  };
}

function serfLayer(parts: LayersParts): SerfLayer {
  const { config, ports, logger, metrics, keys, gate, members, dispatch, onUserEvent, onNameLost, onBug } =
    parts;
  const { clock, seed, tracer } = ports;
  return new SerfLayer({
    config,
    seed,
    clock,
    tracer,
    internal: new InternalQueries({
      keys,
      named: (name) => members().find((member) => member.name === name && name !== config.name),
      acceptRemoteKeys: config.keyring.acceptRemote,
      onKeysChanged: () => logger.log('info', 'The gossip keys were changed by the pool.'),
    }),
    dispatchSwim: dispatch,
    allows: (address) => gate.allows(address),
    onUserEvent,
    onLeaveAnnounced: () => dispatch({ type: 'LEAVE' }),
    onNameLost,
    countRejected: (reason) => metrics.rejected('packets', reason),
    onBug,
  });
}

function metadataLayer({ config, ports, wire, metrics, dispatch, tell, onBug }: LayersParts): MetadataLayer {
  const { clock, seed, tracer } = ports;
  return new MetadataLayer({
    config,
    seed,
    clock,
    tracer,
    envelopeBytes: envelopeBytes(wire),
    dispatchSwim: dispatch,
    tellOverStream: (to, payload) => tell(to, encodeStreamUser(payload)),
    countRejected: (reason) => metrics.rejected('packets', reason),
    onBug,
  });
}
