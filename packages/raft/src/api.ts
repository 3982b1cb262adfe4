/** What callers give a replica and what it tells them. */
import type { ClusterError } from '@cluster/core';
import type { Configuration } from './core/configuration.ts';
import type { Role, SessionKey, Transition } from './core/types.ts';

export interface ProposeOptions {
  /** Makes repeating safe: a sequence of a session is applied once. */
  readonly session?: SessionKey | undefined;
  /** Default: `proposalTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
}

export interface ReadOptions extends Pick<ProposeOptions, 'timeoutMs'> {
  /**
   * `lease`: a leader that has a lease asks nobody (thesis 6.4.1); where it has none, at other nodes and without `leaseReads` it is
   * as `linearizable`, the default. Linearizable, too, as long as the voters' clocks run at about the same speed.
   */
  readonly consistency?: 'linearizable' | 'lease' | undefined;
  /**
   * In ms: what is shown may lack writes that were acknowledged so recently, and none acknowledged before; then the node asks the leader
   * only where it has not done so since, one question for all its reads. By this node's clock, give or take 5%; without the `wallClock`
   * port, which tells of suspends, it always asks. Default: 0, linearizable.
   */
  readonly staleMsMax?: number | undefined;
}

export interface SessionOptions extends Pick<ProposeOptions, 'timeoutMs'> {
  readonly owner?: string | undefined;
}

export interface ChangeOptions extends Pick<ProposeOptions, 'timeoutMs'> {
  /**
   * `auto`: at once where at most one voter changes, else over a joint configuration that is left by itself. `joint`: over one in any
   * case. `explicit`: into one that stays until `leave`, which takes no changes. Default: `auto`.
   */
  readonly transition?: Transition | undefined;
}

export interface RaftStatus {
  readonly nodeId: string;
  readonly groupId: number;
  readonly role: Role;
  readonly term: number;
  readonly leaderId: string | null;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  /** What the log holds: [firstIndex, lastIndex]; what is before is in a snapshot. */
  readonly firstIndex: number;
  readonly lastIndex: number;
  /** Of the entries the log holds. */
  readonly logBytes: number;
  /** The latest one on this node's disk. */
  readonly snapshot: { readonly index: number; readonly term: number; readonly bytes: number } | null;
  /** In its log, whether committed or not; of a joint configuration the new ones. */
  readonly voters: readonly string[];
  /** All of it: learners, and who decides as well while it is joint. */
  readonly configuration: Configuration;
  /** Its place in the log; agreed on once that is committed. 0 for the one that the group begins with. */
  readonly configurationIndex: number;
  /** Others say that the members agreed on leave this node out; its own log may not tell. */
  readonly leftOut: boolean;
}

/** What a replica tells, and which of the groups it is in. */
export type RaftEvent = Happening & { readonly groupId: number };

export type Happening =
  | { readonly type: 'LeaderChanged'; readonly leaderId: string | null; readonly term: number }
  | { readonly type: 'RoleChanged'; readonly role: Role; readonly term: number }
  /** One of this node's own is on its disk, and the log was shortened. */
  | { readonly type: 'SnapshotTaken'; readonly index: number; readonly term: number; readonly bytes: number }
  /** One that the leader sent has taken the place of log and state. */
  | {
      readonly type: 'SnapshotInstalled';
      readonly index: number;
      readonly term: number;
      readonly bytes: number;
    }
  /** None was taken, or what the leader sends could not be kept: the replica goes on, and tries again. */
  | { readonly type: 'SnapshotFailed'; readonly reason: string }
  /** These members are agreed on; `index` is the place of that in the log, 0 for what the configuration says. */
  | { readonly type: 'MembersChanged'; readonly configuration: Configuration; readonly index: number }
  /**
   * Others say that they have agreed, up to this index of the log, on members without this node, which its own log does not tell. It
   * stands in no election until its log tells of something later, and is added again like any other.
   */
  | { readonly type: 'LeftOut'; readonly index: number }
  /** The replica has stopped for good. */
  | { readonly type: 'Failed'; readonly error: ClusterError }
  /** The reader was too slow; so many events are missing here. */
  | { readonly type: 'Overflow'; readonly dropped: number };
