/** Tells listeners that peers come and go. A listener that throws is its own problem. */
import { describeError, type Logger } from '@cluster/core';
import type { LineEvent } from './types.ts';

export class PeerEvents {
  readonly #logger: Logger;
  readonly #listeners = new Set<(event: LineEvent) => void>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  subscribe(listener: (event: LineEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  publish(event: LineEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#logger.log('error', 'a peer listener threw', { error: describeError(error) });
      }
    }
  }
}
