/** What a replica needs from outside. Ports are callback-shaped: the order of events has to belong to the simulator. */
import type { Clock, Done, Logger, Metrics, Tracer, WallClock } from '@cluster/core';
import type {
  AppliedEntry,
  Entry,
  HardState,
  LogBase,
  SessionChange,
  SessionRecord,
  SnapshotId,
  SnapshotMeta,
} from './core/types.ts';

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
   * Gives one result per entry. A command may be a view of a larger buffer: copy what is kept of it for long. One batch at a time; a duplicate of a session's command never gets here. A command that the
   * application refuses is a result like any other: an error here stops the replica.
   */
  apply(batch: ApplyBatch, done: Done<readonly Uint8Array[]>): void;
  /** Without it there are no snapshots: the log is never shortened. */
  readonly images?: StateImages | undefined;
}

/** Bytes in order, one piece at a time. */
export interface ByteSource {
  /** The next piece, of any length; null at the end. After an error, what came before is worth nothing. */
  next(done: Done<Uint8Array | null>): void;
  /** Nobody wants the rest. Called once, after the end and after an error too. */
  close(): void;
}

/** The whole state at one index, out of a state machine and into another. */
export interface StateImages {
  /**
   * An image of the state after the last batch. Completes as soon as a further batch cannot change the image any more, and no batch
   * comes before; the bytes may be read long after. An error means that there is no snapshot this time, no more.
   */
  take(done: Done<ByteSource>): void;
  /**
   * Puts an image in place of everything there is; `meta.index` is the applied index then, and `meta.sessions` are the open sessions.
   * It becomes durable whole or not at all, as a batch does; an error, of the source too, stops the replica.
   */
  install(meta: SnapshotMeta, image: ByteSource, done: Done<void>): void;
}

/** What a log held when it was opened. */
export interface RecoveredLog {
  /** `{ term: 0, vote: null }` for a new group. */
  readonly hardState: HardState;
  /** What the entries begin behind; `{ index: 0, term: 0 }` for a log that was never shortened. */
  readonly base: LogBase;
  /** Without a gap, from the index after the base. */
  readonly entries: readonly Entry[];
}

/** One atomic step of a log, in this order: set term and vote, drop what a snapshot covers, cut off what follows `truncateAfter`, append. */
export interface LogWrite {
  readonly hardState: HardState | null;
  /** Everything up to here is dropped; what follows as well, unless the log goes through this index with this term. */
  readonly base: LogBase | null;
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

export interface StoredSnapshot {
  readonly id: SnapshotId;
  readonly meta: SnapshotMeta;
}

/**
 * Where the snapshots of one or several groups live. Of each group one thing of a kind is under way at a time: one is saved, one
 * received, pieces of any are read.
 */
export interface SnapshotStorage {
  /** The latest one of a group, null when there is none; what was left unfinished is gone. Each group once, before anything else. */
  recover(groupId: number, done: Done<StoredSnapshot | null>): void;
  /** Completes when the snapshot will survive a loss of power. The image is closed in any case. */
  save(groupId: number, meta: SnapshotMeta, image: ByteSource, done: Done<StoredSnapshot>): void;
  /** Bytes of a stored snapshot, to be sent. */
  read(groupId: number, id: SnapshotId, offset: number, length: number, done: Done<Uint8Array>): void;
  /** The image within it, checked as it is read: a wrong checksum is an error in place of the end. */
  open(groupId: number, id: SnapshotId, done: Done<ByteSource>): void;
  /** Bytes of a snapshot that another sends, in order; offset 0 begins anew. */
  receive(groupId: number, id: SnapshotId, offset: number, bytes: Uint8Array, done: Done<void>): void;
  /** All bytes have been received: checks them, and completes when the snapshot will survive a loss of power. Else nothing is left of it. */
  accept(groupId: number, id: SnapshotId, done: Done<StoredSnapshot>): void;
  /** Removes all others, but none that is newer than these: such a one has come since, and its owner will hear of it. */
  keepOnly(groupId: number, ids: readonly SnapshotId[], done: Done<void>): void;
}

/** All of them. */
export interface RaftPorts {
  readonly clock: Clock;
  readonly channel: RaftChannel;
  readonly storage: LogStorage;
  readonly stateMachine: StateMachine;
  /** Where snapshots are kept; without it, or without the state machine's `images`, the log is never shortened. */
  readonly snapshots?: SnapshotStorage | undefined;
  /** For election timeouts; different on every node. */
  readonly seed: number;
  /**
   * Runs something once what runs now has ended; on a loop of events: `queueMicrotask`. What is proposed in one turn then takes one round and
   * one flush, what is read in it one round. Without it the first of a turn goes on at once, alone, and the rest wait for it.
   */
  readonly afterTurn?: ((run: () => void) => void) | undefined;
  /**
   * Runs something once what has arrived by now has been received; on Node: `setImmediate` within `setImmediate`. Where several are proposed
   * in one turn, those that arrive meanwhile join them. Without it they do not wait.
   */
  readonly afterPoll?: ((run: () => void) => void) | undefined;
  /** To notice that the monotonic clock stood still; without it there are no lease reads. */
  readonly wallClock?: WallClock | undefined;
  readonly logger?: Logger | undefined;
  readonly metrics?: Metrics | undefined;
  readonly tracer?: Tracer | undefined;
}
