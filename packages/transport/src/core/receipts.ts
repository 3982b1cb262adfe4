/** What has come of a session, and what its sender has not been told of that yet. */
import { ahead } from './sequence.ts';

// So much goes unacknowledged while nothing is sent back: a good part of the least that a peer may have under way.
const everyMessages = 512;
const everyBytes = 131_072;

export class Receipts {
  /** The number of the last frame that has come in order. */
  last = 0;
  /** Its sender has asked to be told at once, or has waited for long enough. */
  isWanted = false;
  #messages = 0;
  #bytes = 0;

  /** Judges the number of a frame that came in. */
  accept(sequence: number, bytes: number, isWanted: boolean): 'new' | 'duplicate' | 'gap' {
    const distance = ahead(sequence, this.last);
    if (distance > 1) return 'gap';
    this.#messages++;
    this.#bytes += bytes;
    if (isWanted) this.isWanted = true;
    if (distance <= 0) return 'duplicate';
    this.last = sequence;
    return 'new';
  }

  get isOwed(): boolean {
    return this.#messages > 0;
  }

  /** It is time, even if nothing else is to be sent. */
  get isDue(): boolean {
    return this.isWanted || this.#messages >= everyMessages || this.isUrgent;
  }

  /** So much is owed that the sender may be waiting for it. */
  get isUrgent(): boolean {
    return this.#bytes >= everyBytes;
  }

  told(): void {
    this.isWanted = false;
    this.#messages = 0;
    this.#bytes = 0;
  }
}
