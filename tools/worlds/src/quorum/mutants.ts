/** Planted bugs of quorum, put around the ports so that production code stays as it is. The checker has to find each of them. */
import { type LeaseAnswer, LeaseReplica, type QuorumChannel, type Roster } from '@cluster/swim';
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

const readAnswer = (bytes: Uint8Array): LeaseAnswer => JSON.parse(decoder.decode(bytes)) as LeaseAnswer;
const writeAnswer = (answer: LeaseAnswer): Uint8Array => encoder.encode(JSON.stringify(answer));

/** A life that was fenced gets the lease again. */
export const leaseGrantedTwice: QuorumMutant = {
  name: 'lease granted to a life that was fenced',
  strategies: ['lease-majority'],
  replica: () => {
    const replica = new LeaseReplica();
    return {
      image: () => replica.image(),
      install: (image) => replica.install(image),
      apply: (index, command) => {
        const answer = replica.apply(index, command);
        if (answer.length === 0) return answer;
        const read = readAnswer(answer);
        return read.reason === 'fenced' ? writeAnswer({ ...read, granted: true, reason: null }) : answer;
      },
    };
  },
};

/** Each replica looks at its own clock for what has run out. */
export const leaseByLocalClock: QuorumMutant = {
  name: 'lease expires by the clock of each replica',
  strategies: ['lease-majority'],
  replica: (clock) => {
    const replica = new LeaseReplica();
    const appliedAtMs: number[] = [];
    return {
      image: () => replica.image(),
      install: (image) => replica.install(image),
      apply: (index, command) => {
        appliedAtMs[index] = clock.nowMs();
        const outlasted = Math.max(
          0,
          appliedAtMs.findLastIndex((atMs) => atMs <= clock.nowMs() - 550),
        );
        const request = JSON.parse(decoder.decode(command)) as object;
        return replica.apply(index, encoder.encode(JSON.stringify({ ...request, outlasted })));
      },
    };
  },
};

/** A node that holds the lease goes on as if it had been renewed, whether it was or not. */
export const leaseTrustedTooLong: QuorumMutant = {
  name: 'lease trusted after its time',
  strategies: ['lease-majority'],
  lease: (lease, { clock }) => {
    let last: { readonly answer: LeaseAnswer; readonly atMs: number; readonly boot: string } | null = null;
    return {
      take: (request, done) => {
        const { boot } = request;
        lease.take(request, (outcome) => {
          if (outcome.ok && outcome.value.granted)
            last = { answer: outcome.value, atMs: clock.nowMs(), boot };
          done(outcome);
        });
        if (last?.boot === boot && clock.nowMs() - last.atMs < 2000)
          done({ ok: true, value: { ...last.answer, pending: true } });
      },
    };
  },
};
