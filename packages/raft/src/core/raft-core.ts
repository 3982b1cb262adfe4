/**
 * Raft without I/O: the role machine decides what this node is, and the parts around it keep the votes, the log, the followers'
 * progress, the apply loop and the proposals. This file only says who hears of what.
 */
import {
  type InstanceCheckpoint,
  MachineInstance,
  packPlain,
  Prng,
  type ProtocolCore,
  type Sink,
  Stepper,
  type TimerInput,
  unpackPlain,
} from '@cluster/core';
import { Announcements, type Told } from './announcements.ts';
import { Applying, type ApplyingCheckpoint } from './applying.ts';
import { Changes, type ChangesCheckpoint } from './changes.ts';
import type { Configuration } from './configuration.ts';
import { Election, type ElectionCheckpoint } from './election.ts';
import { Following, type FollowingCheckpoint } from './following.ts';
import { Leading } from './leading.ts';
import type { LogView } from './log.ts';
import { Proposals } from './proposals.ts';
import { ReadRounds, type ReadRoundsCheckpoint } from './read-rounds.ts';
import { Reads, type ReadsCheckpoint } from './reads.ts';
import { Reception, type ReceptionCheckpoint } from './reception.ts';
import { Replication, type ReplicationCheckpoint } from './replication.ts';
import { type RoleEvent, roleMachine } from './role.machine.ts';
import { type Rules, thesisRules } from './rules.ts';
import { Sending, type SendingCheckpoint } from './sending.ts';
import { Snapshots, type SnapshotsCheckpoint } from './snapshots.ts';
import { type CoreConfig, Shared, type SharedCheckpoint } from './state.ts';
import { Transfers } from './transfer.ts';
import type { FailureCause, RaftEffect, RaftInput, Role, SnapshotId } from './types.ts';

type Out = Sink<RaftEffect>;
type Input<T extends RaftInput['type']> = Extract<RaftInput, { type: T }>;

interface CoreCheckpoint {
  readonly shared: SharedCheckpoint;
  readonly role: InstanceCheckpoint | null;
  readonly election: ElectionCheckpoint;
  readonly following: FollowingCheckpoint;
  readonly replication: ReplicationCheckpoint;
  readonly applying: ApplyingCheckpoint;
  readonly proposals: ReturnType<Proposals['checkpoint']>;
  readonly reads: ReadsCheckpoint;
  readonly readRounds: ReadRoundsCheckpoint;
  readonly transfers: ReturnType<Transfers['checkpoint']>;
  readonly snapshots: SnapshotsCheckpoint;
  readonly sending: SendingCheckpoint;
  readonly changes: ChangesCheckpoint;
  readonly reception: ReceptionCheckpoint;
  readonly told: Told;
}

const stepper = new Stepper(roleMachine);

export class RaftCore implements ProtocolCore<RaftInput, RaftEffect> {
  readonly #shared: Shared;
  readonly #seed: number;
  readonly #role: MachineInstance<typeof roleMachine, RaftEffect>;
  readonly #election: Election;
  readonly #following: Following;
  readonly #replication: Replication;
  readonly #applying: Applying;
  readonly #proposals: Proposals;
  readonly #reads: Reads;
  readonly #readRounds: ReadRounds;
  readonly #transfers: Transfers;
  readonly #sending: Sending;
  readonly #snapshots: Snapshots;
  readonly #changes: Changes;
  readonly #leading: Leading;
  readonly #announcements: Announcements;
  readonly #reception: Reception;
  #started = false;
  #failure: { readonly what: FailureCause; readonly reason: string } = { what: 'storage', reason: '' };

