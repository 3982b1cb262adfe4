/** Dissemination: claims wait in a queue and ride on every packet that has room (SWIM 4.1), and on gossip rounds of their own. */
import type { Address, Sink } from '@cluster/core';
import { type Broadcast, Broadcasts, type BroadcastsCheckpoint } from './broadcasts.ts';
import type { SwimEffect } from './effects.ts';
import type { Claim, Message } from './messages.ts';
import type { Pool } from './pool.ts';
import { retransmitLimit } from './scaling.ts';

// Of a compound: type and count, then a length for each part.
const compoundBytes = 2;
const partBytes = 2;
const partsMax = 255;

export class Gossip {
  readonly #pool: Pool;
  readonly #membersAlive: () => number;
  readonly #queue = new Broadcasts<Claim>();

  constructor(pool: Pool, membersAlive: () => number) {
    this.#pool = pool;
    this.#membersAlive = membersAlive;
  }

  get queued(): number {
    return this.#queue.size;
  }

  /** Whether there is news of this member yet to be sent. */
  has(name: string): boolean {
    return this.#queue.has(name);
  }

  spread(claim: Claim, out: Sink<SwimEffect>): void {
    const { config, bytesOf } = this.#pool.options;
    const dropped = this.#queue.add(claim.node, claim, bytesOf(claim), config.broadcastsMax);
    if (dropped) out.emit({ type: 'countDroppedBroadcast' });
  }

  /** Sends a packet of these messages, filled up with queued claims; nothing when there is neither. */
  send(to: Address, head: readonly Message[], checksum: boolean, out: Sink<SwimEffect>): void {
    const { config, bytesOf, envelopeBytes, checksums } = this.#pool.options;
    const headBytes = head.reduce((sum, message) => sum + bytesOf(message) + partBytes, compoundBytes);
    const room = config.packetBytesMax - envelopeBytes - headBytes;
    const limit = retransmitLimit(config.retransmitMult, this.#membersAlive());
    const messages = [...head, ...this.#queue.take(room, partBytes, limit, partsMax - head.length)];
    if (messages.length > 0) out.emit({ type: 'send', to, messages, checksum: checksum && checksums });
  }

  /** The queue, fewest transmissions first: for people and tests. */
  list(): readonly Broadcast<Claim>[] {
    return this.#queue.checkpoint().items;
  }

  checkpoint(): BroadcastsCheckpoint<Claim> {
    return this.#queue.checkpoint();
  }

  restore(checkpoint: BroadcastsCheckpoint<Claim>): void {
    this.#queue.restore(checkpoint);
  }
}
