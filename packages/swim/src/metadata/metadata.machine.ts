/** When a member speaks of the maps it holds: at once and often while there is news, seldom while there is none. */
import { effect } from '@cluster/core';
import { setup } from 'xstate';

export interface MetadataTimings {
  readonly periodMs: number;
  readonly gossipPeriodMs: number;
  /** Of the first comparison, so that members started at once spread out. */
  readonly firstMs: number;
}

export type MetadataEvent =
  /** Something was written, or heard for the first time. */
  | { readonly type: 'NEWS' }
  /** Every news has been offered often enough. */
  | { readonly type: 'NEWS_SPREAD' }
  /** The first peer of ours is there. */
  | { readonly type: 'ACQUAINTED' };

export const metadataMachine = setup({
  types: {
    events: {} as MetadataEvent,
    context: {} as MetadataTimings,
    input: {} as MetadataTimings,
  },
  actions: {
    /** Tells one peer the hash of all that we hold, if we hold anything. */
    compare: effect(),
    /** The same, also with empty hands: a newcomer has to hear of what there is. */
    introduce: effect(),
    /** Tells a few peers the versions of what is new. */
    offerNews: effect(),
  },
  delays: {
    firstComparison: ({ context }) => context.firstMs,
    comparisonPeriod: ({ context }) => context.periodMs,
    gossipPeriod: ({ context }) => context.gossipPeriodMs,
  },
}).createMachine({
  id: 'swim.metadata',
  context: ({ input }) => input,
  type: 'parallel',
  states: {
    antiEntropy: {
      description:
        'What rumours have missed is found by comparison, one peer a period (Demers et al. 1987, 1.3).',
      initial: 'starting',
      states: {
        starting: {
          description: 'The first comparison comes at a random moment of the period.',
          after: { firstComparison: { target: 'comparing', actions: 'compare' } },
          on: { ACQUAINTED: { target: 'comparing', actions: 'introduce' } },
        },
        comparing: {
          description: 'Comparing, once a period.',
          after: { comparisonPeriod: { target: 'comparing', reenter: true, actions: 'compare' } },
          on: { ACQUAINTED: { target: 'comparing', reenter: true, actions: 'introduce' } },
        },
      },
    },
    rumour: {
      description:
        'News is offered like gossip, so often that everybody has heard of it (Demers et al. 1987, 1.4).',
      initial: 'silent',
      states: {
        silent: {
          description: 'Nothing is new.',
          on: { NEWS: { target: 'spreading', actions: 'offerNews' } },
        },
        spreading: {
          description: 'News is offered to a few members in each gossip period.',
          after: { gossipPeriod: { target: 'spreading', reenter: true, actions: 'offerNews' } },
          on: {
            NEWS_SPREAD: 'silent',
            // NEWS: it goes with the next round.
          },
        },
      },
    },
  },
});
