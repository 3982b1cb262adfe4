import type { WallClock } from '@cluster/core';
import type { TransportConfig, TransportConfigInput } from '../config.ts';
import type { TransportPorts } from '../ports.ts';
import { Transport } from '../transport.ts';
import { CertificateWatch } from './certificate-watch.ts';
import { checkCredentials, type TlsCredentials } from './credentials.ts';
import type { TlsStreams } from './tls-streams.ts';

/** A transport over TLS whose certificate can be replaced while it runs. */
export class NodeTransport extends Transport {
  readonly #streams: TlsStreams;
  readonly #wallClock: WallClock;
  readonly #watch: CertificateWatch;
  readonly #expected: { readonly nodeId: string; readonly clusterName: string; readonly listens: boolean };

  constructor(
    input: TransportConfigInput,
    config: TransportConfig,
    tls: TlsCredentials,
    streams: TlsStreams,
    ports: TransportPorts,
    wallClock: WallClock,
  ) {
    super(input, ports);
    const { nodeId, clusterName, bind, certificateWarnMs } = config;
    this.#expected = { nodeId, clusterName, listens: bind !== null };
    this.#streams = streams;
    this.#wallClock = wallClock;
    const { clock, logger, metrics } = ports;
    this.#watch = new CertificateWatch({ warnMs: certificateWarnMs, clock, wallClock, logger, metrics });
    this.#watch.watch(tls);
  }

  /** When the certificate of this node expires, in ms since 1970. */
  get certificateExpiresAtMs(): number {
    return this.#watch.expiresAtMs;
  }

  /**
   * Replaces certificate, key and authorities: for every connection from now on. Those that there are are followed by new ones, which
   * carry on with their sessions and streams; only a peer that none of the new authorities has certified is cut off at once, and must
   * come with another certificate. To change the authority of a cluster give both to all nodes first, then new certificates, then,
   * when connections have been renewed, only the new.
   *
   * @throws ClusterError as `startTransport`; then nothing has changed.
   */
  rotate(tls: TlsCredentials): void {
    checkCredentials(tls, this.#expected, this.#wallClock);
    this.#streams.rotate(tls);
    this.#watch.watch(tls);
    this.renew();
  }

  override async close(): Promise<void> {
    this.#watch.stop();
    await super.close();
  }
}
