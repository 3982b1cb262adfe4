import type { Clock } from '@cluster/core';
import type { RaftChannel } from '../../src/index.ts';

/** Channels between named nodes, with a delay and cuts. */
export class TestNetwork {
  readonly #clock: Clock;
  readonly #receivers = new Map<string, (from: string, bytes: Uint8Array) => void>();
  readonly #cut = new Set<string>();
  delayMs = 1;
  sent = 0;
  /** Sees every message; false drops it. */
  filter: (from: string, to: string, bytes: Uint8Array) => boolean = () => true;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  channel(node: string): RaftChannel {
    return {
      send: (to, bytes) => {
        this.sent++;
        if (!this.filter(node, to, bytes)) return;
        this.#clock.setTimer(this.delayMs, () => {
          if (!this.#cut.has(node) && !this.#cut.has(to)) this.#receivers.get(to)?.(node, bytes);
        });
      },
      onMessage: (receive) => void this.#receivers.set(node, receive),
    };
  }

  /** Delivers bytes as if `from` had sent them. */
  inject(from: string, to: string, bytes: Uint8Array): void {
    this.#receivers.get(to)?.(from, bytes);
  }

  cut(node: string): void {
    this.#cut.add(node);
  }

  mend(node: string): void {
    this.#cut.delete(node);
  }
}
