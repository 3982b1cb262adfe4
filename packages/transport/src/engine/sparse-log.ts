/** What may happen very often, and should be seen: a flood of it must not become a flood of lines. */
import { type Logger, silentLogger } from '@cluster/core';
import type { Refusal } from '../core/refusal.ts';
import { reasonLabel } from '../errors.ts';

const everyMs = 1000;

export class SparseLog {
  readonly #logger: Logger;
  readonly #loggedMs = new Map<string, number>();

  constructor(logger: Logger = silentLogger) {
    this.#logger = logger;
  }

  /** One line a second for each reason. */
  warn(
    message: string,
    { code, reason }: Refusal,
    nowMs: number,
    about: Readonly<Record<string, unknown>> = {},
  ): void {
    const label = reasonLabel(code);
    if (nowMs - (this.#loggedMs.get(label) ?? -Infinity) < everyMs) return;
    this.#loggedMs.set(label, nowMs);
    this.#logger.log('warn', message, { code, reason, ...about });
  }
}
