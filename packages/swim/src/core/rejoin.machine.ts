/**
 * Finding the pool again after a restart, by the members that were known before it.
 *
 * Serf remembers only those that were alive and tries them once (serf #333): a node that was cut off, or a pool that went down as a
 * whole, does not come together again by itself. Here the failed are remembered too, and tried for as long as we are alone.
 */
import { effect } from '@cluster/core';
import { assign, setup } from 'xstate';

export type RejoinEvent =
  | { readonly type: 'REMEMBERED'; readonly periodMs: number }
  | { readonly type: 'FOUND' }
  | { readonly type: 'GIVEN_UP' };

export const rejoinMachine = setup({
  types: { context: {} as { readonly periodMs: number }, events: {} as RejoinEvent },
  actions: {
    /** Answered by FOUND when we are not alone any more. */
    contactSome: effect(),
    /** Who is still missing is left to the attempts to reach the dead: there may be another side of a partition. */
    keepMissing: effect(),
    keepPeriod: assign({
      periodMs: ({ context, event }) => (event.type === 'REMEMBERED' ? event.periodMs : context.periodMs),
    }),
  },
  delays: { rejoinPeriod: ({ context }) => context.periodMs },
}).createMachine({
  id: 'swim.rejoin',
  context: { periodMs: 0 },
  initial: 'settled',
  states: {
    settled: {
      description: 'Nobody is looked for: none is remembered, or we are in company, or on the way out.',
      on: { REMEMBERED: { target: 'searching', actions: 'keepPeriod' } },
    },
    searching: {
      description: 'Alone, and trying those that were known before, a few at a time, over and over.',
      entry: 'contactSome',
      after: { rejoinPeriod: { target: 'searching', reenter: true } },
      on: { FOUND: { target: 'settled', actions: 'keepMissing' }, GIVEN_UP: 'settled' },
    },
  },
});
