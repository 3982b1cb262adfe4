/**
 * What this node makes of a partition: from the first member that does not answer to the verdict, and back.
 *
 * Holding quorum is no state of this machine: it lapses by the clock, whatever the machine does. What the machine decides is what
 * follows: when the loss of a member is taken for a partition, who lives on, who gives up, and when others may be taken over.
 */
import { effect } from '@cluster/core';
import { assign, setup } from 'xstate';
import type { PartitionTimings } from './config.ts';

export type PartitionEvent =
  /** The roster has this node on it, be it anew; timings follow its size. */
  | { readonly type: 'ROSTERED'; readonly timings: PartitionTimings }
  | { readonly type: 'UNROSTERED' }
  | { readonly type: 'QUORUM_REGAINED'; readonly missing: number }
  /** Other members are reached than before. */
  | {
      readonly type: 'SIDE_CHANGED';
      readonly missing: number;
      readonly lost: number;
      readonly returned: number;
    }
  | {
      readonly type: 'JUDGED';
      /** Reached by some members only: given up first, whatever the strategy says of the rest. */
      readonly expendable: boolean;
      readonly quorate: boolean;
      readonly needsLease: boolean;
      readonly majority: boolean;
    }
  /** The lease is ours alone. */
  | { readonly type: 'LEASE_WON' }
  /** The other side lives on, without us. */
  | { readonly type: 'FENCED' }
  | { readonly type: 'REJOIN'; readonly rostered: boolean };

export type StandDownReason = 'minority' | 'unstable' | 'fenced' | 'expendable' | 'no_lease' | 'unrostered';

