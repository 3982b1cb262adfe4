/** What the nodes of a group say to one another (thesis figures 3.1, 3.8, 5.3). All of it is plain data. */
import type { Draft, Entry, SnapshotId, Verdict } from './types.ts';

/** With `pre`, `term` is the one the sender would stand in; nobody takes it over. */
export interface VoteRequest {
  readonly type: 'voteRequest';
  readonly term: number;
  readonly pre: boolean;
  /** The leader itself has asked the sender to stand: whoever hears that leader may vote all the same (thesis 3.10). */
  readonly invited?: true;
  readonly lastIndex: number;
  readonly lastTerm: number;
}
/** A granted `pre` carries the term asked for, everything else the sender's own. */
export interface VoteResponse {
  readonly type: 'voteResponse';
  readonly term: number;
  readonly pre: boolean;
  readonly granted: boolean;
}
/** Without entries it is a heartbeat. */
export interface Append {
  readonly type: 'append';
  readonly term: number;
  readonly prevIndex: number;
  readonly prevTerm: number;
  readonly commit: number;
  readonly entries: readonly Entry[];
}
/** The sender's log agrees with the leader's up to `match`, and is on its disk so far. */
export interface AppendAccepted {
  readonly type: 'appendAccepted';
  readonly term: number;
  readonly match: number;
}
/** The sender does not have `rejected`; the hint is its last entry that could agree (thesis 3.5). */
export interface AppendRejected {
  readonly type: 'appendRejected';
  readonly term: number;
  readonly rejected: number;
  readonly hintIndex: number;
  readonly hintTerm: number;
}
/** Tells a follower that is not waiting for entries how far the log is committed. Never answered. */
export interface Commit {
  readonly type: 'commit';
  readonly term: number;
  readonly commit: number;
}
export interface ForwardedDraft extends Draft {
  /** Increases with every proposal of one incarnation of the sender. */
  readonly ref: number;
}
/** Proposals for the leader of `term`; `boot` tells one incarnation of the sender from the next. */
export interface Propose {
  readonly type: 'propose';
  readonly term: number;
  readonly boot: number;
  readonly drafts: readonly ForwardedDraft[];
}
export interface Proposed {
  readonly type: 'proposed';
  readonly term: number;
  readonly boot: number;
  readonly ref: number;
  /** The term of the request this answers. */
  readonly asked: number;
  readonly verdict: Verdict;
}

/** Whether the sender still leads in `term`: a read waits for a majority's word on it (thesis 6.4). */
export interface Confirm {
  readonly type: 'confirm';
  readonly term: number;
  readonly round: number;
}
/** In a later term than it was asked about, it says that the asker does not lead any more. */
export interface Confirmed {
  readonly type: 'confirmed';
  readonly term: number;
  readonly round: number;
}
/** Asks the leader of `term` how far the log is committed, for all reads that wait at the sender. */
export interface ReadRequest {
  readonly type: 'readRequest';
  readonly term: number;
  readonly boot: number;
  readonly request: number;
}
/** Everything that was acknowledged before the request was made lies at `index` or before it. */
export interface ReadAnswer {
  readonly type: 'readAnswer';
  readonly term: number;
  readonly boot: number;
  readonly request: number;
  readonly index: number;
}

/** The leader hands over: the receiver, whose log is complete, stands at once (thesis 3.10). */
export interface TimeoutNow {
  readonly type: 'timeoutNow';
  readonly term: number;
}

/**
 * To a candidate: the log is committed up to `index`, an entry of `indexTerm`, and the members agreed on there leave it out. Who was
 * not told of its removal would ask for votes for ever (thesis 4.2.3).
 */
export interface LeftOut {
  readonly type: 'leftOut';
  readonly term: number;
  readonly index: number;
  readonly indexTerm: number;
}

/** A piece of a snapshot (thesis 5.1). Without bytes it asks how far the follower is, and is a heartbeat. */
export interface SnapshotPiece {
  readonly type: 'snapshotPiece';
  readonly term: number;
  readonly snapshot: SnapshotId;
  readonly offset: number;
  readonly bytes: Uint8Array;
}
/** What a follower says of the snapshot it is sent. */
export const snapshotStatuses = ['more', 'done', 'refused', 'busy'] as const;
/**
 * `more`: send on from `offset`. `done`: the log holds what the snapshot covers, or begins behind it. `refused`: its bytes are not
 * those it said. `busy`: later; nothing was taken.
 */
export interface SnapshotAnswer {
  readonly type: 'snapshotAnswer';
  readonly term: number;
  /** Of the snapshot. */
  readonly index: number;
  readonly offset: number;
  readonly status: (typeof snapshotStatuses)[number];
}

export type RaftMessage =
  | VoteRequest
  | VoteResponse
  | Append
  | AppendAccepted
  | AppendRejected
  | Commit
  | Propose
  | Proposed
  | Confirm
  | Confirmed
  | ReadRequest
  | ReadAnswer
  | TimeoutNow
  | SnapshotPiece
  | SnapshotAnswer
  | LeftOut;
