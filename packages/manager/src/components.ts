/**
 * What the manager is made of, as it sees it: five ports, each a few methods. src/adapters fits the sibling packages to them; the
 * manager itself knows none.
 */
import type { Address, ClusterError } from '@cluster/core';
import type { Deadline } from './deadline.ts';
import type { SessionMark } from './ports.ts';
import type {
  LoadReport,
  MembershipEvent,
  NodeState,
  Priority,
  QuorumChange,
  RaftRole,
  RoutingStrategy,
} from './types.ts';

export interface MemberView {
  readonly id: string;
  readonly address: Address;
  readonly state: Exclude<NodeState, 'Joining'>;
  readonly incarnation: number;
  readonly tags: Readonly<Record<string, string>>;
  /** Milliseconds since it was last heard of. */
  readonly silentMs: number;
}

export interface MembershipChange {
  readonly type: MembershipEvent['type'] | 'Overflow';
  readonly member: MemberView | null;
}

export interface MetadataView {
  readonly nodeId: string;
  readonly key: string;
  /** Null: deleted, or the node was forgotten. */
  readonly value: string | null;
}

/** A key-value map of every node, each written by its owner and held by all. */
export interface MetadataComponent {
  set(key: string, value: string): void;
  /** False when the key was not there. */
  delete(key: string): boolean;
  get(key: string, nodeId: string): string | undefined;
  entries(nodeId: string): ReadonlyMap<string, string>;
  onChange(listener: (change: MetadataView) => void): void;
}

export interface MembershipComponent {
  readonly metadata: MetadataComponent;
  readonly address: Address;
  self(): MemberView;
  /** All it knows of, itself included. */
  members(): readonly MemberView[];
  /** Resolves to the number of seeds that answered; rejects when none did. */
  join(seeds: readonly string[], signal: AbortSignal): Promise<number>;
  onEvent(listener: (change: MembershipChange) => void): void;
  leave(): Promise<void>;
  stop(): Promise<void>;
  metrics(): Readonly<Record<string, number>>;
}

export interface PeerContext {
  readonly from: string;
  readonly role: 'node' | 'client';
  readonly signal: AbortSignal;
}

export type ByteHandler = (bytes: Uint8Array, context: PeerContext) => Promise<Uint8Array | undefined>;

export interface SendOptions {
  readonly priority?: Priority | undefined;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Rejects with `MANAGER_PEER_LOST` as soon as the connection is lost, instead of waiting for the session to be resumed. */
  readonly failFast?: boolean;
}

export interface MessengerComponent {
  readonly address: Address;
  handle(typeId: number, roles: readonly ('node' | 'client')[], handler: ByteHandler): void;
  /** The remote handler's answer. */
  request(to: string, typeId: number, bytes: Uint8Array, options: SendOptions): Promise<Uint8Array>;
  /** Resolves when the bytes have arrived, handled or not. */
  deliver(to: string, typeId: number, bytes: Uint8Array, options: SendOptions): Promise<void>;
  ping(to: string, options: SendOptions): Promise<number>;
  isConnected(peer: string): boolean;
  onPeer(
    listener: (change: { readonly up: boolean; readonly peer: string; readonly reason: string }) => void,
  ): void;
  close(): Promise<void>;
  metrics(): Readonly<Record<string, number>>;
}

export interface LogStatus {
  readonly role: RaftRole;
  readonly term: number;
  readonly leaderId: string | null;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly lastIndex: number;
  /** Members in effect here, agreed on or not. */
  readonly voters: readonly string[];
  readonly learners: readonly string[];
  /** Where the log says so: agreed on once that is committed. 0 = the configuration says so. */
  readonly membersIndex: number;
  /** What this node is among them, as far as it knows. */
  readonly standing: 'voter' | 'learner' | 'none';
}

export type LogChange =
  | { readonly type: 'LeaderChanged'; readonly leaderId: string | null; readonly term: number }
  | { readonly type: 'RoleChanged'; readonly role: RaftRole; readonly term: number }
  | { readonly type: 'Failed'; readonly error: ClusterError }
  /** Agreed on, at `index` of the log. */
  | {
      readonly type: 'MembersChanged';
      readonly voters: readonly string[];
      readonly learners: readonly string[];
      readonly index: number;
    }
  /** Others say that they have agreed on members without this node. */
  | { readonly type: 'LeftOut'; readonly index: number }
  | { readonly type: 'SnapshotTaken' | 'SnapshotInstalled'; readonly index: number; readonly bytes: number }
  | { readonly type: 'SnapshotFailed'; readonly reason: string }
  | { readonly type: 'Overflow' };

export interface Committed {
  readonly index: number;
  readonly term: number;
  readonly result: Uint8Array;
}

export interface MemberChange {
  readonly nodeId: string;
  /** `staged`: a learner that becomes a voter by itself. */
  readonly becomes: 'staged' | 'learner' | 'removed';
}

