/**
 * How a leader sends a snapshot to one follower that is behind its log (Raft thesis 5.1): a piece at a time, each when the one before
 * is answered and the bound on the rate allows it. Where the follower stands is in its answers, so that whatever gets lost, doubled or
 * cut off, the next piece begins where its file ends.
 */
import { effect } from '@cluster/core';
import { assign, setup } from 'xstate';

export interface SendingInput {
  /** An unanswered piece is sent again after this. */
  readonly answerMs: number;
  /** Between an answer and the next piece at the least: what keeps the rate within its bound. */
  readonly paceMs: number;
}

export interface SendingContext extends SendingInput {
  readonly pauseMs: number;
}

export type SendingEvent =
  /** There is a snapshot that joins the log. */
  | { readonly type: 'SNAPSHOT_THERE' }
  /** The piece has been read, and sent. */
  | { readonly type: 'SENT' }
  /** It cannot be read. */
  | { readonly type: 'UNREADABLE' }
  /** The follower has been heard of since, and has not got the piece. */
  | { readonly type: 'MISSED' }
  /** The follower's file ends elsewhere than before, so long after the piece was to be read. */
  | { readonly type: 'MOVED'; readonly tookMs: number }
  /** The follower has all of it. */
  | { readonly type: 'ALL_THERE' }
  /** The follower holds it, and the log begins behind it by now. */
  | { readonly type: 'OUTGROWN' }
  /** The follower found its checksum wrong. */
  | { readonly type: 'REFUSED' };

export const sendingMachine = setup({
  types: { context: {} as SendingContext, events: {} as SendingEvent, input: {} as SendingInput },
  actions: {
    wantSnapshot: effect(),
    readPiece: effect(),
    /** Nothing is to rest on that snapshot any more. */
    giveUpSnapshot: effect(),
    /**
     * As long as the piece has taken: on machines that have nothing else to do that is little, and on busy ones the snapshot takes turns with
     * the rest.
     */
    noteHowLongItTook: assign(({ context, event }) =>
      event.type === 'MOVED'
        ? { pauseMs: Math.max(context.paceMs, Math.min(context.answerMs, Math.ceil(event.tookMs))) }
        : {},
    ),
  },
  delays: { answer: ({ context }) => context.answerMs, pause: ({ context }) => context.pauseMs },
}).createMachine({
  id: 'raft.sending',
  context: ({ input }) => ({ ...input, pauseMs: input.paceMs }),
  initial: 'lacking',
  states: {
    lacking: {
      description: 'No snapshot joins the log; one has to be taken first (thesis 5.1).',
      entry: 'wantSnapshot',
      on: { SNAPSHOT_THERE: 'reading' },
    },
    reading: {
      description: 'The next piece comes from the disk and goes out (thesis 5.1, figure 5.3).',
      entry: 'readPiece',
      on: {
        SENT: 'awaitingAnswer',
        UNREADABLE: { target: 'lacking', actions: 'giveUpSnapshot' },
      },
    },
    awaitingAnswer: {
      description:
        'The follower writes the piece. Without an answer, or where its answers say that it has not come, it is sent again (thesis 5.1).',
      after: { answer: 'reading' },
      on: {
        MISSED: 'reading',
        MOVED: { target: 'pausing', actions: 'noteHowLongItTook' },
        ALL_THERE: 'awaitingInstall',
        OUTGROWN: 'lacking',
        REFUSED: { target: 'lacking', actions: 'giveUpSnapshot' },
      },
    },
    pausing: {
      description:
        'The next piece waits, so that a snapshot takes no more of the network and the disk than it may (thesis 5.1.2).',
      after: { pause: 'reading' },
    },
    awaitingInstall: {
      description:
        'The follower has all of it, checks it and puts it in place; heartbeats keep asking how that went (thesis 5.1).',
      on: {
        MOVED: { target: 'pausing', actions: 'noteHowLongItTook' },
        OUTGROWN: 'lacking',
        REFUSED: { target: 'lacking', actions: 'giveUpSnapshot' },
      },
    },
  },
});
