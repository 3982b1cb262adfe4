/**
 * Whether a member is there: an address that somebody has named is pinged a few times before anything rests on it.
 *
 * memberlist admits whoever reaches it over TCP, and finds out later that the newcomer's UDP address is blocked, wrong or not its
 * own: it then flaps between alive and dead in every table of the pool (memberlist #45).
 */
import { effect } from '@cluster/core';
import { setup } from 'xstate';

export type CheckEvent =
  | { readonly type: 'ANSWERED' }
  | { readonly type: 'UNANSWERED'; readonly attemptsLeft: number };

export const checkMachine = setup({
  types: { events: {} as CheckEvent },
  actions: {
    ask: effect(),
    confirm: effect(),
    giveUp: effect(),
  },
  guards: {
    mayAskAgain: ({ event }) => event.type === 'UNANSWERED' && event.attemptsLeft > 0,
  },
}).createMachine({
  id: 'swim.check',
  initial: 'asking',
  states: {
    asking: {
      description: 'A ping is out to the address that was named, under the name of whom it is said to be.',
      entry: 'ask',
      on: {
        ANSWERED: { target: 'there', actions: 'confirm' },
        UNANSWERED: [
          { guard: 'mayAskAgain', target: 'asking', reenter: true },
          { target: 'silent', actions: 'giveUp' },
        ],
      },
    },
    there: { type: 'final', description: 'It has answered by its name: packets go to it and come from it.' },
    silent: { type: 'final', description: 'Asked often enough, and not heard.' },
  },
});
