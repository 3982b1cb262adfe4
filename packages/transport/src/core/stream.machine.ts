import { setup } from 'xstate';
import { effect } from '@cluster/core';
import type { Refusal } from './refusal.ts';

export type StreamEvent =
  /** Our last byte has been queued. */
  | { readonly type: 'ENDED' }
  /** The peer's last byte has arrived. */
  | { readonly type: 'PEER_ENDED' }
  /** This side gives the stream up. */
  | { readonly type: 'RESET'; readonly refusal: Refusal }
  | { readonly type: 'PEER_RESET'; readonly refusal: Refusal }
  /** The session is over, or the peer has said goodbye before it took the stream. */
  | { readonly type: 'LOST'; readonly refusal: Refusal };

/**
 * One stream of bytes each way, inside a session: the states of HTTP/2's streams (RFC 9113, 5.1) without those that come
 * before a stream is open, because the frame that opens it is numbered and cannot be lost. Bytes never pass through here.
 */
export const streamMachine = setup({
  types: { events: {} as StreamEvent },
  actions: {
    sendEnd: effect(),
    sendReset: effect<{ readonly refusal: Refusal }>(),
    /** The reader learns that nothing follows. */
    tellEnd: effect(),
    /** Reader and writer learn that the stream is gone. */
    tellReset: effect<{ readonly refusal: Refusal }>(),
    release: effect(),
  },
}).createMachine({
  id: 'transport.stream',
  initial: 'live',
  states: {
    live: {
      description: 'Some direction still carries bytes (RFC 9113, 5.1).',
      initial: 'open',
      on: {
        RESET: {
          target: 'closed',
          actions: { type: 'sendReset', params: ({ event }) => ({ refusal: event.refusal }) },
        },
        PEER_RESET: {
          target: 'closed',
          actions: { type: 'tellReset', params: ({ event }) => ({ refusal: event.refusal }) },
        },
        LOST: {
          target: 'closed',
          actions: { type: 'tellReset', params: ({ event }) => ({ refusal: event.refusal }) },
        },
      },
      states: {
        open: {
          description: 'Both sides may send.',
          on: {
            ENDED: { target: 'endedHere', actions: 'sendEnd' },
            PEER_ENDED: { target: 'endedThere', actions: 'tellEnd' },
          },
        },
        endedHere: {
          description: 'We have said our last; the peer goes on: half-closed (local).',
          on: { PEER_ENDED: { target: '#closed', actions: 'tellEnd' } },
        },
        endedThere: {
          description: 'The peer has said its last; we go on: half-closed (remote).',
          on: { ENDED: { target: '#closed', actions: 'sendEnd' } },
        },
      },
    },
    closed: {
      id: 'closed',
      type: 'final',
      description:
        'Both have ended, or one has reset it. What the reader has not taken yet is still there after an end.',
      entry: 'release',
    },
  },
});
