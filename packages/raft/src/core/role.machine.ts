/**
 * Who this node is in its group: follower, pre-candidate, candidate or leader (Raft thesis 3.3, 3.4, 6.2, 9.6).
 *
 * The machine decides on changes of role only. What arrives all the time does not step it: a heartbeat writes down when it came,
 * and the election timer, when it fires, asks whether one came since and then waits for what is left of the time.
 */
import { effect, Prng, type PrngState } from '@cluster/core';
import { assign, setup } from 'xstate';

export interface RoleInput {
  readonly electionTimeoutMinMs: number;
  readonly electionTimeoutMaxMs: number;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  /** How far apart the voters' turns are when a leader falls silent. */
  readonly turnMs: number;
  readonly prng: PrngState;
}

export interface RoleContext extends RoleInput {
  /** Drawn anew for every election (thesis 3.4). */
  readonly electionTimeoutMs: number;
  /** What the timer of the state is armed with: the timeout, or what was left of it. */
  readonly waitMs: number;
}

export type RoleEvent =
  /** The election timer fired `silentMs` after a leader was last heard or a vote was granted; `rank` as in LEADER_LOST, null without a leader. */
  | { readonly type: 'ELECTION_DUE'; readonly silentMs: number; readonly rank: number | null }
  /**
   * The connection to the leader broke, or there is nobody who could lead; so many voters come before this one in the order in which
   * they stand.
   */
  | { readonly type: 'LEADER_LOST'; readonly rank: number }
  | { readonly type: 'PRE_VOTE_WON' }
  | { readonly type: 'PRE_VOTE_LOST' }
  | { readonly type: 'VOTE_WON' }
  | { readonly type: 'VOTE_LOST' }
  /** A message carried a higher term, which this node has taken over. */
  | { readonly type: 'HIGHER_TERM' }
  /** The leader of this term made itself known. */
  | { readonly type: 'LEADER_HEARD' }
  /** This node is to hand its lead over to another. */
  | { readonly type: 'TRANSFER_ASKED' }
  /** The leader wants this node to stand at once. */
  | { readonly type: 'TIMEOUT_NOW' }
  /** Whether a majority of the voters was heard from within an election timeout. */
  | { readonly type: 'QUORUM_COUNTED'; readonly isInContact: boolean }
  /** The members changed: this node has a vote now. */
  | { readonly type: 'BECAME_VOTER' }
  /** The members changed, for good as far as a leader is concerned, or others say that they have: this node has no vote any more. */
  | { readonly type: 'BECAME_LEARNER' }
  /** The disk or the state machine failed. */
  | { readonly type: 'FAILED' };

const draw = (limits: RoleInput): Pick<RoleContext, 'prng' | 'electionTimeoutMs' | 'waitMs'> => {
  const prng = Prng.fromState(limits.prng);
  const electionTimeoutMs = prng.between(limits.electionTimeoutMinMs, limits.electionTimeoutMaxMs);
  return { prng: prng.state, electionTimeoutMs, waitMs: electionTimeoutMs };
};

/** A moment for the others to notice the same. */
const headStart = 0.1;
/** So much of a turn is left to chance. */
const jitter = 0.4;

/**
 * How long a leader may be silent. Two voters that stand at once split the vote and cost another timeout, so those that lose the
 * same leader take turns, by rank; without one, and after a failed election, chance alone keeps them apart (thesis 3.4).
 * Deviation: the thesis draws from the whole range each time. The order is no promise: any of them may stand whenever it thinks fit.
 */
const patienceMs = (context: RoleContext, rank: number | null): number => {
  const { electionTimeoutMs, electionTimeoutMinMs: min, electionTimeoutMaxMs: max, turnMs } = context;
  if (rank === null) return electionTimeoutMs;
  const chance = max === min ? 0 : (electionTimeoutMs - min) / (max - min);
  return Math.min(max, min + turnMs * (rank + headStart + jitter * chance));
};

const backToFollower = { target: 'follower', actions: 'drawElectionTimeout' } as const;

