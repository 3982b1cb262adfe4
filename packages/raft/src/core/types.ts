/** The nouns of the protocol: entries, messages, and what goes into and comes out of the core. All of it is plain data. */
import type { TimerEffect } from '@cluster/core';
import type { Configuration } from './configuration.ts';
import type { ChangeProblem, MemberChange } from './configuration-changes.ts';

/**
 * `noop`: a leader's first entry. `openSession`: its index becomes the client id. `barrier`: nothing but a point in the log.
 * `configuration`: who the members are from here on.
 */
export type EntryKind = 'noop' | 'command' | 'openSession' | 'barrier' | 'configuration';

/** One command of a client session (thesis 6.3): applied once, however often it is proposed. */
export interface SessionKey {
  readonly clientId: number;
  readonly sequence: number;
}

export interface Entry {
  readonly index: number;
  readonly term: number;
  readonly kind: EntryKind;
  readonly session: SessionKey | null;
  readonly command: Uint8Array;
}

/** What must survive a restart besides the log (thesis figure 3.1), always written together. */
export interface HardState {
  readonly term: number;
  readonly vote: string | null;
}

/** The last place that a log no longer holds, because a snapshot covers it; `{ index: 0, term: 0 }` for a log that begins at index 1. */
export interface LogBase {
  readonly index: number;
  readonly term: number;
}

/** What a leader is asked to put into the log. */
export interface Draft {
  readonly kind: Exclude<EntryKind, 'noop' | 'configuration'>;
  readonly session: SessionKey | null;
  readonly command: Uint8Array;
}

export type Role = 'follower' | 'preCandidate' | 'candidate' | 'leader' | 'learner';

/** How a proposal ended, as the leader tells it. */
export type Verdict =
  | { readonly status: 'applied'; readonly index: number; readonly term: number; readonly result: Uint8Array }
  | { readonly status: RefusalStatus };

/**
 * `busy`, `notLeader`: certainly not taken. `dropped`: taken, but another entry was agreed on in its place. `unknown`: the node
 * asked cannot tell (any more). `sessionExpired`, `sequenceTooOld`: reached its place in the log and was refused there, on every replica.
 */
export const refusalStatuses = [
  'busy',
  'notLeader',
  'dropped',
  'unknown',
  'sessionExpired',
  'sequenceTooOld',
] as const;
export type RefusalStatus = (typeof refusalStatuses)[number];

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
  | SnapshotAnswer;

/** What the state machine remembers of a session. */
export interface SessionRecord {
  readonly clientId: number;
  /** Index of its last command that was applied (of its opening, before the first). */
  readonly lastIndex: number;
  /** Whose it is, as its opening said. */
  readonly owner?: string | undefined;
  readonly results: readonly { readonly sequence: number; readonly result: Uint8Array }[];
}

/** One snapshot among all: two nodes that cover the same place still have different bytes. */
export interface SnapshotId {
  /** The last entry it covers. */
  readonly index: number;
  readonly term: number;
  /** Length as it is stored and sent, everything included. */
  readonly bytes: number;
  /** CRC-32C of all but the last eight of them. */
  readonly crc: number;
}

/** What a snapshot holds beside the image of the state machine (thesis 5.1, 6.3). */
export interface SnapshotMeta extends LogBase {
  /** As of its last entry. */
  readonly configuration: Configuration;
  readonly sessions: readonly SessionRecord[];
}

export interface SessionChange {
  readonly type: 'open' | 'close';
  readonly clientId: number;
  readonly index: number;
  /** Of one that opens, where its opening names one: to be kept with the session. */
  readonly owner?: string;
}

export interface AppliedEntry {
  readonly index: number;
  readonly term: number;
  readonly command: Uint8Array;
  readonly session: SessionKey | null;
}

export interface Proposal extends Draft {
  readonly ref: number;
  readonly timeoutMs: number;
}

