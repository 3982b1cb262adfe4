/** @packageDocumentation The protocols in the simulator: worlds, their checkers, planted bugs, and the `sim` command. */
export { runSim, type RunSimOptions } from './run-sim.ts';
export { renderScript, shrink, type Shrunk } from './shrink.ts';
export { parseSeeds, runSeeds, type SeedRange, type SeedsReport, type Violation } from './run-seeds.ts';
export {
  answerToTheWrongGroup,
  flushAcknowledgedToAll,
  type GroupsMutant,
  staleBeyondItsBound,
} from './groups/mutants.ts';
export { groupsWorld, groupsWorldWith } from './groups/groups-world.ts';
export { raftWorld, raftWorldWith } from './raft/raft-world.ts';
export {
  acknowledgedBeforeFlush,
  damageForgotten,
  inForceAtCommit,
  learnerCounted,
  type Mutant,
  notingFlushes,
  leaseTrustedAcrossPause,
  leftOutForEver,
  leftOutUntold,
  oldTermsCounted,
  readWithoutQuorum,
  registersCached,
  secondChangeWhileOpen,
  sessionsLeftOut,
  singleMajorityInJoint,
  snapshotRemoved,
  voteNotPersisted,
  withoutFlush,
} from './raft/mutants.ts';
export {
  epochIgnored,
  fencesForgotten,
  leaseByLocalClock,
  leaseGrantedTwice,
  leaseTrustedTooLong,
  leaseWithoutMargin,
  rosterFromView,
} from './quorum/mutants.ts';
export { type QuorumMutant, quorumWorld, quorumWorldWith } from './quorum/quorum-world.ts';
export { collectionUntold } from './metadata/mutants.ts';
export { type MetadataMutant, metadataWorld, metadataWorldWith } from './metadata/metadata-world.ts';
export { swimWorld } from './swim/swim-world.ts';
export * as transportMutants from './transport/mutants.ts';
export { type TransportMutant } from './transport/mutants.ts';
export { transportWorld, transportWorldWith } from './transport/transport-world.ts';
export type { SeedOptions, SeedResult, WorldKind } from './world-kind.ts';