export const roleMachine = setup({
  types: { context: {} as RoleContext, events: {} as RoleEvent, input: {} as RoleInput },
  actions: {
    drawElectionTimeout: assign(({ context }) => draw(context)),
    waitForTheRest: assign(({ context, event }) =>
      event.type === 'ELECTION_DUE'
        ? { waitMs: Math.ceil(patienceMs(context, event.rank) - event.silentMs) }
        : {},
    ),
    waitForItsTurn: assign(({ context, event }) =>
      event.type === 'LEADER_LOST' ? { waitMs: Math.round(context.turnMs * (event.rank + headStart)) } : {},
    ),
    follow: effect(),
    learn: effect(),
    /** Comes back as ELECTION_DUE. */
    measureSilence: effect(),
    askForPreVotes: effect(),
    callElection: effect(),
    takeLead: effect(),
    /** Comes back as QUORUM_COUNTED. */
    countContacts: effect(),
    holdProposals: effect(),
    releaseProposals: effect(),
    giveUpTransfer: effect(),
    layDownLead: effect(),
    stopServing: effect(),
  },
  guards: {
    heardFromLeaderRecently: ({ context, event }) =>
      event.type === 'ELECTION_DUE' && event.silentMs < patienceMs(context, event.rank),
    asksBeforeStanding: ({ context }) => context.preVote,
    quorumIsInContact: ({ context, event }) =>
      !context.checkQuorum || (event.type === 'QUORUM_COUNTED' && event.isInContact),
  },
  delays: {
    electionTimeout: ({ context }) => context.waitMs,
    transferTimeout: ({ context }) => context.electionTimeoutMinMs,
    quorumCheck: ({ context }) => context.electionTimeoutMinMs,
  },
}).createMachine({
  id: 'raft.role',
  context: ({ input }) => ({ ...input, ...draw(input) }),
  initial: 'follower',
  on: { FAILED: '.failed' },
  states: {
    follower: {
      description:
        'Answers leaders and candidates, and waits for its election timeout (thesis 3.3). Its term follows the highest it hears of, which needs no change of state: HIGHER_TERM and LEADER_HEARD are ignored.',
      entry: 'follow',
      after: { electionTimeout: { actions: 'measureSilence' } },
      on: {
        ELECTION_DUE: [
          { guard: 'heardFromLeaderRecently', target: 'follower', reenter: true, actions: 'waitForTheRest' },
          { guard: 'asksBeforeStanding', target: 'preCandidate' },
          { target: 'candidate' },
        ],
        // Only where a majority is asked first is a false alarm harmless.
        LEADER_LOST: {
          guard: 'asksBeforeStanding',
          target: 'follower',
          reenter: true,
          actions: 'waitForItsTurn',
        },
        // Nobody is asked before: the leader has done so by choosing this node (thesis 3.10).
        TIMEOUT_NOW: 'candidate',
        BECAME_LEARNER: 'learner',
      },
    },
    learner: {
      description:
        'Gets the log and has no vote: a learner, a node that waits to be added, or one that was removed. It stands in no election, not even when it is told to; it votes when it is asked, for who asks may know of members that this node has not heard of (thesis 4.2.1).',
      entry: 'learn',
      on: { BECAME_VOTER: backToFollower },
    },
    preCandidate: {
      description:
        'Asks whether a majority would vote for it, without raising its term, so that a node that was cut off unseats nobody (thesis 9.6).',
      entry: ['drawElectionTimeout', 'askForPreVotes'],
      after: { electionTimeout: { target: 'preCandidate', reenter: true } },
      on: {
        PRE_VOTE_WON: 'candidate',
        PRE_VOTE_LOST: backToFollower,
        LEADER_HEARD: backToFollower,
        HIGHER_TERM: backToFollower,
        BECAME_LEARNER: 'learner',
      },
    },
    candidate: {
      description:
        'Stands in a term of its own, has voted for itself and asks for votes once that vote is on its disk (thesis 3.4, 3.8).',
      entry: ['drawElectionTimeout', 'callElection'],
      after: {
        electionTimeout: [
          { guard: 'asksBeforeStanding', target: 'preCandidate' },
          { target: 'candidate', reenter: true },
        ],
      },
      on: {
        VOTE_WON: 'leader',
        VOTE_LOST: backToFollower,
        LEADER_HEARD: backToFollower,
        HIGHER_TERM: backToFollower,
        BECAME_LEARNER: 'learner',
      },
    },
    leader: {
      description: 'Alone in its term; appends a no-op first and replicates its log (thesis 3.5, 3.6, 6.4).',
      entry: 'takeLead',
      exit: 'layDownLead',
      initial: 'steady',
      // A count that says otherwise is taken by `steady`.
      // Whoever is not to lead any more leads until that is agreed on, without counting itself (thesis 4.2.2).
      on: { HIGHER_TERM: backToFollower, QUORUM_COUNTED: backToFollower, BECAME_LEARNER: 'learner' },
      states: {
        steady: {
          description:
            'Takes proposals, and steps down when a majority has been silent for an election timeout (thesis 6.2).',
          after: { quorumCheck: { actions: 'countContacts' } },
          on: {
            QUORUM_COUNTED: { guard: 'quorumIsInContact', target: 'steady', reenter: true },
            TRANSFER_ASKED: 'transferring',
          },
        },
        transferring: {
          description:
            'Brings the one that is to lead next up to date, tells it to stand, and takes no proposals meanwhile; leads on when that takes longer than an election timeout (thesis 3.10).',
          entry: 'holdProposals',
          exit: 'releaseProposals',
          after: { transferTimeout: { target: 'steady', actions: 'giveUpTransfer' } },
        },
      },
    },
    failed: {
      description:
        'The disk or the state machine failed: what it still would say could be untrue after a restart, so it says nothing (thesis 3.8).',
      entry: 'stopServing',
    },
  },
});
