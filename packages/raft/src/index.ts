/** @packageDocumentation What nodes agree on: elections and a replicated, durable log. Runs anywhere; `./node` binds it to Node. */
export type { ChangeOptions, ProposeOptions, RaftEvent, RaftStatus, ReadOptions } from './api.ts';
export { groupChannels, type GroupChannelsOptions } from './channels.ts';
export {
  type RaftConfig,
  type RaftConfigInput,
  raftConfigSchema,
  type WalConfig,
  type WalConfigInput,
  walConfigSchema,
} from './config.ts';
export { type Configuration, isJoint, membersOf } from './core/configuration.ts';
export {
  type Changed,
  type ChangeProblem,
  enterJoint,
  leaveJoint,
  type MemberChange,
  type MemberKind,
  simpleChange,
} from './core/configuration-changes.ts';
export { decodeConfiguration, encodeConfiguration } from './core/membership.ts';
export type { LogView } from './core/log.ts';
export {
  committedIndex,
  jointCommittedIndex,
  type JointVoters,
  jointVoteResult,
  majorityOf,
  type VoteResult,
  voteResult,
} from './core/quorum.ts';
export { RaftCore } from './core/raft-core.ts';
export { type Placed, type Rules, thesisRules } from './core/rules.ts';
export type { CoreConfig } from './core/state.ts';
export type { RaftMessage } from './core/messages.ts';
export type { RaftEffect, RaftInput } from './core/inputs-and-effects.ts';
export type {
  AppliedEntry,
  Entry,
  EntryKind,
  HardState,
  LogBase,
  Role,
  SessionChange,
  SessionKey,
  SessionRecord,
  SnapshotId,
  SnapshotMeta,
  Transition,
} from './core/types.ts';
export { crc32c } from './crc32c.ts';
export { MemoryLogStorage } from './memory-storage.ts';
export type {
  ApplyBatch,
  ByteSource,
  LogStorage,
  LogWrite,
  RaftChannel,
  RaftPorts,
  RecoveredLog,
  SnapshotStorage,
  StateImages,
  StateMachine,
  StoredSnapshot,
} from './ports.ts';
export { Raft, type WaitOptions } from './raft.ts';
export type { ProposalResult } from './calls.ts';
export { RaftReplica } from './replica.ts';
export { SnapshotFiles, type SnapshotFilesOptions } from './snapshots/snapshot-files.ts';
export type { Flush, FlushPurpose } from './wal/flushing.ts';
export { cutWal, inspectWal, type WalReport, type WalSegmentReport } from './wal/repair.ts';
export { WriteAheadLog, type WriteAheadLogOptions } from './wal/write-ahead-log.ts';
export { decodeMessage, type Decoded, encodeMessage, type Envelope, raftCodecHash } from './wire.ts';
