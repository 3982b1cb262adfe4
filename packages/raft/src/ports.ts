/** What a replica needs from outside. Ports are callback-shaped: the order of events has to belong to the simulator. */
import type { Done } from '@cluster/core';
import type { AppliedEntry, Entry, HardState, SessionChange, SessionRecord } from './core/types.ts';

/**
 * Carries messages between the replicas of a group. It may lose, delay, duplicate and reorder them; it must tell truly who sent
 * one. Bytes given to `send` do not change afterwards; bytes given to `receive` are copied within the call, as far as they are kept.
 */
export interface RaftChannel {
  send(to: string, bytes: Uint8Array): void;
  /** Called once, before anything is sent. */
  onMessage(receive: (from: string, bytes: Uint8Array) => void): void;
  /**
   * Told when the connection to a peer breaks, where the channel knows such a thing: the death of a leader's process is then
   * noticed at once, and not only after an election timeout. A hint: a false one costs a question to the other voters.
   */
  onPeerLost?(lost: (peer: string) => void): void;
}

/** Committed entries and session changes, in order of their index. A valid order for all of it: opens, entries, closes. */
export interface ApplyBatch {
  readonly entries: readonly AppliedEntry[];
  readonly sessions: readonly SessionChange[];
  /** The log is applied up to here with this batch; to be kept in the same transaction as its effects. */
  readonly lastIndex: number;
}

/**
 * What the log drives. It must be deterministic: the same entries in the same order give the same state and results everywhere.
 * Everything of a batch, `lastIndex` included, becomes durable together or not at all.
 */
export interface StateMachine {
  /**
   * What it holds. For each open session: the results of at least its highest 256 sequences, and `lastIndex`, the index of its
   * latest entry (of its opening, before the first).
   */
  restore(done: Done<{ readonly appliedIndex: number; readonly sessions: readonly SessionRecord[] }>): void;
  /**
   * Gives one result per entry. One batch at a time; a duplicate of a session's command never gets here. A command that the
   * application refuses is a result like any other: an error here stops the replica.
   */
  apply(batch: ApplyBatch, done: Done<readonly Uint8Array[]>): void;
}

/** What a log held when it was opened. */
export interface RecoveredLog {
  /** `{ term: 0, vote: null }` for a new group. */
  readonly hardState: HardState;
  /** Without a gap, from index 1. */
  readonly entries: readonly Entry[];
}

/** One atomic step of a log: cut off what follows `truncateAfter`, append, and set term and vote. */
export interface LogWrite {
  readonly hardState: HardState | null;
  readonly truncateAfter: number | null;
  readonly entries: readonly Entry[];
}

/** Where the logs of one or several groups live. */
export interface LogStorage {
  /** What a group's log holds; each group once, before its first write. */
  recover(groupId: number, done: Done<RecoveredLog>): void;
  /**
   * Completes when the write, and all before it, will survive a loss of power. Writes complete in the order they were made. After
   * an error nothing is written any more, and every later write fails.
   */
  write(groupId: number, write: LogWrite, done: Done<void>): void;
}
