import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import {
  ClusterError,
  type Clock,
  type Logger,
  type Metrics,
  parseConfig,
  type Tracer,
  type WallClock,
} from '@cluster/core';
import { systemClock, systemWallClock } from '@cluster/core/node';
import { type TransportConfigInput, transportConfigSchema } from '../config.ts';
import type { PeerDirectory } from '../ports.ts';
import { nodeDeflate } from './deflate.ts';
import { checkCredentials, type TlsCredentials } from './credentials.ts';
import { NodeTransport } from './node-transport.ts';
import { TlsStreams } from './tls-streams.ts';

export interface StartOptions extends TransportConfigInput {
  readonly tls: TlsCredentials;
}

export interface StartPorts {
  readonly directory: PeerDirectory;
  readonly logger?: Logger | undefined;
  readonly metrics?: Metrics | undefined;
  readonly tracer?: Tracer | undefined;
  /** For tests. */
  readonly clock?: Clock | undefined;
  readonly wallClock?: WallClock | undefined;
}

/**
 * Checks the certificate, listens (unless `bind` is null), and is ready to dial.
 * @throws ClusterError: `TRANSPORT_CONFIG_INVALID`, `TRANSPORT_CERTIFICATE_*`, `TRANSPORT_IDENTITY_MISMATCH`,
 * `TRANSPORT_CLUSTER_MISMATCH`, `TRANSPORT_PORT_IN_USE`, `TRANSPORT_BIND_FAILED`.
 */
export async function startTransport(
  { tls, ...input }: StartOptions,
  ports: StartPorts,
): Promise<NodeTransport> {
  const config = parseConfig(transportConfigSchema, input, 'TRANSPORT_CONFIG_INVALID');
  const { nodeId, clusterName, bind, handshakeTimeoutMs, handshakesMax } = config;
  checkCredentials(tls, { nodeId, clusterName, listens: bind !== null }, ports.wallClock ?? systemWallClock);
  const wallClock = ports.wallClock ?? systemWallClock;
  const streams = new TlsStreams(tls, { handshakeTimeoutMs, handshakesMax });
  const core = {
    clock: ports.clock ?? systemClock,
    streams,
    directory: ports.directory,
    seed: randomBytes(4).readUInt32LE(),
    bootId: randomBytes(12).toString('hex'),
    soon: queueMicrotask,
    defer: (run: () => void) => void setImmediate(run),
    // A plain view: Buffer's own methods differ in what they copy.
    allocate: (bytes: number) => new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer),
    compressor: nodeDeflate(config.compressionLevel),
    logger: ports.logger,
    metrics: ports.metrics,
    tracer: ports.tracer,
  };
  const transport = new NodeTransport(input, config, tls, streams, core, wallClock);
  try {
    return await transport.start();
  } catch (error) {
    await transport.close();
    throw error;
  }
}

/** Reads credentials from PEM files. @throws ClusterError `TRANSPORT_CERTIFICATE_UNREADABLE` naming the file. */
export async function readCredentials(files: {
  readonly ca: string | readonly string[];
  readonly cert: string;
  readonly key: string;
}): Promise<TlsCredentials> {
  const ca = await Promise.all([files.ca].flat().map(read));
  return { ca, cert: await read(files.cert), key: await read(files.key) };
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new ClusterError({
      code: 'TRANSPORT_CERTIFICATE_UNREADABLE',
      fault: 'caller',
      message: `The file ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'}).`,
      advice: 'Check the path, and that this user may read it.',
      cause: error,
    });
  }
}