export interface RosterChange extends MemberChange {
  /** The roster it is meant for, by its place in the log; null: whichever it is. */
  readonly epoch: number | null;
}

export interface RosterCall {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

export interface LogComponent {
  propose(
    command: Uint8Array,
    options: { readonly session?: SessionMark; readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<Committed>;
  openSession(options: {
    readonly owner: string;
    readonly signal?: AbortSignal | undefined;
    readonly timeoutMs?: number;
  }): Promise<number>;
  /** Whose session this is; undefined: not applied here yet or, once index `clientId` is applied, closed. */
  sessionOwner(clientId: number): string | undefined;
  /** The point up to which everything acknowledged before the call has been applied here. */
  barrier(options: {
    /** `lease`: without asking anybody, where this node leads and has a lease. */
    readonly consistency?: 'linearizable' | 'lease';
    readonly timeoutMs: number;
    readonly signal?: AbortSignal | undefined;
  }): Promise<number>;
  status(): LogStatus;
  /** Where this node leads; resolves when it is agreed on. One change at a time. */
  changeMembers(
    changes: readonly MemberChange[],
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
  ): Promise<void>;
  onEvent(listener: (change: LogChange) => void): void;
  stop(): Promise<void>;
}

/** What a node makes of a partition, and whether it may act for the cluster. */
export interface QuorumView {
  /** At this very moment: it lapses by the clock alone. Ask again before every act. */
  readonly holdsQuorum: boolean;
  /** To be given with whatever is done for the cluster: who has seen a higher one refuses. */
  readonly epoch: number;
  /** `joining`, `rostered.whole`, `rostered.suspected.settling`, `rostered.upheld`, `downed`, … */
  readonly partition: string;
  readonly roster: { readonly epoch: number; readonly members: readonly string[] };
  /** Members of the roster that are not on this node's side. */
  readonly missing: readonly string[];
  /** What a user of data in this mode may do here and now. */
  permits(
    mode: 'strict' | 'read-only-stale' | 'available',
    operation: 'read' | 'write',
    staleMaxMs?: number,
  ):
    | { readonly allowed: true; readonly stale: boolean; readonly merges: boolean }
    | { readonly allowed: false; readonly reason: 'no_quorum' | 'too_stale' };
}

/** Changes of a log's members, wherever its leader is. */
export interface RosterComponent {
  add(nodeId: string, voter: boolean, deadline: Deadline): Promise<void>;
  remove(nodeId: string, deadline: Deadline): Promise<void>;
  /** For another node, if this one leads. */
  serve(change: RosterChange, call: RosterCall): Promise<void>;
}

export interface QuorumComponent {
  readonly view: QuorumView;
  /** Changes of the roster, which is the voters of the coordinator's log. */
  readonly roster: RosterComponent;
  onEvent(listener: (change: QuorumChange) => void): void;
  stop(): Promise<void>;
}

export interface Route extends Disposable {
  readonly nodeId: string;
  done(outcome: { readonly ok: boolean; readonly latencyMs?: number; readonly load?: LoadReport }): void;
}

export interface Endpoint {
  readonly nodeId: string;
  readonly weight: number;
  readonly datacenter: string;
  readonly rack: string;
}

export interface PickRequest {
  readonly key?: string;
  readonly readOnly?: boolean;
  readonly candidates?: readonly string[];
  readonly exclude?: readonly string[];
}

export interface BalancerComponent {
  setEndpoints(endpoints: readonly Endpoint[]): void;
  setStrategy(name: RoutingStrategy): void;
  pick(request: PickRequest): Route | null;
  endpoints(): readonly { readonly nodeId: string; readonly state: string; readonly inFlight: number }[];
  stop(): void;
  metrics(): Readonly<Record<string, number>>;
}

export interface PathView {
  readonly peer: string;
  readonly state: 'unknown' | 'up' | 'degraded' | 'down';
  readonly samples: number;
  /** Null while nothing was measured. */
  readonly averageMs: number | null;
  readonly p99Ms: number | null;
  readonly lossRatio: number | null;
  readonly score: number | null;
}

export interface PathsComponent {
  watch(peer: string): void;
  unwatch(peer: string): void;
  paths(): readonly PathView[];
  stop(): void;
  metrics(): Readonly<Record<string, number>>;
}

export interface Components {
  readonly membership: MembershipComponent;
  readonly messenger: MessengerComponent;
  readonly balancer: BalancerComponent;
  readonly paths: PathsComponent;
  /** Null on a node that does not vote. */
  readonly log: LogComponent | null;
  /** Null where it is not configured, and on a node without a log. */
  readonly quorum: QuorumComponent | null;
  /** Gives back what the node holds besides, e.g. its data folder, once all others have closed. */
  release?(): Promise<void>;
}

/** A component that cannot go on by itself, e.g. a core that threw. */
export type OnComponentFailed = (error: ClusterError) => void;
