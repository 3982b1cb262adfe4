/** Dissemination: claims wait in a queue and ride on every packet that has room (SWIM 4.1), and on gossip rounds of their own. */
import type { Address, Sink } from '@cluster/core';
import { type Broadcast, Broadcasts, type BroadcastsCheckpoint } from './broadcasts.ts';
import type { SwimEffect } from './effects.ts';
import type { Claim, Message } from './messages.ts';
import type { Pool } from './pool.ts';
import { retransmitLimit } from './scaling.ts';
import { UserBroadcasts, type UserBroadcastsCheckpoint, type UserRank } from './user-broadcasts.ts';

// Of a compound: type and count, then a length for each part.
const compoundBytes = 2;
const partBytes = 2;
const partsMax = 255;

/** Claims of membership, and what the layer above has to say by its rank. */
export type QueueName = 'claim' | UserRank;

export interface GossipCheckpoint {
  readonly claims: BroadcastsCheckpoint<Claim>;
  readonly users: UserBroadcastsCheckpoint;
  readonly usersFirst: boolean;
}

export class Gossip {
  readonly #pool: Pool;
  readonly #membersAlive: () => number;
  readonly #queue = new Broadcasts<Claim>();
  readonly #users = new UserBroadcasts();
  // While both queues wait, they have the first choice of a packet's room in turn, so that neither starves the other.
  #usersFirst = false;

  constructor(pool: Pool, membersAlive: () => number) {
    this.#pool = pool;
    this.#membersAlive = membersAlive;
  }

  get queued(): number {
    return this.#queue.size + this.#users.size;
  }

  /** Broadcasts that wait, by queue. */
  get depths(): Readonly<Record<QueueName, number>> {
    const { intent, query, event } = this.#users.sizes;
    return { claim: this.#queue.size, intent, query, event };
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

  /** Of the layer above. */
  spreadUser(rank: UserRank, name: string, payload: Uint8Array, out: Sink<SwimEffect>): void {
    const { config, bytesOf } = this.#pool.options;
    const message = { type: 'user', payload } as const;
    if (this.#users.add(rank, name, message, bytesOf(message), config.serf.broadcastsMax))
      out.emit({ type: 'countDroppedBroadcast' });
  }

  /** Sends a packet of these messages, filled up with queued claims; nothing when there is neither. */
  send(to: Address, head: readonly Message[], checksum: boolean, out: Sink<SwimEffect>): void {
    const { checksums } = this.#pool.options;
    // In a quiet pool, and so most often, there is nothing to fill it with.
    const messages = this.queued === 0 ? head : [...head, ...this.#fill(head)];
    if (messages.length > 0) out.emit({ type: 'send', to, messages, checksum: checksum && checksums });
  }

  #fill(head: readonly Message[]): readonly Message[] {
    const { config, bytesOf, envelopeBytes } = this.#pool.options;
    const headBytes = head.reduce((sum, message) => sum + bytesOf(message) + partBytes, compoundBytes);
    const roomBytes = config.packetBytesMax - envelopeBytes - headBytes;
    const limit = retransmitLimit(config.retransmitMult, this.#membersAlive());
    const countMax = partsMax - head.length;
    const claims = (room: number, count: number): readonly Message[] =>
      this.#queue.take(room, partBytes, limit, count);
    if (this.#users.size === 0) return claims(roomBytes, countMax);
    const users = (room: number, count: number): readonly Message[] =>
      this.#users.take(room, partBytes, limit, count, bytesOf);
    const [first, second] = this.#usersFirst ? [users, claims] : [claims, users];
    this.#usersFirst = !this.#usersFirst;
    const chosen = first(roomBytes, countMax);
    const taken = chosen.reduce((sum, message) => sum + bytesOf(message) + partBytes, 0);
    return [...chosen, ...second(roomBytes - taken, countMax - chosen.length)];
  }

  /** The queue, fewest transmissions first: for people and tests. */
  list(): readonly Broadcast<Claim>[] {
    return this.#queue.checkpoint().items;
  }

  checkpoint(): GossipCheckpoint {
    return {
      claims: this.#queue.checkpoint(),
      users: this.#users.checkpoint(),
      usersFirst: this.#usersFirst,
    };
  }

  restore({ claims, users, usersFirst }: GossipCheckpoint): void {
    this.#queue.restore(claims);
    this.#users.restore(users);
    this.#usersFirst = usersFirst;
  }
}
