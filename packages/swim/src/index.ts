/** @packageDocumentation Who is in the cluster: SWIM with Lifeguard on the memberlist wire. */
export {
  parseSwimConfig,
  type SwimConfig,
  type SwimConfigInput,
  swimConfigSchema,
  type SwimPreset,
  swimPresets,
} from './config.ts';
export type { MemberRecord, SeedFailure, SwimEffect, SwimInput } from './core/effects.ts';
export type { PeerRecord } from './core/messages.ts';
export type { CoreOptions } from './core/pool.ts';
export { SwimCore } from './core/swim-core.ts';
export {
  type DatacenterConfig,
  type DatacenterConfigInput,
  parseDatacenterConfig,
  withWanAddress,
} from './datacenter/config.ts';
export { Datacenter, type DatacenterPorts } from './datacenter/datacenter.ts';
export { FloodJoin, type FloodJoinOptions, type FloodPool, wanName } from './datacenter/flood-join.ts';
export { SwimEngine } from './engine.ts';
export type { Query, QueryAnswer, QueryHandler, QueryRequest, QuerySink } from './engine/serf-layer.ts';
export { diskIncarnations, diskKeys, diskPeers } from './stores.ts';
export type {
  Member,
  MemberEventType,
  MemberHappening,
  MembershipEvent,
  MemberState,
  Overflow,
  SavedPeer,
  UserEvent,
} from './member.ts';
export type {
  Admission,
  Candidate,
  IncarnationStore,
  Keys,
  KeyStore,
  NameResolver,
  PacketCipher,
  PeerStore,
  SavedKeys,
  SwimDelegate,
  SwimPorts,
} from './ports.ts';
export type { SerfEffect, SerfInput } from './serf/effects.ts';
export { Metadata, type MetadataOverflow } from './metadata.ts';
export type { MetadataChange } from './engine/metadata-layer.ts';
export type { MetadataEffect, MetadataInput } from './metadata/effects.ts';
export type { MetadataMessage } from './metadata/messages.ts';
export { MetadataCore, type MetadataOptions } from './metadata/metadata-core.ts';
export type { QueryFilter } from './serf/messages.ts';
export type { Coordinate } from './serf/vivaldi.ts';
export { SerfCore, type SerfOptions } from './serf/serf-core.ts';
export type { KeyChange } from './engine/gossip-keys.ts';
export { type Cancellable, type PoolKeyChange, type QueryOptions, type QueryReply, Swim } from './swim.ts';
export {
  parseQuorumConfig,
  type QuorumConfig,
  type QuorumConfigInput,
  quorumConfigSchema,
} from './quorum/config.ts';
export {
  type LeaseAnswer,
  LeaseLedger,
  type LeaseLedgerState,
  type LeaseRequest,
} from './quorum/lease-ledger.ts';
export { LeaseReplica, LoggedLease, type LoggedLeaseOptions } from './quorum/lease-log.ts';
export { type PartitionMode, type Permission, permits, type Standing } from './quorum/modes.ts';
export type { StandDownReason } from './quorum/partition.machine.ts';
export { QuorumCore } from './quorum/quorum-core.ts';
export type { PartitionEventType, QuorumEffect, QuorumInput } from './quorum/quorum-effects.ts';
export { QuorumEngine } from './quorum/quorum-engine.ts';
export type {
  LeasePort,
  MembershipView,
  PartitionHappening,
  QuorumChannel,
  QuorumOwner,
  QuorumPorts,
} from './quorum/quorum-ports.ts';
export {
  changeRoster,
  fixedRoster,
  type Roster,
  type RosterChange,
  type RosterPort,
} from './quorum/roster.ts';
export { stabilityWindowMs } from './quorum/stability.ts';
export type { Strategy } from './quorum/strategy.ts';
export {
  decodeMetadata,
  decodeTags,
  encodeMetadata,
  encodeTags,
  isMetadata,
  parseAddress,
  type Tags,
} from './wire.ts';
