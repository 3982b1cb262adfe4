/** Says in time that the certificate of this node will expire: in the log, and as a metric. */
import { X509Certificate } from 'node:crypto';
import {
  type Clock,
  type Logger,
  type Metrics,
  silentLogger,
  type TimerHandle,
  type WallClock,
} from '@cluster/core';

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
  #timer: TimerHandle | null = null;

  constructor(options: CertificateWatchOptions) {
    this.#options = options;
  }

  get expiresAtMs(): number {
    return this.#expiresAtMs;
  }

  /** Watches this one from now on. */
  watch(cert: string): void {
    this.#expiresAtMs = Date.parse(new X509Certificate(cert).validTo);
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
    this.#timer?.cancel();
    this.#timer = clock.setTimer(everyMs, this.#look);
  };
}
