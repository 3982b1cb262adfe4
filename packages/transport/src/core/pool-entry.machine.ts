import { assign, setup } from 'xstate';
import { effect } from '@cluster/core';

export type PoolEntryEvent =
  /** Something waits to be sent, and the breaker is not in the way. */
  | { readonly type: 'NEEDED' }
  /** A connection to the peer, ours or theirs, has been admitted. */
  | { readonly type: 'ATTACHED' }
  /** `again`: the breaker allows another try, after so long. */
  | { readonly type: 'DIAL_FAILED'; readonly again: boolean; readonly delayMs: number }
  /** Both dialled at once, and theirs is the one that counts. */
  | { readonly type: 'YIELDED' }
  /** The connection has been used as much as one should be. */
  | { readonly type: 'AGED' }
  | { readonly type: 'LOST'; readonly redial: boolean; readonly delayMs: number };

export interface PoolEntryLimits {
  readonly yieldTimeoutMs: number;
}

export interface PoolEntryContext extends PoolEntryLimits {
  readonly delayMs: number;
}

/**
 * The place of a peer in the pool: at most one connection, made when somebody needs it, and again after a loss. Whether the peer
 * may be dialled is the breaker's to say.
 */
export const poolEntryMachine = setup({
  types: {
    context: {} as PoolEntryContext,
    events: {} as PoolEntryEvent,
    input: {} as PoolEntryLimits,
  },
  actions: {
    dial: effect(),
    noteDelay: assign(({ event }) => ('delayMs' in event ? { delayMs: event.delayMs } : {})),
  },
  guards: {
    breakerAllows: (_, { again }: { readonly again: boolean }) => again,
    peerCanBeDialled: (_, { redial }: { readonly redial: boolean }) => redial,
  },
  delays: {
    backoff: ({ context }) => context.delayMs,
    yieldTimeout: ({ context }) => context.yieldTimeoutMs,
  },
}).createMachine({
  id: 'transport.poolEntry',
  context: ({ input }) => ({ ...input, delayMs: 0 }),
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
            guard: { type: 'breakerAllows', params: ({ event }) => ({ again: event.again }) },
            actions: 'noteDelay',
          },
          { target: 'idle' },
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
      on: {
        LOST: [
          {
            target: 'retrying',
            guard: { type: 'peerCanBeDialled', params: ({ event }) => ({ redial: event.redial }) },
            actions: 'noteDelay',
          },
          { target: 'idle' },
        ],
        AGED: 'renewing',
        // ATTACHED: a newer connection has replaced the old one.
      },
    },
    renewing: {
      description:
        'The next connection is being made while the last still carries the session; it is closed when the next is admitted.',
      entry: 'dial',
      on: {
        ATTACHED: 'connected',
        // It is tried again when its age is looked at again.
        DIAL_FAILED: 'connected',
        YIELDED: 'connected',
        LOST: [
          {
            target: 'retrying',
            guard: { type: 'peerCanBeDialled', params: ({ event }) => ({ redial: event.redial }) },
            actions: 'noteDelay',
          },
          { target: 'idle' },
        ],
      },
    },
    retrying: {
      description: 'The connection was lost or a dial failed; the next dial comes after a jittered wait.',
      after: { backoff: 'dialing' },
      on: { ATTACHED: 'connected' },
      // NEEDED: the next dial is on its way.
    },
  },
});
