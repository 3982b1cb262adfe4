/** What all parts of the core share (thesis figure 3.1), and the two ways anything leaves it: to the disk and to a peer. */
import type { Configuration } from './configuration.ts';
import { Durability, type DurabilityCheckpoint } from './durability.ts';
import { type LogCheckpoint, RaftLog } from './log.ts';
import { Membership, type MembershipCheckpoint } from './membership.ts';
import type { Rules } from './rules.ts';
import type { RaftMessage } from './messages.ts';
import type { RaftOut } from './inputs-and-effects.ts';
import { Turns } from './turns.ts';
import type { Entry, LogBase, Role } from './types.ts';

export interface CoreConfig {
  readonly nodeId: string;
  /** Of a log in which no configuration is (yet); empty for a node that waits to be added. */
  readonly voters: readonly string[];
  /** Of nodes by name, where it is not 0: the higher stands earlier. */
  readonly priorities: Readonly<Record<string, number>>;
  readonly heartbeatMs: number;
  readonly electionTimeoutMinMs: number;
  readonly electionTimeoutMaxMs: number;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  readonly leaseReads: boolean;
  /** Of the shortest election timeout. */
  readonly leaseShare: number;
  readonly commandBytesMax: number;
  readonly appendBytesMax: number;
  readonly inflightMessagesMax: number;
  readonly inflightBytesMax: number;
  readonly catchUpMs: number;
  readonly uncommittedBytesMax: number;
  readonly pendingProposalsMax: number;
  readonly applyBytesMax: number;
  readonly sessionsMax: number;
  readonly sessionResultsMax: number;
  /** The state machine gives images of itself, and there is a place for them. */
  readonly takesSnapshots: boolean;
  readonly snapshotEntries: number;
  readonly snapshotBytes: number;
  readonly logTailEntries: number;
  readonly logTailBytes: number;
  readonly logBytesMax: number;
  readonly snapshotPieceBytes: number;
  readonly snapshotBytesPerSecondMax: number;
}

export interface SharedCheckpoint {
  readonly term: number;
  readonly vote: string | null;
  readonly role: Role;
  readonly leaderId: string | null;
  readonly leaderContactMs: number | null;
  readonly commitIndex: number;
  readonly holdsProposals: boolean;
  readonly holdsApplying: boolean;
  readonly log: LogCheckpoint;
  readonly durability: DurabilityCheckpoint;
  readonly membership: MembershipCheckpoint;
}

export class Shared {
  readonly config: CoreConfig;
  readonly rules: Rules;
  readonly log = new RaftLog();
  readonly durability = new Durability();
  readonly membership: Membership;
  readonly turns: Turns;
  term = 0;
  vote: string | null = null;
  /** What the role machine has decided. */
  role: Role = 'follower';
  leaderId: string | null = null;
  /** When the leader of this term was last heard. */
  leaderContactMs: number | null = null;
  commitIndex = 0;
  /** The lead is being handed over: nothing is taken into the log. */
  holdsProposals = false;
  /** A snapshot is being taken or put in place: nothing is applied. */
  holdsApplying = false;
  // Never true between two inputs.
  #hardStateIsNew = false;

  constructor(config: CoreConfig, rules: Rules) {
    this.config = config;
    this.rules = rules;
    this.membership = new Membership(config.nodeId, config.voters, rules);
    this.turns = new Turns(config.priorities);
  }

  get isLeader(): boolean {
    return this.role === 'leader';
  }

  /** All who get the log from a leader, without this node. */
  get peers(): readonly string[] {
    return this.membership.peers;
  }

  /** Entries join the log, and configurations among them are in effect. */
  append(entries: readonly Entry[]): void {
    this.log.append(entries);
    this.membership.appended(entries);
  }

  truncateAfter(index: number): void {
    this.log.truncateAfter(index);
    this.membership.truncatedAfter(index);
  }

