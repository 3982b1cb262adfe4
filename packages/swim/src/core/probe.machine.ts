/**
 * The failure detector: one member is probed in each protocol period (SWIM 3.1).
 *
 * A round asks the target directly; when it does not answer in time, a few others are asked to try, and TCP is tried beside them.
 * An answer of any of these until the end of the period counts. The period grows with our own bad health (Lifeguard, LHA-Probe).
 */
import { effect } from '@cluster/core';
import { assign, setup } from 'xstate';

export interface ProbeRound {
  readonly target: string;
  readonly seqNo: number;
  readonly periodMs: number;
  readonly pingTimeoutMs: number;
  readonly startedAtMs: number;
}

interface ProbeContext extends ProbeRound {
  /** What is left of the current period once there is nothing more to do in it. */
  readonly restMs: number;
  /** Relays that have said they got no answer either. */
  readonly nacks: number;
  readonly answeredOverStream: boolean;
}

export type ProbeEvent =
  | { readonly type: 'START'; readonly firstDelayMs: number }
  | { readonly type: 'STOP' }
  | { readonly type: 'TARGET_CHOSEN'; readonly round: ProbeRound }
  | { readonly type: 'NOBODY_TO_PROBE'; readonly periodMs: number }
  | { readonly type: 'ACK_RECEIVED'; readonly seqNo: number; readonly atMs: number }
  | { readonly type: 'NACK_RECEIVED'; readonly seqNo: number }
  | { readonly type: 'STREAM_ANSWERED'; readonly seqNo: number };

export const probeMachine = setup({
  types: { context: {} as ProbeContext, events: {} as ProbeEvent },
  actions: {
    /** Answered by TARGET_CHOSEN or NOBODY_TO_PROBE. */
    chooseTarget: effect(),
    sendPing: effect<{ target: string; seqNo: number }>(),
    askOthers: effect<{ target: string; seqNo: number }>(),
    reportAnswer: effect<{ target: string; roundTripMs: number }>(),
    reportFailure: effect<{ target: string; nacks: number }>(),
    reportOnlyStream: effect<{ target: string }>(),
    beginRound: assign(({ event, context }) =>
      event.type === 'TARGET_CHOSEN' ? { ...event.round, nacks: 0, answeredOverStream: false } : context,
    ),
    waitForFirst: assign({ restMs: ({ event }) => (event.type === 'START' ? event.firstDelayMs : 0) }),
    waitWholePeriod: assign({
      restMs: ({ event }) => (event.type === 'NOBODY_TO_PROBE' ? event.periodMs : 0),
    }),
    waitForRest: assign({
      restMs: ({ context, event }) =>
        event.type === 'ACK_RECEIVED'
          ? Math.max(0, context.periodMs - (event.atMs - context.startedAtMs))
          : 0,
    }),
    countNack: assign({ nacks: ({ context }) => context.nacks + 1 }),
    noteStream: assign({ answeredOverStream: true }),
  },
  guards: {
    isOfThisRound: ({ context, event }) => 'seqNo' in event && event.seqNo === context.seqNo,
    hasAnsweredOverStream: ({ context }) => context.answeredOverStream,
  },
  delays: {
    restOfPeriod: ({ context }) => context.restMs,
    pingTimeout: ({ context }) => context.pingTimeoutMs,
    endOfPeriod: ({ context }) => context.periodMs - context.pingTimeoutMs,
  },
}).createMachine({
  id: 'swim.probe',
  context: {
    target: '',
    seqNo: -1,
    periodMs: 0,
    pingTimeoutMs: 0,
    startedAtMs: 0,
    restMs: 0,
    nacks: 0,
    answeredOverStream: false,
  },
  initial: 'off',
  on: { STOP: '.off' },
  states: {
    off: {
      description: 'Not probing: before the start, and once we leave.',
      on: { START: { target: 'waiting', actions: 'waitForFirst' } },
    },
    waiting: {
      description: 'Nothing is outstanding; the next period has not begun.',
      after: { restOfPeriod: 'choosing' },
      // ACK_RECEIVED: a late answer to a round that is over.
    },
    choosing: {
      description: 'A period begins; the next member of the round-robin is being chosen (SWIM 4.3).',
      entry: 'chooseTarget',
      on: {
        TARGET_CHOSEN: { target: 'direct', actions: 'beginRound' },
        NOBODY_TO_PROBE: { target: 'waiting', actions: 'waitWholePeriod' },
      },
    },
    direct: {
      description: 'A ping is out to the target itself.',
      entry: {
        type: 'sendPing',
        params: ({ context }) => ({ target: context.target, seqNo: context.seqNo }),
      },
      after: { pingTimeout: 'indirect' },
      on: {
        ACK_RECEIVED: {
          guard: 'isOfThisRound',
          target: 'waiting',
          actions: [
            {
              type: 'reportAnswer',
              params: ({ context, event }) => ({
                target: context.target,
                roundTripMs: event.atMs - context.startedAtMs,
              }),
            },
            'waitForRest',
          ],
        },
      },
    },
    indirect: {
      description: 'No answer in time: others try in our place, and TCP beside them (SWIM 3.1, ping-req).',
      entry: {
        type: 'askOthers',
        params: ({ context }) => ({ target: context.target, seqNo: context.seqNo }),
      },
      after: {
        endOfPeriod: [
          {
            guard: 'hasAnsweredOverStream',
            target: 'choosing',
            actions: { type: 'reportOnlyStream', params: ({ context }) => ({ target: context.target }) },
          },
          {
            target: 'choosing',
            actions: {
              type: 'reportFailure',
              params: ({ context }) => ({ target: context.target, nacks: context.nacks }),
            },
          },
        ],
      },
      on: {
        ACK_RECEIVED: {
          guard: 'isOfThisRound',
          target: 'waiting',
          actions: [
            {
              type: 'reportAnswer',
              params: ({ context, event }) => ({
                target: context.target,
                roundTripMs: event.atMs - context.startedAtMs,
              }),
            },
            'waitForRest',
          ],
        },
        NACK_RECEIVED: { guard: 'isOfThisRound', actions: 'countNack' },
        STREAM_ANSWERED: { guard: 'isOfThisRound', actions: 'noteStream' },
      },
    },
  },
});
