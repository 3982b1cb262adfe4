/**
 * Hands out the sequence numbers of one exactly-once session.
 *
 * The log remembers the results of a session's last 256 sequences. A repeat older than that would be refused, so a number is
 * only handed out while the oldest one still in doubt is inside the window.
 */
export class Sequencer {
  readonly clientId: number;
  readonly #window: number;
  readonly #open = new Set<number>();
  #next = 1;

  /** @param window at most what the log remembers per session. */
  constructor(clientId: number, window = 256) {
    this.clientId = clientId;
    this.#window = window;
  }

  /** Null while the window is full. */
  take(): number | null {
    if (this.#next - this.#oldest() >= this.#window) return null;
    const sequence = this.#next++;
    this.#open.add(sequence);
    return sequence;
  }

  /** Its outcome is known, or nobody will ask for it again. */
  settle(sequence: number): void {
    this.#open.delete(sequence);
  }

  get inDoubt(): number {
    return this.#open.size;
  }

  // Insertion order is the order of the numbers.
  #oldest(): number {
    for (const sequence of this.#open) return sequence;
    return this.#next;
  }
}
