/** What a message from a peer does, and to which part of the core (thesis figure 3.1). */
import type { Sink } from '@cluster/core';
import type { Applying } from './applying.ts';
import { type Election, isProspective } from './election.ts';
import type { Following } from './following.ts';
import type { Proposals } from './proposals.ts';
import type { ReadRounds } from './read-rounds.ts';
import type { Reads } from './reads.ts';
import type { Replication } from './replication.ts';
import type { RoleEvent } from './role.machine.ts';
import type { Snapshots } from './snapshots.ts';
import type { Shared } from './state.ts';
import type {
  Append,
  Commit,
  Confirm,
  LeftOut,
  RaftMessage,
  SnapshotPiece,
  TimeoutNow,
  VoteResponse,
} from './messages.ts';
import type { RaftEffect } from './inputs-and-effects.ts';

type Out = Sink<RaftEffect>;

export interface Parts {
  readonly shared: Shared;
  readonly election: Election;
  readonly following: Following;
  readonly replication: Replication;
  readonly applying: Applying;
  readonly proposals: Proposals;
  readonly reads: Reads;
  readonly readRounds: ReadRounds;
  readonly snapshots: Snapshots;
}

export interface ReceptionCheckpoint {
  readonly timerBaseMs: number;
  readonly rejections: number;
}

export class Reception {
  readonly #parts: Parts;
  readonly #raise: (event: RoleEvent, nowMs: number, out: Out) => void;
  // When a leader was last heard or a vote given: what the election timeout counts from.
  #timerBaseMs = 0;
  #rejections = 0;

  /** @param raise steps the role machine. */
  constructor(parts: Parts, raise: (event: RoleEvent, nowMs: number, out: Out) => void) {
    this.#parts = parts;
    this.#raise = raise;
  }

  /** Messages refused since the start. */
  get rejections(): number {
    return this.#rejections;
  }

  start(nowMs: number): void {
    const { shared } = this.#parts;
    this.#timerBaseMs = nowMs;
    // Before it failed this node may have heard a leader that rests on that (thesis 6.4.1).
    if (shared.config.leaseReads) shared.leaderContactMs = nowMs;
  }

  /**
   * The role machine has started. A node that knows of no other member has no leader to wait for (thesis 3.4): an election timeout would
   * be most of what its restart takes. Another could lead on only by what it promised in a lease (thesis 6.4.1).
   */
  begun(nowMs: number, out: Out): void {
    const { membership, config } = this.#parts.shared;
    const isAlone = membership.mayStand && membership.peers.length === 0;
    if (isAlone && config.preVote && !config.leaseReads) this.#standInTurn(0, nowMs, out);
  }

  silenceMs(nowMs: number): number {
    return nowMs - this.#timerBaseMs;
  }

  /**
   * Taken for as long silent as any timeout, so that it refuses no vote and waits no longer than its turn. Where there are lease
   * reads it is no such thing: a leader whose connection broke may be at work and rest on what was promised to it (thesis 6.4.1).
   */
  lost(peer: string, nowMs: number, out: Out): void {
    const { shared } = this.#parts;
    const { leaderId, rank, config } = shared;
    if (peer !== leaderId || rank === null || !config.preVote || config.leaseReads) return;
    shared.leaderContactMs = null;
    this.#standInTurn(rank, nowMs, out);
  }

