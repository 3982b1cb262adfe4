import type { Clock } from '@cluster/core';
import { decodeMessage, encodeMessage, type RaftChannel, type RaftMessage } from '../../src/index.ts';

type Tamper = (from: string, to: string, message: RaftMessage) => readonly RaftMessage[];

/** Channels between named nodes, with a delay and cuts. */
export class TestNetwork {
  readonly #clock: Clock;
  readonly #receivers = new Map<string, (from: string, bytes: Uint8Array) => void>();
  readonly #cut = new Set<string>();
  #tamper: Tamper | null = null;
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
        for (const each of this.#tampered(node, to, bytes)) {
          this.#clock.setTimer(this.delayMs, () => {
            if (!this.#cut.has(node) && !this.#cut.has(to)) this.#receivers.get(to)?.(node, each);
          });
        }
      },
      onMessage: (receive) => void this.#receivers.set(node, receive),
    };
  }

  /** Delivers bytes as if `from` had sent them. */
  inject(from: string, to: string, bytes: Uint8Array): void {
    this.#receivers.get(to)?.(from, bytes);
  }

  /** Puts other messages in the place of one, or none. */
  tamper(change: Tamper): void {
    this.#tamper = change;
  }

  #tampered(from: string, to: string, bytes: Uint8Array): readonly Uint8Array[] {
    const decoded = decodeMessage(bytes, bytes.length);
    if (this.#tamper === null || !('message' in decoded)) return [bytes];
    const { groupId } = decoded;
    return this.#tamper(from, to, decoded.message).map((message) => encodeMessage({ groupId, message }));
  }

  cut(node: string): void {
    this.#cut.add(node);
  }

  mend(node: string): void {
    this.#cut.delete(node);
  }
}
