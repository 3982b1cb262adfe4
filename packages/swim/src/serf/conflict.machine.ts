/**
 * Two members of one name: the pool is asked where it believes the name to be, and the one that fewer have at its address gives up
 * (Serf's resolution).
 *
 * Deviation: Serf asks on the mere word of somebody that the name is elsewhere, and a member that gets no answer shuts down. Here
 * somebody must first have answered to the name there, and it takes the votes of most members that we know to be alive: a name is
 * not lost to a record of our own former address, nor by being cut off.
 */
import { effect } from '@cluster/core';
import { setup } from 'xstate';

export type ConflictEvent =
  | { readonly type: 'RIVAL_ANSWERED'; readonly resolve: boolean }
  /** Votes of members alive: how many there could be, how many came, how many have the name at our address. */
  | { readonly type: 'VOTE_COUNTED'; readonly voters: number; readonly votes: number; readonly ours: number };

export const conflictMachine = setup({
  types: { events: {} as ConflictEvent },
  actions: { askPool: effect(), giveUpName: effect() },
  guards: {
    isToBeResolved: ({ event }) => event.type === 'RIVAL_ANSWERED' && event.resolve,
    nameIsLost: ({ event }) =>
      event.type === 'VOTE_COUNTED' && 2 * event.votes > event.voters && 2 * event.ours <= event.votes,
  },
}).createMachine({
  id: 'swim.conflict',
  initial: 'undisputed',
  states: {
    undisputed: {
      description: 'Nobody else is known to answer to our name, or the pool has decided for us.',
      on: { RIVAL_ANSWERED: { guard: 'isToBeResolved', target: 'voting' } },
    },
    voting: {
      description: 'The pool has been asked where it believes our name to be.',
      entry: 'askPool',
      on: {
        VOTE_COUNTED: [
          { guard: 'nameIsLost', target: 'lost', actions: 'giveUpName' },
          // Most have us where we are, or too few have answered to decide: the rival will be met again.
          { target: 'undisputed' },
        ],
        // RIVAL_ANSWERED: it is being decided.
      },
    },
    lost: { type: 'final', description: 'Most members have the name elsewhere: this one stops.' },
  },
});
