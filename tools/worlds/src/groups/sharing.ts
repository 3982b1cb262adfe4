/** Counts what groups share: messages that travelled together, and flushes that were for several. */
import { decodeMessage, type LogStorage, type RaftChannel } from '@cluster/raft';
import type { Counters } from '@cluster/sim';

/** One node's channel, seen from above and from below what its groups share. */
export class ChannelMeter {
  readonly #counters: Counters;
  /** Whose heartbeats have been given to the shared channel for a peer, and not yet been sent. */
  readonly #held = new Map<string, Set<number>>();

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  below(channel: RaftChannel): RaftChannel {
    return {
      onMessage: (receive) => channel.onMessage(receive),
      send: (to, bytes) => {
        const groups = this.#held.get(to)?.size ?? 0;
        if (groups > 1) this.#counters.add('heartbeatsTogether', groups);
        this.#held.delete(to);
        channel.send(to, bytes);
      },
    };
  }

  above(groupId: number, channel: RaftChannel): RaftChannel {
    return {
      onMessage: (receive) => channel.onMessage(receive),
      send: (to, bytes) => {
        if (isHeartbeat(bytes)) {
          const groups = this.#held.get(to);
          if (groups === undefined) this.#held.set(to, new Set([groupId]));
          else groups.add(groupId);
        }
        channel.send(to, bytes);
      },
    };
  }
}

function isHeartbeat(bytes: Uint8Array): boolean {
  const decoded = decodeMessage(bytes, bytes.length);
  return 'message' in decoded && decoded.message.type === 'append' && decoded.message.entries.length === 0;
}

/** One node's log. */
export class FlushMeter {
  readonly #counters: Counters;
  /** Whose writes the latest flush has made durable. */
  readonly #served = new Set<number>();

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  /** A frame is about to be flushed. */
  flushing(): void {
    this.#counters.add('flushes');
    this.#served.clear();
  }

  watch(storage: LogStorage): LogStorage {
    return {
      recover: (groupId, done) => storage.recover(groupId, done),
      write: (groupId, write, done) =>
        storage.write(groupId, write, (outcome) => {
          const before = this.#served.size;
          this.#served.add(groupId);
          if (outcome.ok && before === 1 && this.#served.size === 2) this.#counters.add('flushesShared');
          done(outcome);
        }),
    };
  }
}