export type RaftInput =
  | {
      readonly type: 'START';
      readonly hardState: HardState;
      readonly base: LogBase;
      readonly entries: readonly Entry[];
      readonly appliedIndex: number;
      readonly sessions: readonly SessionRecord[];
      /** The latest one; the state machine holds at least what it covers. */
      readonly snapshot: SnapshotId | null;
      /** The members as of that snapshot; null without one. */
      readonly configuration: Configuration | null;
    }
  | { readonly type: 'MESSAGE'; readonly from: string; readonly message: RaftMessage }
  /** The connection to a peer broke. A hint: it may be at work still. */
  | { readonly type: 'PEER_LOST'; readonly peer: string }
  /** Bytes from a peer that were no message. */
  | { readonly type: 'MALFORMED'; readonly from: string; readonly reason: string }
  | { readonly type: 'PROPOSE'; readonly proposals: readonly Proposal[] }
  /** A linearizable read; its `ref` differs from those of proposals. */
  | {
      readonly type: 'READ';
      readonly ref: number;
      readonly timeoutMs: number;
      /** A leader may answer from its lease (thesis 6.4.1). */
      readonly byLease?: true;
    }
  /** More time may have passed than the clock says, as when the machine was suspended. */
  | { readonly type: 'CLOCK_DOUBTED' }
  /** Hand the lead over; its `ref` differs from those of proposals. */
  | { readonly type: 'TRANSFER'; readonly ref: number; readonly to: string; readonly timeoutMs: number }
  /** Change who the members are; its `ref` differs from those of proposals. */
  | {
      readonly type: 'CHANGE';
      readonly ref: number;
      readonly changes: readonly MemberChange[];
      readonly transition: Transition;
      readonly timeoutMs: number;
    }
  /** The caller no longer wants to know. */
  | { readonly type: 'ABANDON'; readonly ref: number }
  /** Everything up to this `persist` is on the disk. */
  | { readonly type: 'PERSISTED'; readonly sequence: number }
  /** One result per entry of the `apply` that was under way. */
  | { readonly type: 'APPLIED'; readonly results: readonly Uint8Array[] }
  /** Take a snapshot now; its `ref` differs from those of proposals. */
  | { readonly type: 'SNAPSHOT'; readonly ref: number }
  /** The state machine's image is taken: entries may be applied again. */
  | { readonly type: 'IMAGE_TAKEN' }
  | { readonly type: 'SNAPSHOT_SAVED'; readonly id: SnapshotId }
  /** No snapshot was taken, or a piece could not be written. */
  | { readonly type: 'SNAPSHOT_FAILED'; readonly reason: string }
  /** Null when the bytes cannot be read. */
  | {
      readonly type: 'SNAPSHOT_READ';
      readonly to: string;
      readonly id: SnapshotId;
      readonly offset: number;
      readonly bytes: Uint8Array | null;
    }
  | { readonly type: 'PIECE_WRITTEN'; readonly id: SnapshotId; readonly end: number }
  /** What was received is durable, and what its sender has; null when it is not. */
  | { readonly type: 'SNAPSHOT_CHECKED'; readonly id: SnapshotId; readonly meta: SnapshotMeta | null }
  | { readonly type: 'SNAPSHOT_INSTALLED' }
  | { readonly type: 'FAILED'; readonly what: FailureCause; readonly reason: string };

/**
 * `auto`: at once where one voter changes, else over a joint configuration. `joint`: over one in any case. `explicit`: into one, which
 * stays until it is left by `leave`.
 */
export type Transition = 'auto' | 'joint' | 'explicit' | 'leave';

export type FailureCause = 'storage' | 'stateMachine';

/** How a local proposal ended: a verdict of the log, or why there is none. */
export type Answer =
  | { readonly status: 'applied'; readonly index: number; readonly term: number; readonly result: Uint8Array }
  | {
      readonly status: Exclude<RefusalStatus, 'notLeader' | 'dropped'> | 'timeout' | 'abandoned';
      /** Whether it ever was given to a leader. */
      readonly submitted: boolean;
    };

