import { setup } from 'xstate';
import { effect } from '@cluster/core';

/** Why a session is over. */
export type SessionEnd =
  | 'the peer began anew'
  | 'the peer cannot be reached'
  | 'it was not resumed in time'
  | 'the peer left';

export type SessionEvent =
  /** A connection was admitted, and the two sides share no session to go on with. */
  | { readonly type: 'STARTED' }
  /** A connection was admitted, and goes on with this session. */
  | { readonly type: 'RESUMED' }
  | { readonly type: 'INTERRUPTED' }
  /** Dials have failed too often. */
  | { readonly type: 'GAVE_UP' }
  /** The connection ended after a GOAWAY, or because the peer flooded it. */
  | { readonly type: 'ENDED' };

export interface SessionLimits {
  /** How long a session outlives its connection. */
  readonly resumeTimeoutMs: number;
}

/**
 * Delivery between this boot of ours and that boot of the peer: numbered messages, acknowledged, resent after a reconnect,
 * dropped when they come twice. What the end of a session leaves unacknowledged may or may not have been delivered, and only
 * the caller can decide what that means.
 */
export const sessionMachine = setup({
  types: {
    context: {} as SessionLimits,
    events: {} as SessionEvent,
    input: {} as SessionLimits,
  },
  actions: {
    /** Numbers start at one, on the connection just admitted. */
    begin: effect(),
    /** Drops what the peer has, sends the rest again. */
    resume: effect(),
    detach: effect(),
    /** Fails what is in flight; `keepQueued`: what was never sent goes to the next session. */
    lose: effect<{ readonly why: SessionEnd; readonly keepQueued: boolean }>(),
  },
  delays: { resumeTimeout: ({ context }) => context.resumeTimeoutMs },
}).createMachine({
  id: 'transport.session',
  context: ({ input }) => input,
  initial: 'absent',
  states: {
    absent: {
      description: 'There is no session: none has begun, or the last one is over.',
      on: { STARTED: { target: 'up', actions: 'begin' } },
    },
    up: {
      description: 'A connection carries the session.',
      on: {
        STARTED: {
          actions: [{ type: 'lose', params: { why: 'the peer began anew', keepQueued: true } }, 'begin'],
        },
        RESUMED: { actions: 'resume' },
        INTERRUPTED: { target: 'interrupted', actions: 'detach' },
        ENDED: {
          target: 'absent',
          actions: ['detach', { type: 'lose', params: { why: 'the peer left', keepQueued: false } }],
        },
      },
    },
    interrupted: {
      description: 'The connection is gone; what is unacknowledged waits for the next one.',
      after: {
        resumeTimeout: {
          target: 'absent',
          actions: { type: 'lose', params: { why: 'it was not resumed in time', keepQueued: false } },
        },
      },
      on: {
        RESUMED: { target: 'up', actions: 'resume' },
        STARTED: {
          target: 'up',
          actions: [{ type: 'lose', params: { why: 'the peer began anew', keepQueued: true } }, 'begin'],
        },
        GAVE_UP: {
          target: 'absent',
          actions: { type: 'lose', params: { why: 'the peer cannot be reached', keepQueued: false } },
        },
      },
    },
  },
});
