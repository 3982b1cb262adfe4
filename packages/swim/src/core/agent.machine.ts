/**
 * The life of this member in the pool: it starts, joins, defends itself against accusations, and leaves.
 *
 * Only a running member refutes (SWIM 4.2). Once it leaves, word of its death is true and is let stand, and late word of its life
 * is not repeated.
 */
import { type Address, effect } from '@cluster/core';
import { setup } from 'xstate';

export type AgentEvent =
  | { readonly type: 'START' }
  | { readonly type: 'JOIN' }
  /** One seed has answered or failed; `remaining` have yet to. */
  | { readonly type: 'SEED_SETTLED'; readonly remaining: number }
  | { readonly type: 'JOIN_ABORTED' }
  /** Somebody says we are suspect or dead. */
  | { readonly type: 'ACCUSED'; readonly incarnation: number; readonly known: number }
  /** Somebody says we are alive. */
  | {
      readonly type: 'QUOTED';
      readonly incarnation: number;
      readonly known: number;
      readonly sameRecord: boolean;
      readonly elsewhere: boolean;
      readonly address: Address;
    }
  | { readonly type: 'TAGS_SET' }
  | { readonly type: 'LEAVE'; readonly othersAlive: number; readonly timeoutMs: number }
  | { readonly type: 'LEAVE_SPREAD' }
  | { readonly type: 'STOP' };

export const agentMachine = setup({
  types: { events: {} as AgentEvent },
  actions: {
    announceArrival: effect(),
    startSchedule: effect(),
    stopSchedule: effect(),
    stopProbing: effect(),
    contactSeeds: effect(),
    closeJoin: effect(),
    refute: effect<{ above: number; accused: boolean }>(),
    reportConflict: effect<{ address: Address }>(),
    announceTags: effect(),
    announceLeave: effect(),
    closeLeave: effect(),
  },
  guards: {
    isLastSeed: ({ event }) => event.type === 'SEED_SETTLED' && event.remaining === 0,
    accusationIsCurrent: ({ event }) => event.type === 'ACCUSED' && event.incarnation >= event.known,
    nameIsUsedElsewhere: ({ event }) => event.type === 'QUOTED' && event.elsewhere,
    // The same incarnation with another record is one of our former life, which had other tags.
    quoteIsNotOurs: ({ event }) =>
      event.type === 'QUOTED' &&
      (event.incarnation > event.known || (event.incarnation === event.known && !event.sameRecord)),
    nobodyToTell: ({ event }) => event.type === 'LEAVE' && event.othersAlive === 0,
  },
  delays: { leaveTimeout: ({ event }) => (event.type === 'LEAVE' ? event.timeoutMs : 0) },
}).createMachine({
  id: 'swim.agent',
  initial: 'stopped',
  states: {
    stopped: {
      description: 'Not a member: nothing is sent and nothing is believed.',
      on: { START: { target: 'running', actions: ['announceArrival', 'startSchedule'] } },
    },
    running: {
      description: 'A member: probing, gossiping, and refuting what is untrue of it.',
      initial: 'settled',
      on: {
        ACCUSED: {
          guard: 'accusationIsCurrent',
          actions: { type: 'refute', params: ({ event }) => ({ above: event.incarnation, accused: true }) },
        },
        QUOTED: [
          {
            guard: 'nameIsUsedElsewhere',
            actions: { type: 'reportConflict', params: ({ event }) => ({ address: event.address }) },
          },
          {
            guard: 'quoteIsNotOurs',
            actions: {
              type: 'refute',
              params: ({ event }) => ({ above: event.incarnation, accused: false }),
            },
          },
        ],
        TAGS_SET: { actions: 'announceTags' },
        LEAVE: [
          { guard: 'nobodyToTell', target: 'left', actions: 'stopProbing' },
          { target: 'leaving', actions: ['stopProbing', 'announceLeave'] },
        ],
        STOP: { target: 'stopped', actions: ['stopProbing', 'stopSchedule'] },
      },
      states: {
        settled: {
          description: 'No join is under way.',
          on: { JOIN: 'joining' },
        },
        joining: {
          description: 'Seeds are being contacted; the join ends when each has answered or failed.',
          entry: 'contactSeeds',
          exit: 'closeJoin',
          on: {
            SEED_SETTLED: { guard: 'isLastSeed', target: 'settled' },
            JOIN_ABORTED: 'settled',
          },
        },
      },
    },
    leaving: {
      description: 'The news of our leaving spreads; we still answer, but accuse and refute no more.',
      after: { leaveTimeout: 'left' },
      on: {
        LEAVE_SPREAD: 'left',
        STOP: { target: 'stopped', actions: 'stopSchedule' },
        // ACCUSED, QUOTED: that we are dead is about to be true, and that we are alive no longer is.
      },
    },
    left: {
      description: 'No longer a member; the others know, or have been told often enough.',
      entry: ['stopSchedule', 'closeLeave'],
    },
  },
});