  constructor(config: CoreConfig, seed: number, rules: Rules = thesisRules) {
    this.#seed = seed;
    this.#shared = new Shared(config, rules);
    this.#election = new Election(this.#shared);
    this.#following = new Following(this.#shared);
    this.#sending = new Sending(this.#shared, () => this.#snapshots);
    this.#replication = new Replication(this.#shared, this.#sending);
    this.#applying = new Applying(this.#shared);
    this.#snapshots = new Snapshots(this.#shared, this.#applying, {
      inUse: () => this.#sending.inUse,
      awaited: () => this.#sending.awaited,
      supplied: (nowMs, out) => this.#sending.supplied(nowMs, out),
      installed: ({ index, term }, nowMs, out) => this.#proposals.skipped(index, term, nowMs, out),
    });
    this.#proposals = new Proposals(this.#shared, (entries, out) => this.#replication.append(entries, out));
    this.#reads = new Reads(
      this.#shared,
      (node, key) => this.#readRounds.request(node, key),
      (nowMs) => this.#readRounds.lease.holds(nowMs),
    );
    this.#readRounds = new ReadRounds(this.#shared, (key, index) => this.#reads.answered(key, index));
    this.#transfers = new Transfers(
      this.#shared,
      (peer) => this.#replication.matchOf(peer),
      () => this.#readRounds.lease.giveUp(),
    );
    this.#leading = new Leading(
      this.#shared,
      this.#replication,
      this.#sending,
      this.#readRounds,
      this.#transfers,
    );
    this.#changes = new Changes(this.#shared, this.#replication);
    this.#announcements = new Announcements(this.#shared);
    this.#reception = new Reception(
      {
        shared: this.#shared,
        election: this.#election,
        following: this.#following,
        replication: this.#replication,
        applying: this.#applying,
        proposals: this.#proposals,
        reads: this.#reads,
        readRounds: this.#readRounds,
        snapshots: this.#snapshots,
      },
      (event, nowMs, out) => this.#raise(event, nowMs, out),
    );
    this.#role = new MachineInstance('role', stepper, (action, nowMs, out) =>
      this.#perform(action.type, nowMs, out),
    );
  }

  get config(): CoreConfig {
    return this.#shared.config;
  }
  get role(): Role {
    return this.#shared.role;
  }
  get currentTerm(): number {
    return this.#shared.term;
  }
  get votedFor(): string | null {
    return this.#shared.vote;
  }
  get leaderId(): string | null {
    return this.#shared.leaderId;
  }
  get commitIndex(): number {
    return this.#shared.commitIndex;
  }
  get appliedIndex(): number {
    return this.#applying.appliedIndex;
  }
  /** Every entry up to here is on this node's disk. */
  get durableIndex(): number {
    return this.#shared.durability.index;
  }
  /** The latest snapshot on this node's disk. */
  get snapshot(): SnapshotId | null {
    return this.#snapshots.latest;
  }
  /** What it is doing about a snapshot of its own. */
  get snapshotState(): string {
    return this.#snapshots.state;
  }
  get log(): LogView {
    return this.#shared.log;
  }
  /** The members as far as this node's log says, and its index there. */
  get configuration(): Configuration {
    return this.#shared.membership.configuration;
  }
  get configurationIndex(): number {
    return this.#shared.membership.index;
  }
  get lastIndex(): number {
    return this.#shared.log.lastIndex;
  }
  /** True after a failure of the disk or the state machine: it says nothing any more. */
  get hasFailed(): boolean {
    return this.#started && this.#role.in('failed');
  }
  /** Elections this node has stood in since it started. */
  get electionsStarted(): number {
    return this.#election.started;
  }
  /** Messages refused since it started. */
  get rejections(): number {
    return this.#reception.rejections;
  }
  /** Rounds in which others were asked whether this node leads, for its reads and theirs. */
  get readRounds(): number {
    return this.#readRounds.count;
  }
  /** Reads that were answered by a lease since it started. */
  get leaseReads(): number {
    return this.#reads.leased;
  }
  get pendingReads(): number {
    return this.#reads.size;
  }
  get pendingProposals(): number {
    return this.#proposals.size;
  }
  /** '' when nobody said whose it is; undefined when none such is open, as far as applied here. */
  sessionOwner(clientId: number): string | undefined {
    return this.#applying.sessionOwner(clientId);
  }
  get openSessions(): number {
    return this.#applying.sessions;
  }

  handle(input: RaftInput | TimerInput, nowMs: number, out: Out): void {
    this.#readRounds.noteTime(nowMs);
    if (input.type === 'START') this.#start(input, nowMs, out);
    else if (this.#started && !this.hasFailed) this.#dispatch(input, nowMs, out);
    if (!this.#started || this.hasFailed) return;
    this.#snapshots.advance(nowMs, out);
    this.#changes.advance(nowMs, out);
    this.#fitRole(nowMs, out);
    this.#applyMore(nowMs, out);
    this.#tellChanges(nowMs, out);
    this.#proposals.resume(nowMs, out);
    this.#transfers.advance(out);
    this.#serveReads(nowMs, out);
  }

  #dispatch(input: Exclude<RaftInput, { type: 'START' }> | TimerInput, nowMs: number, out: Out): void {
    switch (input.type) {
      case 'MESSAGE':
        return this.#reception.receive(input.from, input.message, nowMs, out);
      case 'PEER_LOST':
        return this.#reception.lost(input.peer, nowMs, out);
      case 'PERSISTED':
        return this.#persisted(input.sequence, nowMs, out);
      case 'PROPOSE':
        return this.#proposals.propose(input.proposals, nowMs, out);
      case 'APPLIED':
        return this.#applied(input.results, nowMs, out);
      case 'TIMER':
        return this.#fire(input.timer, nowMs, out);
      case 'READ':
        return this.#reads.read(input.ref, input.timeoutMs, input.byLease === true, nowMs, out);
      case 'CLOCK_DOUBTED':
        return this.#readRounds.doubtClock();
      case 'TRANSFER':
        if (!this.#transfers.ask(input.ref, input.to, input.timeoutMs, out)) return;
        return this.#raise({ type: 'TRANSFER_ASKED' }, nowMs, out);
      case 'CHANGE':
        return this.#changes.ask(input, nowMs, out);
      case 'ABANDON':
        this.#changes.abandon(input.ref, out);
        this.#transfers.abandon(input.ref, out);
        this.#reads.abandon(input.ref, out);
        this.#snapshots.abandon(input.ref, out);
        return this.#proposals.abandon(input.ref, out);
      case 'SNAPSHOT':
        return this.#snapshots.ask(input.ref, out);
      case 'IMAGE_TAKEN':
        return this.#snapshots.imageTaken(nowMs, out);
      case 'SNAPSHOT_SAVED':
        return this.#snapshots.saved(input, nowMs, out);
      case 'SNAPSHOT_FAILED':
        return this.#snapshots.failed(input, nowMs, out);
      case 'SNAPSHOT_READ':
        return this.#sending.read(input, nowMs, out);
      case 'PIECE_WRITTEN':
        return this.#snapshots.pieceWritten(input, nowMs, out);
      case 'SNAPSHOT_CHECKED':
        return this.#snapshots.checked(input, nowMs, out);
      case 'SNAPSHOT_INSTALLED':
        return this.#snapshots.installed(nowMs, out);
      case 'MALFORMED':
        return this.#reception.reject(input.from, input.reason, out);
      case 'FAILED':
        return this.#fail(input.what, input.reason, nowMs, out);
    }
  }

  #start(
    { hardState, base, entries, appliedIndex, sessions, snapshot, configuration }: Input<'START'>,
    nowMs: number,
    out: Out,
  ): void {
    const shared = this.#shared;
    const { config, log, durability } = shared;
    this.#started = true;
    shared.term = hardState.term;
    shared.vote = hardState.vote;
    log.restore({ base, entries });
    durability.index = log.lastIndex;
    durability.term = hardState.term;
    // What the state machine holds was committed.
    shared.commitIndex = appliedIndex;
    this.#applying.load(appliedIndex, sessions);
    this.#snapshots.start(snapshot, nowMs, out);
    if (snapshot !== null && configuration !== null) {
      shared.membership.rebase(snapshot.index, configuration, false);
    }
    // What a snapshot covers it says itself, and what does not go on from it has gone.
    const covered = snapshot?.index ?? 0;
    shared.membership.appended(
      entries.filter((entry) => entry.index > covered && log.entryAt(entry.index) === entry),
    );
    // The time makes two incarnations differ that were given the same seed.
    const incarnation = this.#seed + Math.floor(nowMs);
    this.#proposals.start(incarnation, hardState.term, log.termAt(appliedIndex) ?? 0);
    this.#reads.start(incarnation);
    this.#reception.start(nowMs);
    const { electionTimeoutMinMs, electionTimeoutMaxMs, preVote, checkQuorum, heartbeatMs: turnMs } = config;
    const limits = { electionTimeoutMinMs, electionTimeoutMaxMs, preVote, checkQuorum, turnMs };
    const prng = Prng.fromSeed(this.#seed, `election ${config.nodeId}`).state;
    this.#changes.start(nowMs, out);
    this.#role.start({ ...limits, prng }, nowMs, out);
  }

  #fire(timer: string, nowMs: number, out: Out): void {
    const isTaken =
      this.#leading.fire(timer, nowMs, out) ||
      this.#replication.fire(timer, out) ||
      this.#proposals.fire(timer, nowMs, out) ||
      this.#reads.fire(timer, nowMs, out) ||
      this.#transfers.fire(timer, out) ||
      this.#snapshots.fire(timer, nowMs, out) ||
      this.#sending.fire(timer, nowMs, out) ||
      this.#changes.fire(timer, out);
    if (!isTaken) this.#role.fire(timer, nowMs, out);
  }

  #raise(event: RoleEvent, nowMs: number, out: Out): void {
    this.#role.send(event, nowMs, out);
  }

  /** Carries out what the role machine decides. */
  #perform(action: string, nowMs: number, out: Out): void {
    const shared = this.#shared;
    switch (action) {
      case 'follow':
        shared.role = 'follower';
        return;
      case 'learn':
        shared.role = 'learner';
        return;
      case 'measureSilence':
        return this.#measureSilence(nowMs, out);
      case 'askForPreVotes':
        shared.role = 'preCandidate';
        shared.leaderId = null;
        if (this.#election.askForPreVotes(out)) this.#raise({ type: 'PRE_VOTE_WON' }, nowMs, out);
        return;
      case 'callElection':
        shared.role = 'candidate';
        shared.leaderId = null;
        this.#following.reset();
        return this.#election.callElection(out);
      case 'takeLead':
        return this.#leading.begin(nowMs, out);
      case 'countContacts':
        return this.#raise(
          { type: 'QUORUM_COUNTED', isInContact: this.#replication.quorumIsInContact(nowMs) },
          nowMs,
          out,
        );
      case 'holdProposals':
        shared.holdsProposals = true;
        return;
      case 'releaseProposals':
        shared.holdsProposals = false;
        return;
      case 'giveUpTransfer':
        return this.#transfers.giveUp(out);
      case 'layDownLead':
        return this.#leading.end(out);
      case 'stopServing':
        shared.role = 'follower';
        shared.leaderId = null;
        out.emit({ type: 'stopped', ...this.#failure });
        return this.#tellChanges(nowMs, out);
      default:
        return;
    }
  }

  #measureSilence(nowMs: number, out: Out): void {
    const silentMs = this.#reception.silenceMs(nowMs);
    this.#raise({ type: 'ELECTION_DUE', silentMs, rank: this.#shared.rank }, nowMs, out);
  }

  /** The members may have changed: who has a vote may stand, who has none may not. */
  #fitRole(nowMs: number, out: Out): void {
    const { role, membership } = this.#shared;
    const { mayStand, isVoter, isCommitted } = membership;
    if (role === 'follower' && !mayStand) this.#raise({ type: 'BECAME_LEARNER' }, nowMs, out);
    else if (role === 'learner' && mayStand) this.#raise({ type: 'BECAME_VOTER' }, nowMs, out);
    else if (role === 'leader' && !isVoter && isCommitted) {
      this.#replication.inviteSuccessor(out);
      this.#raise({ type: 'BECAME_LEARNER' }, nowMs, out);
    }
  }

  #persisted(sequence: number, nowMs: number, out: Out): void {
    const shared = this.#shared;
    for (const { to, message } of shared.durability.complete(sequence)) {
      // What was to be said in a term that is over is not said any more.
      if (message.term >= shared.term) shared.send(out, to, message);
    }
    if (this.#election.ownVoteIsDurable()) this.#raise({ type: 'VOTE_WON' }, nowMs, out);
    this.#following.persisted(out);
    if (shared.isLeader) this.#replication.advanceCommit(out);
  }

  #applied(results: readonly Uint8Array[], nowMs: number, out: Out): void {
    if (!this.#applying.isBusy) return;
    const expected = this.#applying.expectedResults;
    if (results.length === expected) return this.#settle(results, nowMs, out);
    this.#fail('stateMachine', `it gave ${results.length} results for ${expected} entries`, nowMs, out);
  }

  #settle(results: readonly Uint8Array[], nowMs: number, out: Out): void {
    this.#applying.complete(results, (entry, verdict) => this.#proposals.settle(entry, verdict, out));
    this.#proposals.applied(this.appliedIndex, nowMs, out);
  }

  #applyMore(nowMs: number, out: Out): void {
    while (this.#applying.begin(out)) this.#settle([], nowMs, out);
  }

  /** A round of one's own vote alone is over at once, and what waited for it gets the next. */
  #serveReads(nowMs: number, out: Out): void {
    do this.#reads.advance(nowMs, out);
    while (this.#readRounds.advance(nowMs, out));
    this.#reads.serve(this.appliedIndex, out);
  }

  #fail(what: FailureCause, reason: string, nowMs: number, out: Out): void {
    this.#failure = { what, reason };
    this.#raise({ type: 'FAILED' }, nowMs, out);
  }

  #tellChanges(nowMs: number, out: Out): void {
    if (this.#announcements.tell(out)) this.#proposals.leaderFound(nowMs, out);
  }

  checkpoint(): Uint8Array {
    const checkpoint: CoreCheckpoint = {
      shared: this.#shared.checkpoint(),
      role: this.#started ? this.#role.checkpoint() : null,
      election: this.#election.checkpoint(),
      following: this.#following.checkpoint(),
      replication: this.#replication.checkpoint(),
      applying: this.#applying.checkpoint(),
      proposals: this.#proposals.checkpoint(),
      reads: this.#reads.checkpoint(),
      readRounds: this.#readRounds.checkpoint(),
      transfers: this.#transfers.checkpoint(),
      snapshots: this.#snapshots.checkpoint(),
      sending: this.#sending.checkpoint(),
      changes: this.#changes.checkpoint(),
      reception: this.#reception.checkpoint(),
      told: this.#announcements.checkpoint(),
    };
    return packPlain(checkpoint);
  }

  restore(bytes: Uint8Array): void {
    const from = unpackPlain(bytes) as CoreCheckpoint;
    this.#shared.restore(from.shared);
    this.#started = from.role !== null;
    if (from.role !== null) this.#role.restore(from.role);
    this.#election.restore(from.election);
    this.#following.restore(from.following);
    this.#replication.restore(from.replication);
    this.#applying.restore(from.applying);
    this.#proposals.restore(from.proposals);
    this.#reads.restore(from.reads);
    this.#readRounds.restore(from.readRounds);
    this.#transfers.restore(from.transfers);
    this.#snapshots.restore(from.snapshots);
    this.#sending.restore(from.sending);
    this.#changes.restore(from.changes);
    this.#reception.restore(from.reception);
    this.#announcements.restore(from.told);
  }
}
