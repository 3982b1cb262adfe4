/** Planted bugs of quorum, put around the ports so that production code stays as it is. The checker has to find each of them. */
import type { QuorumChannel, Roster } from '@cluster/swim';
import type { QuorumMutant } from './quorum-world.ts';

interface Raw {
  type: 'ask' | 'answer';
  epoch: number;
  refusal?: string | null;
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();
const read = (bytes: Uint8Array): Raw => JSON.parse(decoder.decode(bytes)) as Raw;
const write = (message: Raw): Uint8Array => encoder.encode(JSON.stringify(message));

/** Changes what a node hears. */
const hearing = (channel: QuorumChannel, change: (message: Raw) => void): QuorumChannel => ({
  send: (to, bytes) => channel.send(to, bytes),
  onMessage: (receive) =>
    channel.onMessage((from, bytes) => {
      const message = read(bytes);
      change(message);
      receive(from, write(message));
    }),
});

// Where clean partitions and crashes are all there is, these show soonest.
const cleanCuts = { starve: 0, drift: 0, bridge: 0, link: 0 };

/** Quorum is counted over whoever can be reached: what two gossip views amount to. */
export const rosterFromView: QuorumMutant = {
  name: 'quorum counted over the gossip view',
  strategies: ['roster-majority'],
  roster: (roster, { clock }, reached) => {
    let current: Roster = roster.current();
    const listeners = new Set<(roster: Roster) => void>();
    const look = (): void => {
      clock.setTimer(100, look);
      const members = [...reached()];
      if (members.join() === current.members.join()) return;
      current = { epoch: current.epoch + 1, members };
      for (const listener of listeners) listener(current);
    };
    clock.setTimer(100, look);
    return {
      current: () => current,
      onChange: (listener) => {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    };
  },
};

/** Members say that they refuse a life, and go on granting to it. */
export const fencesForgotten: QuorumMutant = {
  name: 'fences forgotten',
  weights: cleanCuts,
  strategies: ['roster-majority', 'static-quorum'],
  channel: (channel) =>
    hearing(channel, (message) => {
      if (message.refusal === 'fenced') message.refusal = null;
    }),
};

/** Grants count whatever roster they were given under. */
export const epochIgnored: QuorumMutant = {
  name: 'epoch of the roster ignored',
  weights: cleanCuts,
  strategies: ['roster-majority'],
  channel: (channel) => {
    let asked = 0;
    const heard = hearing(channel, (message) => {
      if (message.type !== 'answer') return;
      message.epoch = asked;
      if (message.refusal === 'epoch') message.refusal = null;
    });
    return {
      onMessage: (receive) => heard.onMessage(receive),
      send: (to, bytes) => {
        const message = read(bytes);
        if (message.type === 'ask') asked = message.epoch;
        channel.send(to, bytes);
      },
    };
  },
};

/** The lease goes to the next side before the last one's has run out. */
export const leaseWithoutMargin: QuorumMutant = {
  name: 'lease given before the last one has run out',
  strategies: ['lease-majority'],
  leaseOutlastMs: 0,
};
