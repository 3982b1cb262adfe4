/** A channel that says now and then of some peer that it is lost, true or not: nothing that is safe may rest on it. */
import type { Clock, Prng } from '@cluster/core';
import type { RaftChannel } from '@cluster/raft';

const everyMs = { min: 100, max: 3000 } as const;

export function withHints(
  channel: RaftChannel,
  clock: Clock,
  prng: Prng,
  voters: readonly string[],
  hinted: () => void,
): RaftChannel {
  return {
    send: (to, bytes) => channel.send(to, bytes),
    onMessage: (receive) => channel.onMessage(receive),
    onPeerLost: (lost) => {
      const next = (): void =>
        void clock.setTimer(prng.between(everyMs.min, everyMs.max), () => {
          hinted();
          lost(voters[prng.below(voters.length)] ?? '');
          next();
        });
      next();
    },
  };
}
