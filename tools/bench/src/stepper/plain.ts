/**
 * The limit: the same two machines as hand-written switches that collect the same effects, with nothing to show for it — no
 * diagram, no trace of the transition taken, no model to test from. What the statecharts cost is measured against this.
 */
import { electionTimeout, type MemberEvent, type RoleEvent } from './machines.ts';

export interface PlainEffect {
  readonly type: string;
  readonly value: unknown;
}

export interface PlainRole {
  readonly state: 'follower' | 'candidate' | 'leader';
  readonly term: number;
  readonly votes: number;
}

const timeoutMs = 250;
const disarm: PlainEffect = { type: 'cancelTimer', value: 'election' };
const arm: PlainEffect = { type: 'setTimer', value: timeoutMs };

export function stepRole(
  role: PlainRole,
  event: RoleEvent | { readonly type: typeof electionTimeout },
  out: PlainEffect[],
): PlainRole {
  switch (role.state) {
    case 'follower':
      if (event.type === 'HEARTBEAT') {
        if (event.term < role.term) return role;
        out.push(disarm, arm);
        return { ...role, term: event.term };
      }
      if (event.type === 'VOTE_REQUESTED') {
        if (!event.upToDate || event.term <= role.term) return role;
        out.push(disarm, { type: 'persistVote', value: { term: event.term } }, arm);
        return { ...role, term: event.term };
      }
      if (event.type === electionTimeout) {
        out.push(disarm, { type: 'askForVotes', value: { term: role.term + 1 } }, arm);
        return { state: 'candidate', term: role.term + 1, votes: 1 };
      }
      return role;
    case 'candidate':
      if (event.type === 'VOTE_GRANTED') {
        if (role.votes < 2) return { ...role, votes: role.votes + 1 };
        out.push(disarm, { type: 'announce', value: { term: role.term } });
        return { ...role, state: 'leader', votes: role.votes + 1 };
      }
      if (event.type !== 'HEARTBEAT') return role;
      out.push(disarm, arm);
      return { ...role, state: 'follower', term: event.term };
    case 'leader':
      if (event.type !== 'HEARTBEAT' || event.term < role.term) return role;
      out.push(arm);
      return { ...role, state: 'follower', term: event.term };
  }
}

export type PlainMember = 'alive' | 'suspect' | 'dead';

export function stepMember(member: PlainMember, event: MemberEvent, out: PlainEffect[]): PlainMember {
  if (event.type === 'SUSPECTED' && member === 'alive') {
    out.push({ type: 'gossip', value: { state: 'suspect' } }, { type: 'setTimer', value: event.timeoutMs });
    return 'suspect';
  }
  if (event.type === 'ALIVE_HEARD' && member !== 'alive') {
    if (member === 'suspect') out.push({ type: 'cancelTimer', value: 'suspicion' });
    out.push({ type: 'gossip', value: { state: 'alive' } });
    return 'alive';
  }
  if (event.type === 'DEAD_HEARD' && member !== 'dead') {
    if (member === 'suspect') out.push({ type: 'cancelTimer', value: 'suspicion' });
    out.push({ type: 'gossip', value: { state: 'dead' } });
    return 'dead';
  }
  return member;
}
