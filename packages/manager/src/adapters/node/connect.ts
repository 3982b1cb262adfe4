/** A client on Node: dials with a certificate of role `client`, and listens nowhere. */
import { randomInt } from 'node:crypto';
import { type Address, type Logger, MetricsRegistry, silentLogger } from '@cluster/core';
import { systemClock } from '@cluster/core/node';
import { startTransport } from '@cluster/transport/node';
import { ClusterClient as PortableClient } from '../../client.ts';
import { parseAddress } from '../../config.ts';
import { asClusterError, managerError } from '../../errors.ts';
import { identityIn, loadTls, type TlsInput } from '../../node/tls.ts';
import { messengerComponent } from '../messenger.ts';
import { codecHashes } from './open.ts';

export interface ConnectOptions {
  readonly clusterName: string;
  /** Authority, client certificate and key: PEM text or paths of PEM files. */
  readonly tls: TlsInput;
  /** Nodes that may be asked, with their transport addresses (`host:port` or in two parts). */
  readonly nodes: readonly { readonly nodeId: string; readonly address: string | Address }[];
  /** How long the first connection may take. Default 5,000 ms. */
  readonly connectTimeoutMs?: number;
  /** Deadline of a query that names none. Default 10,000 ms. */
  readonly queryTimeoutMs?: number;
  /** How long one node may take before the next is asked. Default 2,000 ms. */
  readonly attemptTimeoutMs?: number;
  readonly logger?: Logger;
}

export class ClusterClient extends PortableClient {
  /**
   * Connects to at least one of the nodes.
   * @throws ClusterError `MANAGER_CONNECT_FAILED`, `MANAGER_CERTIFICATE_UNREADABLE`, or what all the nodes refused it for.
   */
  static async connect(options: ConnectOptions): Promise<ClusterClient> {
    const { clusterName, connectTimeoutMs = 5000, logger = silentLogger } = options;
    const addresses = new Map(
      options.nodes.map(({ nodeId, address }) => [
        nodeId,
        typeof address === 'string' ? parseAddress(address) : address,
      ]),
    );
    if (addresses.size === 0)
      throw managerError('MANAGER_CONNECT_FAILED', 'No node was given.', { retry: 'useless' });
    const tls = await loadTls(options.tls);
    const identity = identityIn(tls.cert);
    const registry = new MetricsRegistry();
    const transport = await startTransport(
      {
        nodeId: identity?.id ?? 'client',
        clusterName,
        tls,
        bind: null,
        codecHashes: { manager: codecHashes.manager },
      },
      { directory: { lookup: (nodeId) => addresses.get(nodeId) }, logger, metrics: registry },
    );
    const messenger = messengerComponent(transport, registry, {});
    // Clients that are all given the same list should not all ask the same node.
    const ids = [...addresses.keys()];
    const first = randomInt(ids.length);
    const nodes = [...ids.slice(first), ...ids.slice(0, first)];
    try {
      await Promise.any(nodes.map((nodeId) => messenger.ping(nodeId, { timeoutMs: connectTimeoutMs })));
    } catch (error) {
      await messenger.close();
      throw connectFailed(error);
    }
    const { queryTimeoutMs = 10_000, attemptTimeoutMs = 2000 } = options;
    return new ClusterClient({ clock: systemClock, messenger, nodes, queryTimeoutMs, attemptTimeoutMs });
  }
}

function connectFailed(error: unknown): Error {
  const errors = (error instanceof AggregateError ? error.errors : [error]).map((one) => asClusterError(one));
  const [first] = errors;
  // What every node says alike is the answer; refusals by certificate are told by their own code.
  if (first !== undefined && first.fault === 'peer' && errors.every(({ code }) => code === first.code))
    return first;
  const reasons = errors.map(({ message }) => message).join(' ');
  return managerError('MANAGER_CONNECT_FAILED', `No node could be connected to. ${reasons}`, {
    cause: first,
  });
}
