/**
 * What the manager needs from an application: a database, or any state machine.
 *
 * The manager never looks into SQL or into a command. The database says which statements only read, turns a write into bytes
 * that every replica applies to the same end, and applies them in log order.
 */
import type { Done } from '@cluster/core';
import type { QueryRows, SqlValue, StatementResult } from './sql.ts';

/** A proposal's exactly-once mark: `clientId` from `openSession`, `sequence` rising by one from 1. */
export interface SessionMark {
  readonly clientId: number;
  readonly sequence: number;
}

export interface AppliedEntry {
  readonly index: number;
  readonly term: number;
  readonly command: Uint8Array;
  readonly session: SessionMark | null;
}

export interface SessionRecord {
  readonly clientId: number;
  readonly lastIndex: number;
  /** Who may use it, as its opening said. */
  readonly owner?: string | undefined;
  readonly results: readonly { readonly sequence: number; readonly result: Uint8Array }[];
}

export interface SessionChange {
  readonly type: 'open' | 'close';
  readonly clientId: number;
  readonly index: number;
  /** Of one that opens: kept with it and handed back by `restore`, else nobody may use it after a restart. */
  readonly owner?: string;
}

/**
 * Applies the log, in order, one batch at a time. Applied index, sessions and data must become durable together, or all be
 * volatile together: what `restore` reports is where the log goes on.
 */
export interface StateMachine {
  restore(done: Done<{ readonly appliedIndex: number; readonly sessions: readonly SessionRecord[] }>): void;
  /** One result per entry, in order. A statement that fails is a result, not an error: an error here stops the replica. */
  apply(
    batch: {
      readonly entries: readonly AppliedEntry[];
      readonly sessions: readonly SessionChange[];
      /** The applied index after this batch; may be beyond the last entry (entries that carry no command). */
      readonly lastIndex: number;
    },
    done: Done<readonly Uint8Array[]>,
  ): void;
  /** Without it the log is never shortened. */
  readonly images?: StateImages | undefined;
}

/** Bytes in order, one piece at a time. */
export interface ByteSource {
  /** The next piece; null at the end. After an error, what came before is worth nothing. */
  next(done: Done<Uint8Array | null>): void;
  /** Nobody wants the rest. Called once, after the end and after an error too. */
  close(): void;
}

/** The whole state at one index, out of a state machine and into another, so that the log can be short. */
export interface StateImages {
  /** Completes as soon as a further batch cannot change the image any more; no batch comes before. */
  take(done: Done<ByteSource>): void;
  /** Puts an image in place of everything there is, whole or not at all; `meta.index` is the applied index then. */
  install(
    meta: { readonly index: number; readonly sessions: readonly SessionRecord[] },
    image: ByteSource,
    done: Done<void>,
  ): void;
}

/** A replicated database: reads run at once on this replica, writes go through the log. */
export interface Database {
  /** Whether the statement reads only. @throws ClusterError for what cannot be understood. */
  classify(sql: string, params: readonly SqlValue[]): { readonly readOnly: boolean };
  /** Runs a reading statement on this replica as applied so far. Rejects with a ClusterError of fault `caller` for bad SQL. */
  read(sql: string, params: readonly SqlValue[], signal: AbortSignal): Promise<QueryRows>;
  /**
   * The command every replica will apply. Evaluates or refuses whatever the log would not determine (`random()`, `now`).
   * @throws ClusterError of fault `caller`.
   */
  encodeWrite(sql: string, params: readonly SqlValue[]): Uint8Array;
  /** Reads a result of `stateMachine.apply`. @throws ClusterError of fault `caller` when the statement failed. */
  decodeResult(bytes: Uint8Array): StatementResult;
  readonly stateMachine: StateMachine;
  /** Load beyond what the manager counts itself, e.g. the length of the worker's queue. */
  load?(): { readonly queueDepth: number; readonly utilization: number };
}
