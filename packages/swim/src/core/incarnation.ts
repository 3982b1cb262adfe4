/**
 * Our own incarnation, and how high it may go before a higher bound has been made durable.
 *
 * A restarted node must start above every incarnation it ever used. Writing each one before it is announced would put the disk in
 * the way of every refutation; so a block is reserved at a time, and only an accusation far above the block has to wait.
 */
export interface IncarnationCheckpoint {
  readonly current: number;
  readonly reserved: number;
  readonly wanted: number | null;
}

export const incarnationMax = 0xffff_ffff;
// A node refutes a few times in its life, seldom a few times in a minute.
export const incarnationBlock = 64;

/** The last number of the block to reserve when `next` is to be used. */
export const blockEnd = (next: number): number => Math.min(incarnationMax, next + incarnationBlock);

export class OwnIncarnation {
  #current = 0;
  #reserved = 0;
  #wanted: number | null = null;

  get current(): number {
    return this.#current;
  }

  /** The number being waited for; null when none is. */
  get wanted(): number | null {
    return this.#wanted;
  }

  start(current: number, reserved: number): void {
    this.#current = current;
    this.#reserved = reserved;
    this.#wanted = null;
  }

  /** Raises it above `above`; false when that has to wait until `wanted` has been reserved. */
  raise(above: number): boolean {
    const next = Math.min(incarnationMax, Math.max(above, this.#current) + 1);
    if (next > this.#reserved) {
      this.#wanted = Math.max(this.#wanted ?? 0, next);
      return false;
    }
    this.#current = next;
    return true;
  }

  /** More is reserved; true when that brought us to the number that was wanted. */
  reserve(end: number): boolean {
    this.#reserved = Math.max(this.#reserved, end);
    if (this.#wanted === null || this.#wanted > this.#reserved) return false;
    this.#current = this.#wanted;
    this.#wanted = null;
    return true;
  }

  checkpoint(): IncarnationCheckpoint {
    return { current: this.#current, reserved: this.#reserved, wanted: this.#wanted };
  }

  restore({ current, reserved, wanted }: IncarnationCheckpoint): void {
    this.#current = current;
    this.#reserved = reserved;
    this.#wanted = wanted;
  }
}
