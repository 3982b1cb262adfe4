import { setup } from 'xstate';
import { effect } from '@cluster/core';
import {
  connectionIdle,
  drainTimedOut,
  handshakeTimedOut,
  keysExhausted,
  peerSilent,
  type Refusal,
  writeStalled,
} from './refusal.ts';

/** The verdict on what has just arrived; null = it is accepted. */
interface Judged {
  readonly refusal: Refusal | null;
}

export type ConnectionEvent =
  | { readonly type: 'DIAL' }
  /** A stream came in; judged: its certificate. */
  | ({ readonly type: 'ACCEPT' } & Judged)
  /** The dialled stream is open; judged: its certificate. */
  | ({ readonly type: 'STREAM_OPENED' } & Judged)
  | { readonly type: 'STREAM_FAILED' }
  | ({ readonly type: 'HELLO' } & Judged)
  | ({ readonly type: 'HELLO_ACK' } & Judged)
  /** The peer has said why it does not want this connection. */
  | { readonly type: 'REFUSED' }
  /** The peer broke the protocol: bad frames, frames out of place. */
  | { readonly type: 'BROKEN' }
  | { readonly type: 'CLOSED' }
  /** Another connection to the same peer has won. */
  | { readonly type: 'SUPERSEDED' }
  /** The peer has been admitted on the next, which it has dialled, and closes this one. */
  | { readonly type: 'RETIRED' }
  /** Nothing has been heard for the keepalive time. */
  | { readonly type: 'QUIET' }
  | { readonly type: 'HEARD' }
  /** Bytes have waited for the peer too long, and it has taken none of them. */
  | { readonly type: 'STALLED' }
  /** Nobody has used it for too long. */
  | { readonly type: 'UNUSED' }
  /** No other connection has taken its place before its keys were used up. */
  | { readonly type: 'EXHAUSTED' }
  | { readonly type: 'GOAWAY' }
  | { readonly type: 'SHUTDOWN' }
  /** Both directions have finished what was under way. */
  | { readonly type: 'DRAINED' };

/** Milliseconds. */
export interface ConnectionTimings {
  readonly handshakeTimeoutMs: number;
  readonly pingTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly lingerMs: number;
}

/**
 * One stream to one peer, dialled or accepted, from the first packet to the last. Nothing of the cluster travels on it before
 * both sides have judged certificate and HELLO: in TLS 1.3 a dialler is told that the handshake is done before the listener
 * has looked at its certificate, so an established stream proves nothing yet.
 *
 * The owner keeps the reason of the end beside the machine; `blame` names it where a timer is the reason.
 */
