/** Planted bugs of what groups share, put around the shared log and the shared channel. The checkers have to find each of them. */
import type { Done } from '@cluster/core';
import { decodeMessage, encodeMessage, type LogStorage, type RaftChannel } from '@cluster/raft';

/** Changes what the groups of a node share; without it the world is sound. */
export interface GroupsMutant {
  readonly name: string;
  readonly storage?: (storage: LogStorage) => LogStorage;
  /** What a replica is asked for in place of a stale read's bound, in ms. */
  readonly staleBound?: (boundMs: number) => number;
  readonly channels?: (channelOf: (groupId: number) => RaftChannel) => (groupId: number) => RaftChannel;
}

/** A flush is acknowledged to all groups that wait, also to those whose frame was not in it. */
export const flushAcknowledgedToAll: GroupsMutant = {
  name: 'a flush acknowledged to a group whose frame was not in it',
  storage: (storage) => {
    const waiting = new Set<Done<void>>();
    return {
      recover: (groupId, done) => storage.recover(groupId, done),
      write: (groupId, write, done) => {
        waiting.add(done);
        storage.write(groupId, write, (outcome) => {
          if (!waiting.has(done)) return;
          const told = [...waiting];
          waiting.clear();
          for (const each of told) each(outcome);
        });
      },
    };
  },
};

/** What a follower acknowledges is counted in the next group, too. */
export const answerToTheWrongGroup: GroupsMutant = {
  name: 'an answer given to the wrong group',
  channels: (channelOf) => {
    const receivers: ((from: string, bytes: Uint8Array) => void)[] = [];
    return (groupId) => {
      const channel = channelOf(groupId);
      return {
        send: (to, bytes) => channel.send(to, bytes),
        onMessage: (receive) => {
          receivers[groupId] = receive;
          channel.onMessage((from, bytes) => {
            receive(from, bytes);
            const decoded = decodeMessage(bytes, bytes.length);
            if (!('message' in decoded) || decoded.message.type !== 'appendAccepted') return;
            const next = (groupId + 1) % receivers.length;
            receivers[next]?.(from, encodeMessage({ groupId: next, message: decoded.message }));
          });
        },
      };
    };
  },
};

/** A stale read is answered as though it might be ten times as old as it may be. */
export const staleBeyondItsBound: GroupsMutant = {
  name: 'a stale read beyond its bound',
  staleBound: (boundMs) => boundMs * 10,
};
