/**
 * Whether a member that goes away has said so first. memberlist's own word for leaving reaches Serf only as a failure; what makes it
 * a leave is an intent, ordered against the member's joins by Lamport time, so that late news of a former leave changes nothing.
 */
import { effect } from '@cluster/core';
import { setup } from 'xstate';

interface Heard {
  readonly lTime: number;
  /** Lamport time of what is known of it. */
  readonly known: number;
}

export type IntentEvent =
  | ({ readonly type: 'JOIN_INTENT' } & Heard)
  | ({ readonly type: 'LEAVE_INTENT' } & Heard)
  /** Membership has it alive (again), dead, or gone of its own will. */
  | { readonly type: 'ARRIVED' }
  | { readonly type: 'FAILED' }
  | { readonly type: 'DEPARTED' };

export const intentMachine = setup({
  types: { events: {} as IntentEvent },
  actions: {
    /** Keeps the intent's time and passes the intent on. */
    acceptIntent: effect(),
    /** Tells membership that this death is a leave. */
    declareLeft: effect(),
  },
  guards: {
    intentIsNewer: ({ event }) => 'lTime' in event && event.lTime > event.known,
  },
}).createMachine({
  id: 'swim.intent',
  initial: 'alive',
  on: {
    JOIN_INTENT: { guard: 'intentIsNewer', actions: 'acceptIntent' },
    LEAVE_INTENT: { guard: 'intentIsNewer', actions: 'acceptIntent' },
  },
  states: {
    alive: {
      description: 'A member that has not said that it will leave.',
      on: {
        LEAVE_INTENT: { guard: 'intentIsNewer', target: 'leaving', actions: 'acceptIntent' },
        FAILED: 'failed',
        DEPARTED: 'left',
        // ARRIVED: a refutation, or the first word of it.
      },
    },
    leaving: {
      description: 'It has said that it will leave: its silence will be no failure.',
      on: {
        JOIN_INTENT: { guard: 'intentIsNewer', target: 'alive', actions: 'acceptIntent' },
        FAILED: { target: 'left', actions: 'declareLeft' },
        DEPARTED: 'left',
        // ARRIVED: it refutes a suspicion while it leaves.
      },
    },
    failed: {
      description:
        'Dead without a word; an intent that comes late, its own or an operator’s, makes it a leave.',
      on: {
        LEAVE_INTENT: {
          guard: 'intentIsNewer',
          target: 'left',
          actions: ['acceptIntent', 'declareLeft'],
        },
        ARRIVED: 'alive',
        DEPARTED: 'left',
      },
    },
    left: {
      description: 'Gone in good order.',
      on: {
        ARRIVED: 'alive',
        // FAILED, DEPARTED: it is gone already.
      },
    },
  },
});
