/** Keeps the members known on disk, so that after a restart the pool is found without seeds. */
import type { Clock, Logger, TimerHandle } from '@cluster/core';
import type { MemberEventType, SavedPeer } from '../member.ts';
import type { PeerStore } from '../ports.ts';
import { LatestWriter } from './latest-writer.ts';

export interface PeerMemoryOptions {
  readonly store: PeerStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Those to remember now. */
  readonly peers: () => readonly SavedPeer[];
}

// News comes in bursts: a pool of a thousand met at once is one write. What is newer than this is lost in a crash.
const settleMs = 500;
const remembered: ReadonlySet<MemberEventType> = new Set(['Joined', 'Updated', 'Dead', 'Left', 'Reaped']);

export class PeerMemory {
  readonly #options: PeerMemoryOptions;
  readonly #writer: LatestWriter<readonly SavedPeer[]>;
  #timer: TimerHandle | null = null;
  #closed = false;

  constructor(options: PeerMemoryOptions) {
    this.#options = options;
    this.#writer = new LatestWriter((peers, done) => options.store.store(peers, done));
  }

  noticed(notice: MemberEventType): void {
    if (this.#closed || this.#timer !== null || !remembered.has(notice)) return;
    this.#timer = this.#options.clock.setTimer(settleMs, () => {
      this.#timer = null;
      this.#write(this.#options.peers());
    });
  }

  /** We have left: who leaves does not come back by itself. */
  forget(): void {
    this.#end();
    this.#write([]);
  }

  /** News that has not settled yet is written now. @param done called when it is on disk, or could not be written. */
  close(done: () => void): void {
    if (this.#end()) this.#write(this.#options.peers());
    this.#writer.idle(done);
  }

  /** @returns whether there was news to write. */
  #end(): boolean {
    const hadNews = this.#timer !== null;
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = null;
    return hadNews;
  }

  #write(peers: readonly SavedPeer[]): void {
    this.#writer.write(peers, (outcome) => {
      if (!outcome.ok)
        this.#options.logger.log('warn', `The members known were not stored: ${outcome.error.line}`);
    });
  }
}
