/** Says in time what will expire: the certificate of this node, one between it and an authority, or an authority. In the log, and as metrics. */
import type { X509Certificate } from 'node:crypto';
import {
  type Clock,
  type Logger,
  type Metrics,
  silentLogger,
  type TimerHandle,
  type WallClock,
} from '@cluster/core';
import { readAuthorities, readChain, type TlsCredentials } from './credentials.ts';

export interface CertificateWatchOptions {
  readonly warnMs: number;
  readonly clock: Clock;
  readonly wallClock: WallClock;
  readonly logger?: Logger | undefined;
  readonly metrics?: Metrics | undefined;
}

/** Often enough for a certificate that lives a day. */
const everyMs = 3_600_000;

export class CertificateWatch {
  readonly #options: CertificateWatchOptions;
  #expiresAtMs = 0;
  /** Others on which this node's standing rests. */
  #others: readonly { readonly what: string; readonly subject: string; readonly expiresAtMs: number }[] = [];
  #timer: TimerHandle | null = null;

  constructor(options: CertificateWatchOptions) {
    this.#options = options;
  }

  get expiresAtMs(): number {
    return this.#expiresAtMs;
  }

  /** Watches these from now on. */
  watch(tls: TlsCredentials): void {
    const [own, ...between] = readChain(tls);
    const other = (what: string) => (certificate: X509Certificate) => ({
      what,
      subject: certificate.subject,
      expiresAtMs: endOf(certificate),
    });
    this.#expiresAtMs = own === undefined ? 0 : endOf(own);
    this.#others = [
      ...between.map(other('a certificate of the chain')),
      ...readAuthorities(tls).map(other('an authority')),
    ];
    this.#look();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  readonly #look = (): void => {
    const { clock, wallClock, logger = silentLogger, metrics, warnMs } = this.#options;
    const leftMs = this.#expiresAtMs - wallClock.nowMs();
    metrics
      ?.gauge('certificate_expires_seconds', { help: "Seconds until this node's certificate expires." })
      .set(Math.floor(leftMs / 1000));
    if (leftMs <= warnMs) {
      logger.log('warn', leftMs > 0 ? 'the certificate expires soon' : 'the certificate has expired', {
        expires: new Date(this.#expiresAtMs).toISOString(),
        advice: 'rotate it',
      });
    }
    let leastMs = Infinity;
    for (const { what, subject, expiresAtMs } of this.#others) {
      const othersMs = expiresAtMs - wallClock.nowMs();
      leastMs = Math.min(leastMs, othersMs);
      if (othersMs > warnMs) continue;
      const expires = new Date(expiresAtMs).toISOString();
      const message = `${what} ${othersMs > 0 ? 'expires soon' : 'has expired'}`;
      logger.log('warn', message, { subject, expires, advice: 'rotate to another' });
    }
    metrics
      ?.gauge('authority_expires_seconds', {
        help: 'Seconds until the first authority, or certificate between one and that of this node, expires.',
      })
      .set(Math.floor(leastMs / 1000));
    this.#timer?.cancel();
    this.#timer = clock.setTimer(everyMs, this.#look);
  };
}

const endOf = ({ validTo }: X509Certificate): number => Date.parse(validTo);
