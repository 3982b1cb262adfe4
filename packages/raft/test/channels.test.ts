/** What groups of one process share: the connection, and the heartbeats on it. */
import { memoryDisk } from '@cluster/core';
import { describe, expect, it } from 'vitest';
import {
  decodeMessage,
  encodeMessage,
  groupChannels,
  type RaftChannel,
  type RaftMessage,
  RaftReplica,
  WriteAheadLog,
} from '../src/index.ts';
import { ManualClock } from './support/clock.ts';
import { Ledger } from './support/ledger.ts';
import { TestNetwork } from './support/network.ts';

const heartbeat: RaftMessage = {
  type: 'append',
  term: 1,
  prevIndex: 0,
  prevTerm: 0,
  commit: 0,
  entries: [],
};
const vote: RaftMessage = { type: 'voteRequest', term: 1, pre: false, lastIndex: 0, lastTerm: 0 };
const accepted: RaftMessage = { type: 'appendAccepted', term: 1, match: 0 };
const of = (groupId: number, message: RaftMessage): Uint8Array => encodeMessage({ groupId, message });

/** Two ends; each counts what its channel is given. */
function pair() {
  const clock = new ManualClock();
  const network = new TestNetwork(clock);
  const counts = { a: 0, b: 0 };
  const unknown: string[] = [];
  const end = (name: 'a' | 'b') => {
    const channel = network.channel(name);
    const counting: RaftChannel = {
      onMessage: (receive) => channel.onMessage(receive),
      send: (to, bytes) => {
        counts[name]++;
        channel.send(to, bytes);
      },
    };
    return groupChannels(counting, { clock, onUnknown: (from) => void unknown.push(from) });
  };
  const [a, b] = [end('a'), end('b')];
  const heard: string[] = [];
  const listen = (groupId: number, answers: RaftMessage | null = null): void => {
    const channel = b(groupId);
    channel.onMessage((from, bytes) => {
      const decoded = decodeMessage(bytes, bytes.length);
      heard.push(`${groupId} ${'message' in decoded ? decoded.message.type : 'nothing'}`);
      if (answers !== null) channel.send(from, of(groupId, answers));
    });
  };
  return { clock, network, counts, unknown, a, b, heard, listen };
}

describe('groups that share a channel', () => {
  it('send their heartbeats together, a moment later, and are answered together', () => {
    const { clock, counts, a, heard, listen } = pair();
    for (const group of [1, 2, 3]) {
      listen(group, accepted);
      a(group).onMessage(() => undefined);
      a(group).send('b', of(group, heartbeat));
    }
    clock.advance(19);
    expect([heard, counts]).toEqual([[], { a: 0, b: 0 }]);
    clock.advance(20);
    expect(heard).toEqual(['1 append', '2 append', '3 append']);
    expect(counts).toEqual({ a: 1, b: 1 });
  });

  it('send anything else at once, behind what waits', () => {
    const { clock, counts, a, heard, listen } = pair();
    listen(1);
    listen(2);
    a(1).send('b', of(1, heartbeat));
    a(2).send('b', of(2, vote));
    clock.advance(10);
    expect(heard).toEqual(['1 append', '2 voteRequest']);
    clock.advance(100);
    expect(counts.a).toBe(1);
  });

  it('let nothing wait that has become much', () => {
    const { counts, a, heard, listen, clock } = pair();
    for (let group = 0; group < 2000; group++) {
      listen(group);
      a(group).send('b', of(group, heartbeat));
    }
    expect(counts.a).toBe(1);
    clock.advance(50);
    expect([counts.a, heard.length]).toEqual([2, 2000]);
  });

  it('pass on what is no message, or is together and cut short, as unknown', () => {
    const { network, clock, a, unknown, heard, listen } = pair();
    listen(1);
    a(1).send('b', of(1, heartbeat));
    network.inject('a', 'b', new Uint8Array([0x80, 9, 0, 0, 0, 1]));
    network.inject('a', 'b', new Uint8Array([7]));
    clock.advance(10);
    expect([unknown, heard]).toEqual([['a', 'a'], []]);
  });

  it('of a hundred, one process sends a peer few messages a heartbeat, and nobody gets impatient', () => {
    const clock = new ManualClock();
    const network = new TestNetwork(clock);
    const sent = new Map<string, number>();
    const replicas = ['a', 'b', 'c'].flatMap((nodeId, n) => {
      const storage = new WriteAheadLog({ disk: memoryDisk() });
      const channel = network.channel(nodeId);
      const channelOf = groupChannels(
        {
          onMessage: (receive) => channel.onMessage(receive),
          send: (to, bytes) => {
            sent.set(nodeId, (sent.get(nodeId) ?? 0) + 1);
            channel.send(to, bytes);
          },
        },
        { clock },
      );
      return Array.from({ length: 100 }, (_, groupId) => {
        const voters = ['a', 'b', 'c'];
        const ports = { clock, storage, stateMachine: new Ledger(), seed: n * 100 + groupId };
        const replica = new RaftReplica(
          { nodeId, groupId, voters },
          { ...ports, channel: channelOf(groupId) },
        );
        replica.start(() => undefined);
        return replica;
      });
    });
    const leads = (): number => replicas.filter(({ core }) => core.role === 'leader').length;
    clock.advanceUntil(() => leads() === 100);
    clock.advance(200);
    const terms = replicas.map(({ core }) => core.currentTerm);
    sent.clear();
    clock.advance(500);
    expect(replicas.map(({ core }) => core.currentTerm)).toEqual(terms);
    const messages = [...sent.values()].reduce((sum, count) => sum + count, 0);
    // Each for itself: 100 groups, 2 followers, 10 beats, and as many answers.
    expect(messages).toBeLessThanOrEqual(4000 / 8);
  });
});
