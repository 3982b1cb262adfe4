/** The manager on Node: real sockets, TLS and disk. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { type Logger, MetricsRegistry, RingRecorder, Tracer } from '@cluster/core';
import { lineLogger, systemClock, systemWallClock } from '@cluster/core/node';
import { isLoopback, type ManagerConfig, type ManagerConfigInput, parseManagerConfig } from '../../config.ts';
import { managerError } from '../../errors.ts';
import { ClusterNetworkManager as PortableManager } from '../../manager.ts';
import { identityIn, type LoadedTls, loadTls } from '../../node/tls.ts';
import type { Database, StateMachine } from '../../ports.ts';
import { volatileStateMachine } from '../../state-machine.ts';
import { codecHashes, openComponents } from './open.ts';

export interface CreateOptions extends ManagerConfigInput {
  /** Executes queries and applies writes. */
  readonly database?: Database;
  /** Applies proposed commands where there is no database. Default: commands are agreed on and have no result. */
  readonly stateMachine?: StateMachine;
  /** Default: warnings and errors to standard error. */
  readonly logger?: Logger;
  /** Default: one of its own. */
  readonly metrics?: MetricsRegistry;
}

export class ClusterNetworkManager extends PortableManager {
  /**
   * Checks the configuration and the certificates; opens nothing yet. Without arguments: a node on loopback with free ports, a
   * generated id, a certificate of this user's development authority, and a log in memory.
   * @throws ClusterError `MANAGER_CONFIG_INVALID`, `MANAGER_TLS_REQUIRED`, `MANAGER_CERTIFICATE_UNREADABLE`,
   * `MANAGER_AUTHORITY_UNREADABLE`
   */
  static async create(options: CreateOptions = {}): Promise<ClusterNetworkManager> {
    const {
      database,
      stateMachine,
      logger = standardErrorLogger(),
      metrics = new MetricsRegistry(),
      ...input
    } = options;
    const config = parseManagerConfig(input);
    if (database !== undefined && stateMachine !== undefined) {
      throw managerError(
        'MANAGER_CONFIG_INVALID',
        'database and stateMachine were both given: a database applies its own log.',
      );
    }
    const { nodeId, tls, gossipKeys } = await identify(config);
    const recorder = config.trace.steps === 0 ? null : new RingRecorder(config.trace.steps);
    const tracer = recorder === null ? undefined : new Tracer({ sink: recorder, checkpointBytesMax });
    const opening = {
      nodeId,
      config,
      tls,
      gossipKeys,
      stateMachine: database?.stateMachine ?? stateMachine ?? volatileStateMachine(),
      logger,
      metrics,
      tracer,
      bootId: randomBytes(6).toString('hex'),
    };
    return new ClusterNetworkManager({
      nodeId,
      config,
      database: database ?? null,
      clock: systemClock,
      wallClock: systemWallClock,
      logger,
      metrics,
      tracer,
      recorder,
      versions: {
        node: process.version,
        'manager messages': codecHashes.manager,
        'raft messages': codecHashes.raft,
      },
      utilization: eventLoopUtilization(),
      open: (signal, onFailed) => openComponents(opening, signal, onFailed),
      writeFile: (path, text) => writeFile(path, text, { mode: 0o600 }),
    });
  }
}

// Some milliseconds of work; a log that has grown beyond it would hold up heartbeats.
const checkpointBytesMax = 256 * 1024;

interface Identity {
  readonly nodeId: string;
  readonly tls: LoadedTls;
  readonly gossipKeys: readonly string[];
}

async function identify(config: ManagerConfig): Promise<Identity> {
  if (config.tls !== undefined) {
    const tls = await loadTls(config.tls);
    const nodeId = config.nodeId ?? identityIn(tls.cert)?.id ?? generatedId();
    return { nodeId, tls, gossipKeys: config.gossipKeys ?? [] };
  }
  const { bind, advertise, transport } = config;
  const exposed = [bind, advertise, transport.bind, transport.advertise].find(
    (address) => address !== undefined && !isLoopback(address.host),
  );
  if (exposed !== undefined) {
    throw managerError(
      'MANAGER_TLS_REQUIRED',
      `${exposed.host} is reachable from elsewhere, and there is no certificate.`,
    );
  }
  const nodeId = config.nodeId ?? generatedId();
  // A node that has a certificate never loads what signs one.
  const { developmentIdentity } = await import('../../node/development.ts');
  const { tls, gossipKey } = await developmentIdentity(config.clusterName, nodeId);
  return { nodeId, tls: { ...tls, ca: [tls.ca] }, gossipKeys: config.gossipKeys ?? [gossipKey] };
}

const generatedId = (): string => `node-${randomBytes(5).toString('hex')}`;

const standardErrorLogger = (): Logger => lineLogger((line) => void process.stderr.write(line), 'warn');

/** The event loop's busy share, over the time since the last look but at least a tenth of a second. */
function eventLoopUtilization(): () => number {
  let last = performance.eventLoopUtilization();
  let lookedMs = performance.now();
  let utilization = 0;
  return () => {
    const nowMs = performance.now();
    if (nowMs - lookedMs < 100) return utilization;
    const now = performance.eventLoopUtilization();
    utilization = performance.eventLoopUtilization(now, last).utilization;
    last = now;
    lookedMs = nowMs;
    return utilization;
  };
}