  /** A leader is at work as far as this node can tell: votes are refused (thesis 4.2.3). */
  hearsLeader(nowMs: number): boolean {
    const { checkQuorum, electionTimeoutMinMs, leaseReads } = this.config;
    if (!checkQuorum) return false;
    if (this.isLeader) return true;
    // A lease outlives the term that this node hears of meanwhile.
    if (this.leaderId === null && !leaseReads) return false;
    return this.leaderContactMs !== null && nowMs - this.leaderContactMs < electionTimeoutMinMs;
  }

  /** How many voters come before this one when the leader is lost; null without a leader. All that follow it count alike. */
  get rank(): number | null {
    const { config, leaderId, membership, turns } = this;
    if (leaderId === null) return null;
    const others = membership.configuration.voters.filter((voter) => voter !== leaderId);
    return others.filter((voter) => turns.compare(voter, config.nodeId) < 0).length;
  }

  /** Takes over a term, or the vote in it. It goes to the disk with the next write, at the latest before anything that tells of it. */
  setHardState(term: number, vote: string | null): void {
    this.term = term;
    this.vote = vote;
    this.#hardStateIsNew = true;
  }

  /**
   * One write, atomic on the disk. Term and vote always go together: apart, a crash between them could keep the term and forget
   * the vote (thesis 3.8).
   */
  persist(out: RaftOut, truncateAfter: number | null = null, entries: readonly Entry[] = []): void {
    const hardState = this.#hardStateIsNew ? { term: this.term, vote: this.vote } : null;
    this.#hardStateIsNew = false;
    const sequence = this.durability.begin(truncateAfter, this.log.lastIndex, this.term);
    out.emit({ type: 'persist', sequence, hardState, base: null, truncateAfter, entries });
  }

  /**
   * The log begins behind `base` from now on, which a snapshot covers.
   *
   * @param configuration at `base`; null where the log says so itself.
   */
  rebase(base: LogBase, configuration: Configuration | null, out: RaftOut): void {
    const hardState = this.#hardStateIsNew ? { term: this.term, vote: this.vote } : null;
    this.#hardStateIsNew = false;
    const goesOn = this.log.has(base.index, base.term);
    this.log.rebase(base);
    if (configuration !== null) this.membership.rebase(base.index, configuration, goesOn);
    // Of a log that does not go through it nothing is left that an earlier write could vouch for.
    const sequence = this.durability.begin(goesOn ? null : 0, this.log.lastIndex, this.term);
    out.emit({ type: 'persist', sequence, hardState, base, truncateAfter: null, entries: [] });
  }

  persistHardState(out: RaftOut): void {
    if (this.#hardStateIsNew) this.persist(out);
  }

  send(out: RaftOut, to: string, message: RaftMessage): void {
    out.emit({ type: 'send', to, message });
  }

  /** Sends once everything this node has decided so far is on its disk (thesis 3.8). */
  sendWhenDurable(out: RaftOut, to: string, message: RaftMessage): void {
    this.persistHardState(out);
    if (this.durability.completed === this.durability.sequence) this.send(out, to, message);
    else this.durability.defer(to, message);
  }

  /** Sends once the term is on the disk; entries may still be on their way there. */
  sendWhenTermIsDurable(out: RaftOut, to: string, message: RaftMessage): void {
    this.persistHardState(out);
    if (this.durability.term === this.term) this.send(out, to, message);
    else this.durability.defer(to, message);
  }

  checkpoint(): SharedCheckpoint {
    const { term, vote, role, leaderId, leaderContactMs, commitIndex, holdsProposals, holdsApplying } = this;
    return {
      term,
      vote,
      role,
      leaderId,
      leaderContactMs,
      commitIndex,
      holdsProposals,
      holdsApplying,
      log: this.log.checkpoint(),
      durability: this.durability.checkpoint(),
      membership: this.membership.checkpoint(),
    };
  }

  restore(from: SharedCheckpoint): void {
    this.term = from.term;
    this.vote = from.vote;
    this.role = from.role;
    this.leaderId = from.leaderId;
    this.leaderContactMs = from.leaderContactMs;
    this.commitIndex = from.commitIndex;
    this.holdsProposals = from.holdsProposals;
    this.holdsApplying = from.holdsApplying;
    this.log.restore(from.log);
    this.durability.restore(from.durability);
    this.membership.restore(from.membership);
  }
}
