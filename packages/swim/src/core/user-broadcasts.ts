/** What the layer above has to say to the pool, in three ranks: intents leave before queries, queries before events. */
import { Broadcasts, type BroadcastsCheckpoint } from './broadcasts.ts';
import type { Message, User } from './messages.ts';

export type UserRank = 'intent' | 'query' | 'event';

const ranks: readonly UserRank[] = ['intent', 'query', 'event'];

export type UserBroadcastsCheckpoint = readonly BroadcastsCheckpoint<User>[];

export class UserBroadcasts {
  readonly #queues = {
    intent: new Broadcasts<User>(),
    query: new Broadcasts<User>(),
    event: new Broadcasts<User>(),
  };

  get size(): number {
    const { intent, query, event } = this.#queues;
    return intent.size + query.size + event.size;
  }

  get sizes(): Readonly<Record<UserRank, number>> {
    const { intent, query, event } = this.#queues;
    return { intent: intent.size, query: query.size, event: event.size };
  }

  /** @returns whether another one had to be dropped for it. */
  add(rank: UserRank, name: string, message: User, bytes: number, max: number): boolean {
    return this.#queues[rank].add(name, message, bytes, max);
  }

  take(
    roomBytes: number,
    overheadBytes: number,
    limit: number,
    countMax: number,
    bytesOf: (message: Message) => number,
  ): readonly User[] {
    const taken: User[] = [];
    let room = roomBytes;
    for (const rank of ranks) {
      for (const message of this.#queues[rank].take(room, overheadBytes, limit, countMax - taken.length)) {
        taken.push(message);
        room -= bytesOf(message) + overheadBytes;
      }
    }
    return taken;
  }

  checkpoint(): UserBroadcastsCheckpoint {
    return ranks.map((rank) => this.#queues[rank].checkpoint());
  }

  restore(checkpoint: UserBroadcastsCheckpoint): void {
    for (const [at, queue] of checkpoint.entries()) this.#queues[ranks[at] as UserRank].restore(queue);
  }
}
