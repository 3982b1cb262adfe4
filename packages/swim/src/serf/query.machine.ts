/** A question of ours to the pool: answers count until its time is over. */
import { effect } from '@cluster/core';
import { setup } from 'xstate';

export type QueryEvent =
  | { readonly type: 'ASKED'; readonly timeoutMs: number }
  | { readonly type: 'ANSWERED'; readonly isNew: boolean }
  | { readonly type: 'CANCELLED' };

export const queryMachine = setup({
  types: { events: {} as QueryEvent },
  actions: {
    deliverAnswer: effect(),
    finish: effect(),
  },
  guards: {
    answerIsNew: ({ event }) => event.type === 'ANSWERED' && event.isNew,
  },
  delays: { queryTimeout: ({ event }) => (event.type === 'ASKED' ? event.timeoutMs : 0) },
}).createMachine({
  id: 'swim.query',
  initial: 'new',
  states: {
    new: {
      description: 'Not asked yet.',
      on: { ASKED: 'open' },
    },
    open: {
      description: 'Asked: every member may answer once, and say once that it has heard.',
      after: { queryTimeout: { target: 'closed', actions: 'finish' } },
      on: {
        ANSWERED: { guard: 'answerIsNew', actions: 'deliverAnswer' },
        CANCELLED: { target: 'closed', actions: 'finish' },
      },
    },
    closed: { type: 'final', description: 'Over: later answers are ignored.' },
  },
});
