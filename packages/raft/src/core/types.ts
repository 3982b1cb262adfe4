/** The nouns of the protocol. All of it is plain data. */
import type { Configuration } from './configuration.ts';
import type { ChangeProblem } from './configuration-changes.ts';

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
 * `busy`: too much is uncommitted, so it was not taken. `notLeader`: not taken either. `dropped`: taken, but another entry was agreed on
 * in its place. `unknown`: the node asked cannot tell (any more). `sessionExpired`, `sequenceTooOld`: reached its place in the log and was
 * refused there, on every replica.
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

/**
 * `auto`: at once where one voter changes, else over a joint configuration. `joint`: over one in any case. `explicit`: into one, which
 * stays until it is left by `leave`.
 */
export type Transition = 'auto' | 'joint' | 'explicit' | 'leave';

export type FailureCause = 'storage' | 'stateMachine';

/** How a local proposal or read ended: a verdict of the log, or why there is none. `tooManyPending`: as many as may wait already. */
export type Answer =
  | { readonly status: 'applied'; readonly index: number; readonly term: number; readonly result: Uint8Array }
  | {
      readonly status:
        | Exclude<RefusalStatus, 'notLeader' | 'dropped'>
        | 'tooManyPending'
        | 'timeout'
        | 'abandoned';
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
