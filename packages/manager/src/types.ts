/** The nouns of the public face. */
import type { ClusterError } from '@cluster/core';

/** `Joining`: this node while its join is under way. The others are membership's words. */
export type NodeState = 'Alive' | 'Suspect' | 'Dead' | 'Left' | 'Joining';

export interface NodeInfo {
  readonly id: string;
  /** Gossip address, `host:port`. */
  readonly addr: string;
  /** Address of its message transport, `host:port`; null when it advertises none. */
  readonly transportAddr: string | null;
  readonly state: NodeState;
  /** Membership's version number of the node's own word about itself; rises with each refutation. */
  readonly incarnation: number;
  /** What it says of itself beyond the fields here. Carried by gossip: a shared key vouches for it, no certificate. */
  readonly metadata: Readonly<Record<string, string>>;
  /** When it was last heard of, in milliseconds since the Unix epoch; for display. */
  readonly lastSeen: number;
  readonly datacenter: string;
  readonly rack: string;
  /** Relative weight in routing; 1 = ordinary. */
  readonly capacity: number;
}

export interface MembershipEvent {
  /** `Updated` also when it has refuted a suspicion; `Joined` also when it came back. */
  readonly type: 'Joined' | 'Updated' | 'Suspect' | 'Dead' | 'Left' | 'Reaped';
  readonly node: NodeInfo;
  /** Milliseconds since the Unix epoch, for display. */
  readonly at: number;
}

export type RaftRole = 'follower' | 'preCandidate' | 'candidate' | 'leader' | 'learner';

export type FailoverEvent =
  | {
      readonly type: 'LeaderChanged';
      readonly leaderId: string | null;
      readonly term: number;
      readonly at: number;
    }
  | { readonly type: 'RoleChanged'; readonly role: RaftRole; readonly term: number; readonly at: number }
  /** The replicated log of this node has stopped, e.g. after a disk error; the node goes on as a gateway. */
  | { readonly type: 'LogFailed'; readonly error: ClusterError; readonly at: number };

/** Who the members of the replicated log are, as agreed on at `epoch`, a place in the log. */
export interface RosterEvent {
  readonly type: 'RosterChanged';
  readonly voters: readonly string[];
  readonly learners: readonly string[];
  readonly epoch: number;
  readonly at: number;
}

export type QuorumChange =
  | {
      readonly type: 'PartitionDetected' | 'PartitionHealed' | 'QuorumLost' | 'QuorumRegained';
      readonly side: readonly string[];
      readonly missing: readonly string[];
    }
  /** This node gives up what it owns, and comes back as a new life. */
  | { readonly type: 'StoodDown'; readonly reason: string }
  /** These nodes hold nothing any more, and what was theirs may be taken over under this fencing epoch. */
  | { readonly type: 'TakenOver'; readonly nodeIds: readonly string[]; readonly epoch: number };

/** Quorum and partitions, where `quorum` is configured. */
export type PartitionEvent = QuorumChange & { readonly at: number };

export interface PeerEvent {
  readonly type: 'PeerUp' | 'PeerDown';
  readonly nodeId: string;
  readonly reason: string;
  readonly at: number;
}

export interface LifecycleEvent {
  readonly type: 'LifecycleChanged';
  readonly state: LifecycleState;
  readonly at: number;
}

/** A key of a node's `manager.metadata`. */
export interface MetadataEvent {
  readonly type: 'MetadataChanged';
  readonly nodeId: string;
  readonly key: string;
  /** Null: deleted, or the node was forgotten. */
  readonly value: string | null;
  readonly at: number;
}

/** Stands in the place of `dropped` events that a slow reader has missed: read the members and the leadership afresh. */
export interface OverflowEvent {
  readonly type: 'Overflow';
  readonly dropped: number;
  readonly at: number;
}

export type ClusterEvent =
  | MembershipEvent
  | FailoverEvent
  | RosterEvent
  | PartitionEvent
  | PeerEvent
  | LifecycleEvent
  | MetadataEvent
  | OverflowEvent;

export type LifecycleState =
  | 'created'
  | 'starting'
  | 'running.alone'
  | 'running.joining'
  | 'running.member'
  | 'leaving'
  | 'left'
  | 'stopping'
  | 'stopped'
  | 'failed';

/** Critical first but rate-capped, then High, Normal, Low. */
export type Priority = 'Critical' | 'High' | 'Normal' | 'Low';

export type RoutingStrategy =
  | 'round-robin'
  | 'least-connections'
  | 'weighted-round-robin'
  | 'locality-aware'
  | 'adaptive';

/** What a node says of its load, with every answer. */
export interface LoadReport {
  /** Operations waiting to be executed. */
  readonly queueDepth: number;
  /** Operations being executed. */
  readonly inFlight: number;
  /** 0 … 1. */
  readonly utilization: number;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds; each call names its default. */
  readonly timeoutMs?: number | undefined;
}