  #standInTurn(rank: number, nowMs: number, out: Out): void {
    this.#timerBaseMs = nowMs - this.#parts.shared.config.electionTimeoutMaxMs;
    this.#raise({ type: 'LEADER_LOST', rank }, nowMs, out);
  }

  receive(from: string, message: RaftMessage, nowMs: number, out: Out): void {
    const { shared, following } = this.#parts;
    const isKnown = shared.peers.includes(from) || (isForAnybody(message) && from !== shared.config.nodeId);
    if (!isKnown) return this.reject(from, 'notAMember', out);
    // It is answered all the same: it may know of members that this node has not heard of.
    if (message.type === 'voteRequest') this.#tellIfLeftOut(from, out);
    const standing = message.type === 'voteRequest' && !message.pre && message.invited !== true;
    // While a leader is at work, a candidate is ignored, its term too (thesis 4.2.3), unless that leader wants it (thesis 3.10).
    if (standing && message.term > shared.term && shared.hearsLeader(nowMs)) return;
    if (message.term > shared.term && !isProspective(message)) {
      shared.setHardState(message.term, null);
      shared.leaderId = null;
      following.reset();
      this.#raise({ type: 'HIGHER_TERM' }, nowMs, out);
    }
    const problem = this.#take(from, message, nowMs, out);
    if (problem !== null) this.reject(from, problem, out);
    shared.persistHardState(out);
  }

  reject(from: string, reason: string, out: Out): void {
    this.#rejections++;
    out.emit({ type: 'rejected', from, reason });
  }

  /** @returns why the message is impossible, or null. */
  #take(from: string, message: RaftMessage, nowMs: number, out: Out): string | null {
    const { shared, election, following, replication, applying, proposals, reads, readRounds } = this.#parts;
    const isOld = message.term < shared.term;
    switch (message.type) {
      case 'voteRequest':
        if (election.answer(from, message, nowMs, out)) this.#timerBaseMs = nowMs;
        return null;
      case 'voteResponse':
        return isOld ? null : this.#countVote(from, message, nowMs, out);
      case 'append':
        return isOld ? following.refuse(from, message, out) : this.#follow(from, message, nowMs, out);
      case 'commit':
        return isOld ? null : this.#follow(from, message, nowMs, out);
      case 'appendAccepted':
        return isOld || !shared.isLeader ? null : replication.accepted(from, message, nowMs, out);
      case 'appendRejected':
        if (!isOld && shared.isLeader) replication.rejected(from, message, nowMs, out);
        return null;
      case 'propose':
        if (message.drafts.some(({ command }) => command.length > shared.config.commandBytesMax)) {
          return 'commandTooLarge';
        }
        proposals.forwarded(from, message, out);
        return null;
      case 'proposed':
        if (!isOld && message.verdict.status === 'applied') following.commit(message.verdict.index);
        proposals.proposed(message, applying.appliedIndex, nowMs, out);
        return null;
      case 'confirm':
        // Of an earlier term: the answer, of this one, ends that lead.
        return isOld ? this.#confirm(from, 0, out) : this.#follow(from, message, nowMs, out);
      case 'timeoutNow':
      case 'snapshotPiece':
        return isOld ? null : this.#follow(from, message, nowMs, out);
      case 'snapshotAnswer':
        return isOld || !shared.isLeader ? null : replication.answered(from, message, nowMs, out);
      case 'confirmed':
        if (!isOld && shared.isLeader) readRounds.confirmed(from, message.round, out);
        return null;
      case 'readRequest':
        // Not asked in vain where this node leads no more: the sender asks again when it hears of a leader.
        if (!isOld && shared.isLeader) readRounds.request(from, message);
        return null;
      case 'readAnswer':
        if (!isOld) following.commit(message.index);
        reads.answered(message, message.index);
        return null;
      case 'leftOut':
        return this.#leftOut(message, out);
    }
  }

  #follow(
    from: string,
    message: Append | Commit | Confirm | TimeoutNow | SnapshotPiece,
    nowMs: number,
    out: Out,
  ): string | null {
    const { shared, following, snapshots } = this.#parts;
    if (shared.isLeader || (shared.leaderId !== null && shared.leaderId !== from)) return 'secondLeader';
    if (shared.role !== 'follower' && shared.role !== 'learner')
      this.#raise({ type: 'LEADER_HEARD' }, nowMs, out);
    shared.leaderId = from;
    shared.leaderContactMs = nowMs;
    this.#timerBaseMs = nowMs;
    if (message.type === 'append') return following.append(from, message, out);
    if (message.type === 'confirm') return this.#confirm(from, message.round, out);
    if (message.type === 'timeoutNow') return this.#stand(nowMs, out);
    if (message.type === 'snapshotPiece') return snapshots.offered(from, message, nowMs, out);
    following.commit(message.commit);
    return null;
  }

  #stand(nowMs: number, out: Out): null {
    const { election } = this.#parts;
    election.invited = true;
    this.#raise({ type: 'TIMEOUT_NOW' }, nowMs, out);
    // One that does not stand now was not invited to stand later.
    election.invited = false;
    return null;
  }

  #confirm(to: string, round: number, out: Out): null {
    const { shared } = this.#parts;
    shared.sendWhenTermIsDurable(out, to, { type: 'confirmed', term: shared.term, round });
    return null;
  }

  #countVote(from: string, response: VoteResponse, nowMs: number, out: Out): null {
    const result = this.#parts.election.count(from, response);
    if (result === 'pending') return null;
    if (response.pre) this.#raise({ type: result === 'won' ? 'PRE_VOTE_WON' : 'PRE_VOTE_LOST' }, nowMs, out);
    else this.#raise({ type: result === 'won' ? 'VOTE_WON' : 'VOTE_LOST' }, nowMs, out);
    return null;
  }

  #tellIfLeftOut(to: string, out: Out): void {
    const { shared } = this.#parts;
    const { membership, commitIndex: index, log, term } = shared;
    const indexTerm = membership.leavesOut(to) ? log.termAt(index) : undefined;
    if (indexTerm === undefined) return;
    shared.sendWhenTermIsDurable(out, to, { type: 'leftOut', term, index, indexTerm });
  }

  // True whenever it was said: what is committed stays so.
  #leftOut({ index, indexTerm }: LeftOut, out: Out): null {
    const { shared } = this.#parts;
    // The same entry, and so the same log up to there (log matching, thesis 3.5), which says the rest.
    if (shared.log.has(index, indexTerm)) shared.commitIndex = Math.max(shared.commitIndex, index);
    else if (shared.membership.leftOutUpTo(index)) out.emit({ type: 'leftOut', index });
    return null;
  }

  checkpoint(): ReceptionCheckpoint {
    return { timerBaseMs: this.#timerBaseMs, rejections: this.#rejections };
  }

  restore({ timerBaseMs, rejections }: ReceptionCheckpoint): void {
    this.#timerBaseMs = timerBaseMs;
    this.#rejections = rejections;
  }
}

/**
 * What a node takes from whoever says it, because its own word on who the members are may be an old one (thesis 4.1): the leader and
 * the candidates may be nodes that were added meanwhile. Answers come from those who were asked.
 */
const isForAnybody = ({ type }: RaftMessage): boolean =>
  type === 'voteRequest' ||
  type === 'append' ||
  type === 'commit' ||
  type === 'confirm' ||
  type === 'snapshotPiece' ||
  type === 'timeoutNow';
