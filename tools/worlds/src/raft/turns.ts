/** A loop of events for a replica: a turn is an instant, and what arrives in the next millisecond comes with the next look at the network. */
import type { Clock } from '@cluster/core';
import type { World } from '@cluster/sim';
import type { RaftPorts } from '@cluster/raft';

const pollMs = 1;

export const turnsOf = (
  clock: Clock,
  counters: World['counters'],
): Partial<Pick<RaftPorts, 'afterTurn' | 'afterPoll'>> => ({
  afterTurn: (run) => void clock.setTimer(0, run),
  afterPoll: (run) => {
    counters.add('crowdsAwaited');
    clock.setTimer(pollMs, run);
  },
});