export const partitionMachine = setup({
  types: { events: {} as PartitionEvent, context: {} as PartitionTimings },
  actions: {
    noteTimings: assign(({ context, event }) => (event.type === 'ROSTERED' ? event.timings : context)),
    reportPartition: effect(),
    reportHealed: effect(),
    /** Computes the verdict and sends it back as JUDGED. */
    weigh: effect(),
    askLease: effect(),
    /** Refuses the missing members' lives from now on, so that they can be taken over in time. */
    fenceMissing: effect(),
    proposeShrink: effect(),
    standDown: effect<{ reason: StandDownReason }>(),
  },
  guards: {
    nobodyIsMissing: ({ event }) =>
      (event.type === 'SIDE_CHANGED' || event.type === 'QUORUM_REGAINED') && event.missing === 0,
    somebodyIsMissing: ({ event }) => event.type === 'SIDE_CHANGED' && event.missing > 0,
    moreAreLost: ({ event }) => event.type === 'SIDE_CHANGED' && event.lost > 0,
    nobodyIsBack: ({ event }) => event.type === 'SIDE_CHANGED' && event.returned === 0,
    isExpendable: ({ event }) => event.type === 'JUDGED' && event.expendable,
    isQuorate: ({ event }) => event.type === 'JUDGED' && event.quorate,
    majorityNeedsLease: ({ event }) => event.type === 'JUDGED' && event.needsLease && event.majority,
    minorityNeedsLease: ({ event }) => event.type === 'JUDGED' && event.needsLease,
    isRostered: ({ event }) => event.type === 'REJOIN' && event.rostered,
  },
  delays: {
    stabilityWindow: ({ context }) => context.stableMs,
    unstableDeadline: ({ context }) => context.unstableMs,
    minorityDelay: ({ context }) => context.minorityDelayMs,
    leaseTimeout: ({ context }) => context.leaseTimeoutMs,
    shrinkWindow: ({ context }) => context.shrinkAfterMs,
  },
}).createMachine({
  id: 'swim.partition',
  context: { stableMs: 0, unstableMs: 0, minorityDelayMs: 0, leaseTimeoutMs: 0, shrinkAfterMs: 0 },
  initial: 'joining',
  states: {
    joining: {
      description:
        'Not on the roster: a member of the pool perhaps, but it counts for nothing and holds nothing.',
      on: { ROSTERED: { target: 'rostered', actions: 'noteTimings' } },
    },
    rostered: {
      description: 'On the roster.',
      initial: 'entering',
      on: {
        ROSTERED: { actions: 'noteTimings' },
        UNROSTERED: {
          target: 'joining',
          actions: { type: 'standDown', params: { reason: 'unrostered' as const } },
        },
        FENCED: { target: 'downed', actions: { type: 'standDown', params: { reason: 'fenced' as const } } },
      },
      states: {
        entering: {
          description: 'A life that owns nothing yet: it holds nothing until a quorum has let it in.',
          on: {
            QUORUM_REGAINED: [
              { guard: 'nobodyIsMissing', target: 'whole', actions: 'reportHealed' },
              { target: 'suspected', actions: 'reportPartition' },
            ],
            // SIDE_CHANGED: who has nothing to lose need not be downed.
          },
        },
        whole: {
          id: 'partitionWhole',
          description: 'Every member of the roster is reached.',
          on: {
            SIDE_CHANGED: { guard: 'somebodyIsMissing', target: 'suspected', actions: 'reportPartition' },
          },
        },
        suspected: {
          id: 'partitionSuspected',
          description:
            'Members are missing. Nothing is decided, and nothing taken over, until reachability has stood still for the stability window.',
          initial: 'settling',
          after: {
            unstableDeadline: {
              target: '#partitionDowned',
              actions: { type: 'standDown', params: { reason: 'unstable' as const } },
            },
          },
          states: {
            settling: {
              description:
                'Members have only been lost. With each that is, the window begins anew, and so does the deadline: gossip finds the members of a lost side dead one after another, for longer than the window in a large pool.',
              after: { stabilityWindow: '#partitionDeciding' },
              on: {
                SIDE_CHANGED: [
                  { guard: 'nobodyIsMissing', target: '#partitionWhole', actions: 'reportHealed' },
                  { guard: 'nobodyIsBack', target: '#partitionSuspected', reenter: true },
                  { target: 'wavering' },
                ],
              },
            },
            wavering: {
              description:
                'Some have been back while others were missing. The window begins anew with every change; the deadline does not wait any more.',
              after: { stabilityWindow: '#partitionDeciding' },
              on: {
                SIDE_CHANGED: [
                  { guard: 'nobodyIsMissing', target: '#partitionWhole', actions: 'reportHealed' },
                  { target: 'wavering', reenter: true },
                ],
              },
            },
          },
        },
        deciding: {
          id: 'partitionDeciding',
          description: 'The partition is a fact; the strategy says which side lives on.',
          entry: 'weigh',
          on: {
            JUDGED: [
              {
                guard: 'isExpendable',
                target: '#partitionDowned',
                actions: { type: 'standDown', params: { reason: 'expendable' as const } },
              },
              { guard: 'majorityNeedsLease', target: 'asking' },
              { guard: 'minorityNeedsLease', target: 'deferring' },
              { guard: 'isQuorate', target: 'upheld' },
              {
                target: '#partitionDowned',
                actions: { type: 'standDown', params: { reason: 'minority' as const } },
              },
            ],
          },
        },
        deferring: {
          description: 'A side without majority lets the other ask for the lease first.',
          after: { minorityDelay: 'asking' },
          on: { SIDE_CHANGED: { guard: 'nobodyIsMissing', target: 'whole', actions: 'reportHealed' } },
        },
        asking: {
          description: 'The lease is being asked for without the missing; it comes when theirs has run out.',
          entry: 'askLease',
          after: {
            leaseTimeout: {
              target: '#partitionDowned',
              actions: { type: 'standDown', params: { reason: 'no_lease' as const } },
            },
          },
          on: {
            LEASE_WON: 'upheld',
            SIDE_CHANGED: { guard: 'nobodyIsMissing', target: 'whole', actions: 'reportHealed' },
          },
        },
        upheld: {
          description:
            'Our side lives on. The missing are refused, and taken over once nothing they were granted can count any more.',
          entry: 'fenceMissing',
          after: { shrinkWindow: { target: 'upheld', reenter: true, actions: 'proposeShrink' } },
          on: {
            SIDE_CHANGED: [
              { guard: 'nobodyIsMissing', target: 'whole', actions: 'reportHealed' },
              { guard: 'moreAreLost', target: 'suspected' },
              // Somebody is back, and others are still missing: no reason to decide again.
            ],
          },
        },
      },
    },
    downed: {
      id: 'partitionDowned',
      description: 'Given up: writes are refused, ownership is released; it comes back as a new life only.',
      on: { REJOIN: [{ guard: 'isRostered', target: 'rostered' }, { target: 'joining' }] },
    },
  },
});
