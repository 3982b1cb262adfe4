/** What the checkers of Raft see of a replica and of its disk. */
import type { RaftReplica } from '@cluster/raft';

/** What an entry is, as far as the checkers compare it. */
export interface EntryView {
  readonly term: number;
  readonly kind: string;
  readonly command: Uint8Array;
}

/** What can be seen of a running replica. */
export interface ReplicaView {
  readonly role: string;
  readonly term: number;
  readonly commitIndex: number;
  /** Who the members are, as its log says, and where it says so. */
  readonly configuration: VotersView;
  readonly configurationIndex: number;
  /** What is before it is in a snapshot. */
  readonly firstIndex: number;
  readonly lastIndex: number;
  /** 0 for index 0; undefined outside of the log. */
  termAt(index: number): number | undefined;
  entryAt(index: number): EntryView | undefined;
}

/** A configuration, as far as quorums go. */
export interface VotersView {
  readonly voters: readonly string[];
  /** While it is joint: the voters before. */
  readonly outgoing: readonly string[];
  /** Learners that become voters by themselves. */
  readonly staging?: readonly string[];
}

/** What a replica's storage has said is on the disk. */
export interface DurableView {
  /** A snapshot covers everything up to here. */
  readonly coveredIndex: number;
  /** Counts what has changed here. */
  readonly version: number;
  readonly lastIndex: number;
  /** 0 for index 0; undefined outside of the log. */
  termAt(index: number): number | undefined;
}

/** A replica as it is at any time. */
export function viewOf({ core }: RaftReplica): ReplicaView {
  const { log } = core;
  return {
    get role() {
      return core.role;
    },
    get term() {
      return core.currentTerm;
    },
    get commitIndex() {
      return core.commitIndex;
    },
    get configuration() {
      return core.configuration;
    },
    get configurationIndex() {
      return core.configurationIndex;
    },
    get firstIndex() {
      return log.firstIndex;
    },
    get lastIndex() {
      return log.lastIndex;
    },
    termAt: (index) => log.termAt(index),
    entryAt: (index) => log.entryAt(index),
  };
}

/** A line for who reads why something did not happen: role, term, and how far it has applied, committed and logged. */
export function describeReplica(node: string, replica: RaftReplica | undefined): string {
  if (replica === undefined) return `${node} down`;
  const { role, term, appliedIndex, commitIndex, lastIndex } = replica.status();
  return `${node} ${role} of term ${term} at ${appliedIndex}/${commitIndex}/${lastIndex}`;
}
