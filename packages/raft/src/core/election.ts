/** Votes: asking for them, giving them, counting them (thesis 3.4, 3.6.1, 9.6). */
import { jointVoteResult } from './quorum.ts';
import type { Shared } from './state.ts';
import type { RaftMessage, VoteRequest, VoteResponse } from './messages.ts';
import type { RaftOut } from './inputs-and-effects.ts';

export interface ElectionCheckpoint {
  readonly votes: readonly (readonly [string, boolean])[];
  readonly ownVoteSequence: number | null;
  readonly askedMs: number;
  readonly started: number;
}

export class Election {
  readonly #shared: Shared;
  #votes = new Map<string, boolean>();
  // The write that makes the vote for oneself count; null when there is none to wait for.
  #ownVoteSequence: number | null = null;
  // When it last asked for pre-votes.
  #askedMs = 0;
  /** The leader has asked this node to stand: said in the next election it calls, and in that one only. */
  invited = false;
  /** Elections this node has stood in. */
  started = 0;

  constructor(shared: Shared) {
    this.#shared = shared;
  }

  /** @returns whether this node alone is a majority. */
  askForPreVotes(nowMs: number, out: RaftOut): boolean {
    this.#askedMs = nowMs;
    const { config, membership, term, log } = this.#shared;
    this.#votes = new Map([[config.nodeId, true]]);
    this.#ownVoteSequence = null;
    const { lastIndex, lastTerm } = log;
    for (const peer of membership.electorate) {
      this.#shared.send(out, peer, { type: 'voteRequest', term: term + 1, pre: true, lastIndex, lastTerm });
    }
    return this.#result() === 'won';
  }

  /** A term of its own, a vote for itself; both on disk before anybody hears of them (thesis 3.8). */
  callElection(out: RaftOut): void {
    const shared = this.#shared;
    shared.setHardState(shared.term + 1, shared.config.nodeId);
    this.started++;
    shared.persistHardState(out);
    this.#votes = new Map();
    this.#ownVoteSequence = shared.durability.sequence;
    const { lastIndex, lastTerm } = shared.log;
    const invited = this.invited ? ({ invited: true } as const) : {};
    this.invited = false;
    for (const peer of shared.membership.electorate) {
      shared.durability.defer(peer, {
        type: 'voteRequest',
        term: shared.term,
        pre: false,
        ...invited,
        lastIndex,
        lastTerm,
      });
    }
  }

  /** Counts the own vote once it is on the disk; true when that wins the election. */
  ownVoteIsDurable(): boolean {
    const { role, durability, config } = this.#shared;
    if (
      role !== 'candidate' ||
      this.#ownVoteSequence === null ||
      durability.completed < this.#ownVoteSequence
    ) {
      return false;
    }
    this.#ownVoteSequence = null;
    this.#votes.set(config.nodeId, true);
    return this.#result() === 'won';
  }

  /** @returns whether a vote was given, which resets the election timer. */
  answer(from: string, request: VoteRequest, nowMs: number, out: RaftOut): boolean {
    return request.pre
      ? this.#answerPreVote(from, request, nowMs, out)
      : this.#answerVote(from, request, nowMs, out);
  }

  // Granting promises nothing and touches no timer: this node may grant it to many (thesis 9.6).
  #answerPreVote(from: string, request: VoteRequest, nowMs: number, out: RaftOut): false {
    const shared = this.#shared;
    const granted =
      request.term > shared.term &&
      !shared.hearsLeader(nowMs) &&
      shared.log.isUpToDate(request.lastIndex, request.lastTerm) &&
      !this.#comesBefore(from, request, nowMs);
    const term = granted ? request.term : shared.term;
    shared.sendWhenTermIsDurable(out, from, { type: 'voteResponse', term, pre: true, granted });
    return false;
  }

  /**
   * Two that ask each other at once and both agree would then stand at once, split the vote and wait for another election timeout. So one
   * of them gives way: of two equal logs the one whose turn comes later, for as long as the other may be expected to stand.
   */
  #comesBefore(from: string, { lastIndex, lastTerm }: VoteRequest, nowMs: number): boolean {
    const { role, config, log, turns } = this.#shared;
    const hasJustAsked = role === 'preCandidate' && nowMs - this.#askedMs < config.heartbeatMs;
    const isEqual = lastIndex === log.lastIndex && lastTerm === log.lastTerm;
    return hasJustAsked && isEqual && turns.compare(config.nodeId, from) < 0;
  }

  #answerVote(from: string, request: VoteRequest, nowMs: number, out: RaftOut): boolean {
    const shared = this.#shared;
    // Whoever has the lease was promised it, whatever term this node has heard of since (thesis 6.4.1).
    const isPromised = shared.config.leaseReads && request.invited !== true && shared.hearsLeader(nowMs);
    const granted =
      request.term === shared.term &&
      !isPromised &&
      (shared.vote === from ||
        (shared.vote === null &&
          shared.leaderId === null &&
          shared.log.isUpToDate(request.lastIndex, request.lastTerm)));
    if (granted && shared.vote === null) shared.setHardState(shared.term, from);
    shared.sendWhenDurable(out, from, { type: 'voteResponse', term: shared.term, pre: false, granted });
    return granted;
  }

  /** @returns what the answer decides, if anything. */
  count(from: string, response: VoteResponse): 'won' | 'lost' | 'pending' {
    const { role, term } = this.#shared;
    const asked = response.pre ? role === 'preCandidate' : role === 'candidate';
    // A pre-vote is for the term this node would stand in; a vote for the one it stands in.
    const meant = response.pre ? !response.granted || response.term === term + 1 : response.term === term;
    if (!asked || !meant) return 'pending';
    this.#votes.set(from, response.granted);
    return this.#result();
  }

  #result(): 'won' | 'lost' | 'pending' {
    return jointVoteResult(this.#shared.membership.quorum, (voter) => this.#votes.get(voter));
  }

  checkpoint(): ElectionCheckpoint {
    return {
      votes: [...this.#votes],
      ownVoteSequence: this.#ownVoteSequence,
      askedMs: this.#askedMs,
      started: this.started,
    };
  }

  restore({ votes, ownVoteSequence, askedMs, started }: ElectionCheckpoint): void {
    this.#askedMs = askedMs;
    this.#votes = new Map(votes);
    this.#ownVoteSequence = ownVoteSequence;
    this.started = started;
  }
}

/** A term nobody is in yet: the one a pre-vote is about (thesis 9.6). */
export const isProspective = (message: RaftMessage): boolean =>
  (message.type === 'voteRequest' && message.pre) ||
  (message.type === 'voteResponse' && message.pre && message.granted);
