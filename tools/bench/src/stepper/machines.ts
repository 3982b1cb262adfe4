/** Two machines shaped like the busiest of the protocols: raft's role with its context, swim's member without one. */
import { assign, setup } from 'xstate';
import { effect } from '@cluster/core';

export type RoleEvent =
  | { readonly type: 'HEARTBEAT'; readonly term: number }
  | { readonly type: 'VOTE_REQUESTED'; readonly term: number; readonly upToDate: boolean }
  | { readonly type: 'VOTE_GRANTED' };

export const roleMachine = setup({
  types: {
    context: {} as { term: number; votes: number; timeoutMs: number },
    events: {} as RoleEvent,
  },
  actions: {
    adoptTerm: assign({ term: ({ context, event }) => ('term' in event ? event.term : context.term) }),
    persistVote: effect<{ term: number }>(),
    countVote: assign({ votes: ({ context }) => context.votes + 1 }),
    startElection: assign({ term: ({ context }) => context.term + 1, votes: 1 }),
    askForVotes: effect<{ term: number }>(),
    announce: effect<{ term: number }>(),
  },
  guards: {
    termIsOld: ({ context, event }) => 'term' in event && event.term < context.term,
    mayVote: ({ context, event }) =>
      event.type === 'VOTE_REQUESTED' && event.upToDate && event.term > context.term,
    isMajority: ({ context }) => context.votes >= 2,
  },
  delays: { electionTimeout: ({ context }) => context.timeoutMs },
}).createMachine({
  id: 'bench.role',
  context: { term: 1, votes: 0, timeoutMs: 250 },
  initial: 'follower',
  states: {
    follower: {
      after: { electionTimeout: 'candidate' },
      on: {
        HEARTBEAT: [{ guard: 'termIsOld' }, { target: 'follower', reenter: true, actions: 'adoptTerm' }],
        VOTE_REQUESTED: {
          guard: 'mayVote',
          target: 'follower',
          reenter: true,
          actions: ['adoptTerm', { type: 'persistVote', params: ({ context }) => ({ term: context.term }) }],
        },
      },
    },
    candidate: {
      entry: ['startElection', { type: 'askForVotes', params: ({ context }) => ({ term: context.term }) }],
      after: { electionTimeout: { target: 'candidate', reenter: true } },
      on: {
        VOTE_GRANTED: [
          { guard: 'isMajority', target: 'leader', actions: 'countVote' },
          { actions: 'countVote' },
        ],
        HEARTBEAT: { target: 'follower', actions: 'adoptTerm' },
      },
    },
    leader: {
      entry: { type: 'announce', params: ({ context }) => ({ term: context.term }) },
      on: { HEARTBEAT: [{ guard: 'termIsOld' }, { target: 'follower', actions: 'adoptTerm' }] },
    },
  },
});

export const electionTimeout = 'xstate.after.electionTimeout.bench.role.follower';

/** Nine heartbeats, an old one, a vote, and an election won and lost again; the terms grow so that no round is alike. */
export function* roleScript(): Generator<RoleEvent | { readonly type: typeof electionTimeout }, never> {
  for (let term = 1; ; term += 3) {
    for (let i = 0; i < 9; i++) yield { type: 'HEARTBEAT', term };
    yield { type: 'HEARTBEAT', term: 0 };
    yield { type: 'VOTE_REQUESTED', term: term + 1, upToDate: true };
    yield { type: electionTimeout };
    yield { type: 'VOTE_GRANTED' };
    yield { type: 'VOTE_GRANTED' };
    yield { type: 'HEARTBEAT', term: term + 3 };
  }
}

export type MemberEvent =
  | { readonly type: 'SUSPECTED'; readonly timeoutMs: number }
  | { readonly type: 'ALIVE_HEARD' }
  | { readonly type: 'DEAD_HEARD' };

export const memberMachine = setup({
  types: { events: {} as MemberEvent },
  actions: { gossip: effect<{ state: 'suspect' | 'alive' | 'dead' }>() },
  delays: { suspicion: ({ event }) => (event.type === 'SUSPECTED' ? event.timeoutMs : 0) },
}).createMachine({
  id: 'bench.member',
  initial: 'alive',
  states: {
    alive: { on: { SUSPECTED: 'suspect', DEAD_HEARD: 'dead' } },
    suspect: {
      entry: { type: 'gossip', params: { state: 'suspect' } },
      after: { suspicion: 'dead' },
      on: {
        ALIVE_HEARD: { target: 'alive', actions: { type: 'gossip', params: { state: 'alive' } } },
        DEAD_HEARD: 'dead',
      },
    },
    dead: {
      entry: { type: 'gossip', params: { state: 'dead' } },
      on: { ALIVE_HEARD: { target: 'alive', actions: { type: 'gossip', params: { state: 'alive' } } } },
    },
  },
});

/** Suspected and refuted, suspected and dead and back; some events find nothing to do. */
export function* memberScript(): Generator<MemberEvent, never> {
  for (;;) {
    yield { type: 'ALIVE_HEARD' };
    yield { type: 'SUSPECTED', timeoutMs: 5000 };
    yield { type: 'ALIVE_HEARD' };
    yield { type: 'ALIVE_HEARD' };
    yield { type: 'SUSPECTED', timeoutMs: 5000 };
    yield { type: 'DEAD_HEARD' };
    yield { type: 'DEAD_HEARD' };
    yield { type: 'ALIVE_HEARD' };
  }
}
