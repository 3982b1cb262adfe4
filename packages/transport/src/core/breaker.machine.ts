import { assign, setup } from 'xstate';
import { effect } from '@cluster/core';
import { backoffDelayMs, type BackoffBounds } from './backoff.ts';

export type BreakerEvent =
  /** A dial failed. `draw`: uniform in [0, 1), for the jitter. */
  | { readonly type: 'FAILED'; readonly definitive: boolean; readonly draw: number }
  /** There is a connection, ours or theirs. */
  | { readonly type: 'SUCCEEDED' }
  /** Somebody wants to reach the peer. */
  | { readonly type: 'ASKED' };

export interface BreakerLimits extends BackoffBounds {
  /** Dials that may fail in a row before those who wait are told. */
  readonly dialAttemptsMax: number;
}

export interface BreakerContext extends BreakerLimits {
  /** Dials that have failed in a row. */
  readonly failures: number;
  /** Until the next dial. */
  readonly delayMs: number;
  /** While it is open. */
  readonly isAsked: boolean;
}

/**
 * Whether a peer may be dialled (Nygard, "Release It!", 2007, the circuit breaker). A dead node must cost its peers a packet now and
 * then, and its callers nothing but an answer: after enough failures in a row they are told at once. When the wait is over, one
 * dial probes the peer: by itself if somebody has asked meanwhile, so that no caller has to wait for the verdict on a dead
 * peer; else with the next who asks.
 */
export const breakerMachine = setup({
  types: {
    context: {} as BreakerContext,
    events: {} as BreakerEvent,
    input: {} as BreakerLimits,
  },
  actions: {
    /** Everything that waits for this peer fails now. */
    giveUp: effect(),
    /** One dial is let through. */
    probe: effect(),
    countFailure: assign(({ context, event }) =>
      event.type === 'FAILED'
        ? {
            failures: context.failures + 1,
            delayMs: backoffDelayMs(context.failures + 1, event.draw, context),
          }
        : {},
    ),
    forgetFailures: assign({ failures: 0 }),
    noteAsked: assign({ isAsked: true }),
    forgetAsked: assign({ isAsked: false }),
  },
  guards: {
    anotherTryMayHelp: ({ context }, { definitive }: { readonly definitive: boolean }) =>
      !definitive && context.failures + 1 < context.dialAttemptsMax,
    somebodyHasAsked: ({ context }) => context.isAsked,
  },
  delays: { cooldown: ({ context }) => context.delayMs },
}).createMachine({
  id: 'transport.breaker',
  context: ({ input }) => ({ ...input, failures: 0, delayMs: 0, isAsked: false }),
  initial: 'closed',
  states: {
    closed: {
      description: 'The peer is dialled whenever it is needed.',
      on: {
        FAILED: [
          {
            guard: {
              type: 'anotherTryMayHelp',
              params: ({ event }) => ({ definitive: event.definitive }),
            },
            actions: 'countFailure',
          },
          { target: 'open', actions: 'countFailure' },
        ],
        SUCCEEDED: { actions: 'forgetFailures' },
        // ASKED: nothing is in the way.
      },
    },
    open: {
      description:
        'Dials have failed too often, or for good: until the wait is over nobody dials, and callers are told at once.',
      entry: ['forgetAsked', 'giveUp'],
      after: {
        cooldown: [
          { target: 'halfOpen.probing', guard: 'somebodyHasAsked', actions: 'probe' },
          { target: 'halfOpen' },
        ],
      },
      on: {
        ASKED: { actions: 'noteAsked' },
        SUCCEEDED: { target: 'closed', actions: 'forgetFailures' },
      },
    },
    halfOpen: {
      description:
        'The wait is over: one dial decides, whether the peer is dialled again or left alone for longer.',
      initial: 'ready',
      on: {
        FAILED: { target: 'open', actions: 'countFailure' },
        SUCCEEDED: { target: 'closed', actions: 'forgetFailures' },
      },
      states: {
        ready: {
          description: 'Nobody has asked for the peer; who asks now waits for the verdict.',
          on: { ASKED: { target: 'trying', actions: 'probe' } },
        },
        trying: { description: 'A dial is under way, and those who asked wait for it.' },
        probing: {
          description: 'A dial is under way that nobody waits for: callers are told at once, as before.',
        },
      },
    },
  },
});