/** How a transfer of the lead ended; `failed`: nobody or another leads, or this node does still. */
export type TransferOutcome = 'done' | 'notLeader' | 'targetUnknown' | 'underWay' | 'failed' | 'abandoned';

/** How a call for a snapshot ended: the index it covers. */
export type SnapshotOutcome =
  | { readonly status: 'taken'; readonly index: number }
  | { readonly status: 'failed'; readonly reason: string };
/**
 * How a change of members ended. `unfinished`: it was begun, and whether it lasts is not known here (yet). `notReady`: this leader has
 * committed nothing yet.
 */
export type ChangeOutcome =
  | 'done'
  | 'unfinished'
  | 'abandoned'
  | 'notLeader'
  | 'underWay'
  | 'notReady'
  | 'tooManyMembers'
  | ChangeProblem;

export interface PersistEffect {
  readonly type: 'persist';
  readonly sequence: number;
  readonly hardState: HardState | null;
  readonly base: LogBase | null;
  readonly truncateAfter: number | null;
  readonly entries: readonly Entry[];
}

export type RaftEffect =
  | PersistEffect
  | { readonly type: 'send'; readonly to: string; readonly message: RaftMessage }
  | {
      readonly type: 'apply';
      readonly entries: readonly AppliedEntry[];
      readonly sessions: readonly SessionChange[];
      readonly lastIndex: number;
    }
  | { readonly type: 'respond'; readonly ref: number; readonly answer: Answer }
  | { readonly type: 'transferred'; readonly ref: number; readonly outcome: TransferOutcome }
  | { readonly type: 'snapshotEnded'; readonly ref: number; readonly outcome: SnapshotOutcome }
  /** Comes back as IMAGE_TAKEN, then as SNAPSHOT_SAVED or SNAPSHOT_FAILED. */
  | { readonly type: 'takeSnapshot'; readonly meta: SnapshotMeta }
  /** Comes back as SNAPSHOT_READ. */
  | {
      readonly type: 'readSnapshot';
      readonly to: string;
      readonly id: SnapshotId;
      readonly offset: number;
      readonly length: number;
    }
  /** Comes back as PIECE_WRITTEN or SNAPSHOT_FAILED. */
  | {
      readonly type: 'writePiece';
      readonly id: SnapshotId;
      readonly offset: number;
      readonly bytes: Uint8Array;
    }
  /** Comes back as SNAPSHOT_CHECKED. */
  | { readonly type: 'checkSnapshot'; readonly id: SnapshotId }
  /** Comes back as SNAPSHOT_INSTALLED. */
  | { readonly type: 'installSnapshot'; readonly id: SnapshotId; readonly meta: SnapshotMeta }
  /** All others may go. */
  | { readonly type: 'keepSnapshots'; readonly ids: readonly SnapshotId[] }
  | { readonly type: 'snapshotTaken' | 'snapshotInstalled'; readonly id: SnapshotId }
  | { readonly type: 'snapshotFailed'; readonly reason: string }
  | { readonly type: 'changed'; readonly ref: number; readonly outcome: ChangeOutcome }
  /** The configuration in effect is a committed one; `index` is its place in the log. */
  | { readonly type: 'membersChanged'; readonly configuration: Configuration; readonly index: number }
  | { readonly type: 'roleChanged'; readonly role: Role; readonly term: number }
  | { readonly type: 'leaderChanged'; readonly leaderId: string | null; readonly term: number }
  /** A message was refused; nothing changed. */
  | { readonly type: 'rejected'; readonly from: string; readonly reason: string }
  /** The node has stopped for good: it must not acknowledge anything any more. */
  | { readonly type: 'stopped'; readonly what: FailureCause; readonly reason: string };

export type RaftOut = { emit(effect: RaftEffect | TimerEffect): void };
