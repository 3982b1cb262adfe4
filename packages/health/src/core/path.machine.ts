/**
 * How a path is doing, judged probe by probe. One machine per peer, context-free: counts and figures arrive in the events.
 *
 * Down and back are decided by probes in a row (fall, rise), as health checkers do: one lost packet is no outage, and one
 * answer is no recovery. Degraded is decided by smoothed figures, with a gap between the threshold to leave and to return.
 */
import { effect } from '@cluster/core';
import { setup } from 'xstate';

/** The smoothed figures beside their thresholds. */
export interface PathFigures {
  readonly latencyMs: number;
  readonly latencyMaxMs: number;
  readonly lossRatio: number;
  readonly lossMax: number;
  /** Both must be below this share of their thresholds before a degraded path is good again. */
  readonly recoverRatio: number;
}

export type PathEvent =
  | ({
      readonly type: 'PROBE_ANSWERED';
      /** In a row. */ readonly answered: number;
      readonly rise: number;
    } & PathFigures)
  | ({
      readonly type: 'PROBE_LOST';
      /** In a row. */ readonly lost: number;
      readonly fall: number;
    } & PathFigures);

export const pathMachine = setup({
  types: { events: {} as PathEvent },
  guards: {
    fallIsReached: ({ event }) => event.type === 'PROBE_LOST' && event.lost >= event.fall,
    riseIsReached: ({ event }) => event.type === 'PROBE_ANSWERED' && event.answered >= event.rise,
    riseIsReachedButPathIsPoor: ({ event }) =>
      event.type === 'PROBE_ANSWERED' &&
      event.answered >= event.rise &&
      (event.latencyMs > event.latencyMaxMs || event.lossRatio > event.lossMax),
    riseIsReachedAndPathIsGood: ({ event }) =>
      event.type === 'PROBE_ANSWERED' &&
      event.answered >= event.rise &&
      event.latencyMs <= event.latencyMaxMs * event.recoverRatio &&
      event.lossRatio <= event.lossMax * event.recoverRatio,
    pathIsPoor: ({ event }) => event.latencyMs > event.latencyMaxMs || event.lossRatio > event.lossMax,
  },
  actions: {
    reportUp: effect(),
    reportDegraded: effect(),
    reportDown: effect(),
  },
}).createMachine({
  id: 'health.path',
  initial: 'unknown',
  states: {
    unknown: {
      description: 'No probe has been answered yet, and too few were lost to call it down.',
      on: {
        PROBE_ANSWERED: [{ guard: 'pathIsPoor', target: 'degraded' }, { target: 'up' }],
        PROBE_LOST: { guard: 'fallIsReached', target: 'down' },
      },
    },
    up: {
      description: 'Probes are answered, fast enough and with little loss.',
      entry: 'reportUp',
      on: {
        PROBE_ANSWERED: { guard: 'pathIsPoor', target: 'degraded' },
        PROBE_LOST: [
          { guard: 'fallIsReached', target: 'down' },
          { guard: 'pathIsPoor', target: 'degraded' },
        ],
      },
    },
    degraded: {
      description: 'Probes are answered, but slowly or with much loss: use it where there is no better.',
      entry: 'reportDegraded',
      on: {
        PROBE_ANSWERED: { guard: 'riseIsReachedAndPathIsGood', target: 'up' },
        PROBE_LOST: { guard: 'fallIsReached', target: 'down' },
      },
    },
    down: {
      description: 'Probes go unanswered.',
      entry: 'reportDown',
      on: {
        // PROBE_LOST: it is down already.
        PROBE_ANSWERED: [
          { guard: 'riseIsReachedButPathIsPoor', target: 'degraded' },
          { guard: 'riseIsReached', target: 'up' },
        ],
      },
    },
  },
});