export const connectionMachine = setup({
  types: {
    context: {} as ConnectionTimings,
    events: {} as ConnectionEvent,
    input: {} as ConnectionTimings,
  },
  actions: {
    openStream: effect(),
    sendHello: effect(),
    /** Gives the connection to its peer's session, and answers a HELLO. */
    admit: effect(),
    sendPing: effect(),
    sendGoaway: effect(),
    /** Both sides finish what is under way; nothing new begins. */
    drain: effect(),
    sendRefused: effect(),
    /** What still comes on it is of no interest: it comes again on the next. */
    retire: effect(),
    blame: effect<{ readonly refusal: Refusal }>(),
    /** The connection carries nothing any more. */
    finish: effect(),
    closeStream: effect(),
  },
  guards: {
    peerIsAccepted: (_, { refusal }: Judged) => refusal === null,
  },
  delays: {
    handshakeTimeout: ({ context }) => context.handshakeTimeoutMs,
    pingTimeout: ({ context }) => context.pingTimeoutMs,
    drainTimeout: ({ context }) => context.drainTimeoutMs,
    linger: ({ context }) => context.lingerMs,
  },
}).createMachine({
  id: 'transport.connection',
  context: ({ input }) => input,
  initial: 'new',
  states: {
    new: {
      description: 'Nothing has happened yet: the stream is to be dialled, or has just come in.',
      on: {
        DIAL: 'dialing',
        ACCEPT: [
          {
            target: 'awaitingHello',
            guard: { type: 'peerIsAccepted', params: ({ event }) => ({ refusal: event.refusal }) },
          },
          { target: 'refusing' },
        ],
      },
    },
    dialing: {
      description: 'The stream is being opened; the port bounds the time it may take.',
      entry: 'openStream',
      on: {
        STREAM_OPENED: [
          {
            target: 'greeting',
            guard: { type: 'peerIsAccepted', params: ({ event }) => ({ refusal: event.refusal }) },
          },
          { target: 'refusing' },
        ],
        STREAM_FAILED: 'closed',
        SUPERSEDED: 'closed',
        SHUTDOWN: 'closed',
      },
    },
    greeting: {
      description:
        "Our HELLO is out. The listener's certificate is good; whether it wants ours, only HELLO_ACK tells.",
      entry: 'sendHello',
      after: {
        handshakeTimeout: {
          target: 'refusing',
          actions: { type: 'blame', params: { refusal: handshakeTimedOut } },
        },
      },
      on: {
        HELLO_ACK: [
          {
            target: 'open',
            guard: { type: 'peerIsAccepted', params: ({ event }) => ({ refusal: event.refusal }) },
          },
          { target: 'refusing' },
        ],
        REFUSED: 'closed',
        BROKEN: 'refusing',
        CLOSED: 'closed',
        SUPERSEDED: 'closed',
        SHUTDOWN: 'closed',
      },
    },
    awaitingHello: {
      description: "A stream came in with a good certificate; the dialler's HELLO has to follow in time.",
      after: {
        handshakeTimeout: {
          target: 'refusing',
          actions: { type: 'blame', params: { refusal: handshakeTimedOut } },
        },
      },
      on: {
        HELLO: [
          {
            target: 'open',
            guard: { type: 'peerIsAccepted', params: ({ event }) => ({ refusal: event.refusal }) },
          },
          { target: 'refusing' },
        ],
        REFUSED: 'closed',
        BROKEN: 'refusing',
        CLOSED: 'closed',
        SHUTDOWN: 'closed',
      },
    },
    open: {
      description: 'Both sides have accepted each other: the connection carries the session.',
      entry: 'admit',
      initial: 'live',
      on: {
        BROKEN: 'refusing',
        REFUSED: 'closed',
        CLOSED: 'closed',
        SUPERSEDED: 'closed',
        RETIRED: 'retired',
        EXHAUSTED: { target: 'refusing', actions: { type: 'blame', params: { refusal: keysExhausted } } },
        STALLED: { target: 'closed', actions: { type: 'blame', params: { refusal: writeStalled } } },
        GOAWAY: 'draining',
        SHUTDOWN: { target: 'draining', actions: 'sendGoaway' },
      },
      states: {
        live: {
          description: 'Bytes have come in within the keepalive time.',
          on: {
            QUIET: 'probing',
            UNUSED: {
              target: '#refusing',
              actions: { type: 'blame', params: { refusal: connectionIdle } },
            },
          },
        },
        probing: {
          description:
            'Nothing was heard for the keepalive time; a ping is out, and any byte at all answers it.',
          entry: 'sendPing',
          after: {
            pingTimeout: {
              target: '#closed',
              actions: { type: 'blame', params: { refusal: peerSilent } },
            },
          },
          on: { HEARD: 'live' },
        },
      },
    },
    draining: {
      description:
        'One side has said GOAWAY: what is under way finishes, nothing begins, then the stream closes.',
      entry: 'drain',
      after: {
        drainTimeout: { target: 'closed', actions: { type: 'blame', params: { refusal: drainTimedOut } } },
      },
      on: { DRAINED: 'closed', BROKEN: 'closed', CLOSED: 'closed', SUPERSEDED: 'closed' },
    },
    retired: {
      description:
        'The next connection carries the session. The peer closes this one when it has heard of that: the other way round it would see a break.',
      entry: ['finish', 'retire'],
      after: { linger: 'closed' },
      on: { CLOSED: 'closed' },
    },
    refusing: {
      id: 'refusing',
      description:
        'The peer has been told why the connection is not wanted (any more); the stream lingers so that the words arrive.',
      entry: ['sendRefused', 'finish'],
      after: { linger: 'closed' },
      on: { CLOSED: 'closed' },
    },
    closed: {
      id: 'closed',
      description: 'The stream is gone, and with it this connection.',
      entry: ['finish', 'closeStream'],
    },
  },
});
