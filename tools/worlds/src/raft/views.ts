/** What the checkers of Raft see of a replica and of its disk. */

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
}

/** What a replica's storage has said is on the disk. */
export interface DurableView {
  /** A snapshot covers everything up to here. */
  readonly coveredIndex: number;
  readonly lastIndex: number;
  /** 0 for index 0; undefined outside of the log. */
  termAt(index: number): number | undefined;
}
