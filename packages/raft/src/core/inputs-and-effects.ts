/** What goes into the core and what comes out of it. All of it is plain data. */
import type { TimerEffect } from '@cluster/core';
import type { Configuration } from './configuration.ts';
import type { MemberChange } from './configuration-changes.ts';
import type { RaftMessage } from './messages.ts';
import type {
  Answer,
  AppliedEntry,
  ChangeOutcome,
  Entry,
  FailureCause,
  HardState,
  LogBase,
  Proposal,
  Role,
  SessionChange,
  SessionRecord,
  SnapshotId,
  SnapshotMeta,
  SnapshotOutcome,
  TransferOutcome,
  Transition,
} from './types.ts';

/** What a read may rest on in place of a majority's word; one that says nothing is linearizable. */
export interface Leniency {
  /** A leader may answer from its lease (thesis 6.4.1). */
  readonly byLease?: true;
  /** What was known so long ago will do. */
  readonly staleMsMax?: number;
}

export interface ReadCall extends Leniency {
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
  /** Linearizable reads, which share a round; their `ref`s differ from those of proposals. */
  | { readonly type: 'READ'; readonly reads: readonly ReadCall[] }
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
  /** Another says that the members agreed on up to `index` leave this node out, whose own log does not say so yet. */
  | { readonly type: 'leftOut'; readonly index: number }
  | { readonly type: 'roleChanged'; readonly role: Role; readonly term: number }
  | { readonly type: 'leaderChanged'; readonly leaderId: string | null; readonly term: number }
  /** A message was refused; nothing changed. */
  | { readonly type: 'rejected'; readonly from: string; readonly reason: string }
  /** The node has stopped for good: it must not acknowledge anything any more. */
  | { readonly type: 'stopped'; readonly what: FailureCause; readonly reason: string };

export type RaftOut = { emit(effect: RaftEffect | TimerEffect): void };
