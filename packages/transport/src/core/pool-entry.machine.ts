import { assign, setup } from 'xstate';
import { effect } from '@cluster/core';
import { backoffDelayMs } from './backoff.ts';

export type LinkEvent =
  /** Something waits to be sent. */
  | { readonly type: 'NEEDED' }
  /** A connection to the peer, ours or theirs, has been admitted. */
  | { readonly type: 'ATTACHED' }
  /** `draw`: uniform in [0, 1), for the jitter. */
  | { readonly type: 'DIAL_FAILED'; readonly definitive: boolean; readonly draw: number }
  /** Both dialled at once, and theirs is the one that counts. */
  | { readonly type: 'YIELDED' }
  | { readonly type: 'LOST'; readonly redial: boolean; readonly draw: number };

export interface LinkLimits {
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  /** Dials that may fail in a row before those who wait are told. */
  readonly dialAttemptsMax: number;
  readonly yieldTimeoutMs: number;
}

export interface LinkContext extends LinkLimits {
  readonly failures: number;
  readonly delayMs: number;
}

/**
 * Whether, and when, a peer is dialled. Dials happen on demand, and again after a loss; when they have failed often enough the
 * callers are told, and the peer is left alone for the backoff: a dead node must cost its peers a packet now and then, no more.
 */
export const linkMachine = setup({
  types: {
    context: {} as LinkContext,
    events: {} as LinkEvent,
    input: {} as LinkLimits,
  },
  actions: {
    dial: effect(),
    /** Everything that waits for this peer fails now. */
    giveUp: effect(),
    countFailure: assign(({ context, event }) =>
      event.type === 'DIAL_FAILED'
        ? {
            failures: context.failures + 1,
            delayMs: backoffDelayMs(context.failures + 1, event.draw, context),
          }
        : {},
    ),
    /** The first dial after a loss comes soon: most losses are of the connection, not of the peer. */
    drawFirstDelay: assign(({ context, event }) =>
      event.type === 'LOST' ? { delayMs: backoffDelayMs(0, event.draw, context) } : {},
    ),
    forgetFailures: assign({ failures: 0 }),
  },
  guards: {
    anotherTryMayHelp: ({ context }, { definitive }: { readonly definitive: boolean }) =>
      !definitive && context.failures + 1 < context.dialAttemptsMax,
    peerCanBeDialled: (_, { redial }: { readonly redial: boolean }) => redial,
  },
  delays: {
    backoff: ({ context }) => context.delayMs,
    yieldTimeout: ({ context }) => context.yieldTimeoutMs,
  },
}).createMachine({
  id: 'transport.link',
  context: ({ input }) => ({ ...input, failures: 0, delayMs: 0 }),
  initial: 'idle',
  states: {
    idle: {
      description: 'No connection, and nothing asks for one.',
      on: { NEEDED: 'dialing', ATTACHED: 'connected' },
    },
    dialing: {
      description: 'A dial, or its handshake, is under way.',
      entry: 'dial',
      on: {
        ATTACHED: 'connected',
        YIELDED: 'yielding',
        DIAL_FAILED: [
          {
            target: 'retrying',
            guard: {
              type: 'anotherTryMayHelp',
              params: ({ event }) => ({ definitive: event.definitive }),
            },
            actions: 'countFailure',
          },
          { target: 'unreachable', actions: 'countFailure' },
        ],
        // NEEDED: the dial under way is the answer.
      },
    },
    yielding: {
      description: 'The peer has dialled too, and its dial wins; it should be admitted any moment.',
      after: { yieldTimeout: 'dialing' },
      on: { ATTACHED: 'connected' },
    },
    connected: {
      description: 'A connection carries the session.',
      entry: 'forgetFailures',
      on: {
        LOST: [
          {
            target: 'retrying',
            guard: { type: 'peerCanBeDialled', params: ({ event }) => ({ redial: event.redial }) },
            actions: 'drawFirstDelay',
          },
          { target: 'idle' },
        ],
        // ATTACHED: a newer connection has replaced the old one.
      },
    },
    retrying: {
      description: 'The connection was lost or a dial failed; the next dial comes after a jittered wait.',
      after: { backoff: 'dialing' },
      on: { ATTACHED: 'connected' },
      // NEEDED: the next dial is on its way.
    },
    unreachable: {
      description:
        'Dials have failed too often, or for good: until the wait is over, callers are told at once.',
      entry: 'giveUp',
      after: { backoff: 'idle' },
      on: { ATTACHED: 'connected' },
      // NEEDED: refused by the owner while in this state.
    },
  },
});
