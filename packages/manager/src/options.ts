/** What the methods of the public face take and give, where it is more than a line. */
import type { SessionMark } from './ports.ts';
import type { SqlValue } from './sql.ts';
import type { CallOptions, Priority } from './types.ts';

export interface RouteOptions {
  /** Does not change the choice; give it to `sendMessage` as well. */
  readonly priority?: Priority;
  /** Session affinity. @throws ClusterError `NOT_AVAILABLE` */
  readonly sessionId?: string;
  /** Data it touches, for locality. */
  readonly key?: string;
  /** False: routes to the leader. Default: what the database says of the statement, else true. */
  readonly readOnly?: boolean;
  readonly signal?: AbortSignal;
}

export interface ProposeOptions extends CallOptions {
  /** Which replicated log. Only 0, whose commands go to the database: the other groups of a manager hold what it needs itself. */
  readonly group?: number;
  /** Default: the manager keeps a session of its own. */
  readonly session?: SessionMark;
}

export interface ProposeResult {
  readonly index: number;
  readonly term: number;
  /** What the state machine answered. */
  readonly result: Uint8Array;
}

export interface ReadOptions extends CallOptions {
  /** `linearizable` (default), `stale`, or `lease`: as `linearizable`, from the leader's lease where `raft.leaseReads` is on. */
  readonly consistency?: 'linearizable' | 'lease' | 'stale';
  readonly params?: readonly SqlValue[];
}
