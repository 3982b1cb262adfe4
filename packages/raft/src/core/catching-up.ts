/**
 * How much a follower that is far behind gets between two heartbeats.
 *
 * It could take all at once, and would: entries that wait in the log cost a follower as much as those that are new, and their reader has
 * no client to wait for. On machines that are busy with what is proposed meanwhile, that comes out of the puts of everybody. So as long
 * as the others commit without it, it gets what they have committed, and of what it lacks a share that brings it back in some time. When
 * nobody commits anything, because nothing is proposed or because it is this follower that the rest wait for, there is nothing to spare.
 */
import type { Shared } from './state.ts';

export interface CatchingUpCheckpoint {
  readonly commitIndex: number;
  readonly committedBytes: number;
}

export class CatchingUp {
  readonly #shared: Shared;
  // At the last heartbeat.
  #commitIndex = 0;
  // Between the last two.
  #committedBytes = 0;

  constructor(shared: Shared) {
    this.#shared = shared;
  }

  /** A lead begins. */
  begin(): void {
    this.#commitIndex = this.#shared.commitIndex;
    this.#committedBytes = 0;
  }

  /** A heartbeat has passed. */
  beat(): void {
    const { log, commitIndex } = this.#shared;
    const from = Math.max(this.#commitIndex, log.base.index);
    this.#committedBytes = log.bytesAfter(from) - log.bytesAfter(commitIndex);
    this.#commitIndex = commitIndex;
  }

  /** Bytes for the follower that gets the entry at `next` next, until the next heartbeat; null: as many as its window takes. */
  allowance(next: number): number | null {
    const { log, commitIndex, config } = this.#shared;
    const lackedBytes = log.bytesAfter(next - 1) - log.bytesAfter(commitIndex);
    if (this.#committedBytes === 0 || lackedBytes <= config.appendBytesMax) return null;
    return this.#committedBytes + (lackedBytes * config.heartbeatMs) / config.catchUpMs;
  }

  checkpoint(): CatchingUpCheckpoint {
    return { commitIndex: this.#commitIndex, committedBytes: this.#committedBytes };
  }

  restore({ commitIndex, committedBytes }: CatchingUpCheckpoint): void {
    this.#commitIndex = commitIndex;
    this.#committedBytes = committedBytes;
  }
}
