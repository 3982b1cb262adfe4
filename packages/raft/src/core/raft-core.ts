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
import type { Configuration } from './configuration.ts';
import type { LogView } from './log.ts';
import { type RoleEvent, roleMachine } from './role.machine.ts';
import { Parts, type PartsCheckpoint } from './parts.ts';
import { type Rules, thesisRules } from './rules.ts';
import type { CoreConfig } from './state.ts';
import type { RaftEffect, RaftInput } from './inputs-and-effects.ts';
import type { Entry, FailureCause, Role, SnapshotId } from './types.ts';

type Out = Sink<RaftEffect>;
type Input<T extends RaftInput['type']> = Extract<RaftInput, { type: T }>;

interface CoreCheckpoint {
  readonly role: InstanceCheckpoint | null;
  readonly parts: PartsCheckpoint;
}

const stepper = new Stepper(roleMachine);

export class RaftCore implements ProtocolCore<RaftInput, RaftEffect> {
  readonly #seed: number;
  readonly #parts: Parts;
  readonly #role: MachineInstance<typeof roleMachine, RaftEffect>;
  #started = false;
  #failure: { readonly what: FailureCause; readonly reason: string } = { what: 'storage', reason: '' };

  constructor(config: CoreConfig, seed: number, rules: Rules = thesisRules) {
    this.#seed = seed;
    this.#parts = new Parts(config, rules, (event, nowMs, out) => this.#raise(event, nowMs, out));
    this.#role = new MachineInstance('role', stepper, (action, nowMs, out) =>
      this.#perform(action.type, nowMs, out),
    );
  }

  get config(): CoreConfig {
    return this.#parts.shared.config;
  }
  get role(): Role {
    return this.#parts.shared.role;
  }
  get currentTerm(): number {
    return this.#parts.shared.term;
  }
  get votedFor(): string | null {
    return this.#parts.shared.vote;
  }
  get leaderId(): string | null {
    return this.#parts.shared.leaderId;
  }
  get commitIndex(): number {
    return this.#parts.shared.commitIndex;
  }
  get appliedIndex(): number {
    return this.#parts.applying.appliedIndex;
  }
  /** Every entry up to here is on this node's disk. */
  get durableIndex(): number {
    return this.#parts.shared.durability.index;
  }
  /** The latest snapshot on this node's disk. */
  get snapshot(): SnapshotId | null {
    return this.#parts.snapshots.latest;
  }
  /** What it is doing about a snapshot of its own. */
  get snapshotState(): string {
    return this.#parts.snapshots.state;
  }
  get log(): LogView {
    return this.#parts.shared.log;
  }
  /** The members as far as this node's log says, and its index there. */
  get configuration(): Configuration {
    return this.#parts.shared.membership.configuration;
  }
  get configurationIndex(): number {
    return this.#parts.shared.membership.index;
  }
  /** Others have agreed on members without this node, and its own log does not tell of it yet. */
  get isLeftOut(): boolean {
    return this.#parts.shared.membership.isLeftOut;
  }
  get lastIndex(): number {
    return this.#parts.shared.log.lastIndex;
  }
  /** True after a failure of the disk or the state machine: it says nothing any more. */
  get hasFailed(): boolean {
    return this.#started && this.#role.in('failed');
  }
  /** Elections this node has stood in since it started. */
  get electionsStarted(): number {
    return this.#parts.election.started;
  }
  /** Messages refused since it started. */
  get rejections(): number {
    return this.#parts.reception.rejections;
  }
  /** Rounds in which others were asked whether this node leads, for its reads and theirs. */
  get readRounds(): number {
    return this.#parts.readRounds.count;
  }
  /** Reads that were answered by a lease since it started. */
  get leaseReads(): number {
    return this.#parts.reads.leased;
  }
  get pendingReads(): number {
    return this.#parts.reads.size;
  }
  get pendingProposals(): number {
    return this.#parts.proposals.size;
  }
  /** '' when nobody said whose it is; undefined when none such is open, as far as applied here. */
  sessionOwner(clientId: number): string | undefined {
    return this.#parts.applying.sessionOwner(clientId);
  }
  get openSessions(): number {
    return this.#parts.applying.sessions;
  }

  handle(input: RaftInput | TimerInput, nowMs: number, out: Out): void {
    this.#parts.readRounds.noteTime(nowMs);
    if (input.type === 'START') this.#start(input, nowMs, out);
    else if (this.#started && !this.hasFailed) this.#dispatch(input, nowMs, out);
    if (!this.#started || this.hasFailed) return;
    this.#parts.snapshots.advance(nowMs, out);
    this.#parts.changes.advance(nowMs, out);
    this.#fitRole(nowMs, out);
    this.#applyMore(nowMs, out);
    this.#tellChanges(nowMs, out);
    this.#parts.proposals.resume(nowMs, out);
    this.#parts.transfers.advance(out);
    this.#serveReads(nowMs, out);
  }

  #dispatch(input: Exclude<RaftInput, { type: 'START' }> | TimerInput, nowMs: number, out: Out): void {
    switch (input.type) {
      case 'MESSAGE':
        return this.#parts.reception.receive(input.from, input.message, nowMs, out);
      case 'PEER_LOST':
        return this.#parts.reception.lost(input.peer, nowMs, out);
      case 'PERSISTED':
        return this.#persisted(input.sequence, nowMs, out);
      case 'PROPOSE':
        return this.#parts.proposals.propose(input.proposals, nowMs, out);
      case 'APPLIED':
        return this.#applied(input.results, nowMs, out);
      case 'TIMER':
        return this.#fire(input.timer, nowMs, out);
      case 'READ':
        for (const call of input.reads) this.#parts.reads.read(call, nowMs, out);
        return;
      case 'CLOCK_DOUBTED':
        this.#parts.reads.doubtClock();
        return this.#parts.readRounds.doubtClock();
      case 'TRANSFER':
        if (!this.#parts.transfers.ask(input.ref, input.to, input.timeoutMs, out)) return;
        return this.#raise({ type: 'TRANSFER_ASKED' }, nowMs, out);
      case 'CHANGE':
        return this.#parts.changes.ask(input, nowMs, out);
      case 'ABANDON':
        this.#parts.changes.abandon(input.ref, out);
        this.#parts.transfers.abandon(input.ref, out);
        this.#parts.reads.abandon(input.ref, out);
        this.#parts.snapshots.abandon(input.ref, out);
        return this.#parts.proposals.abandon(input.ref, out);
      case 'SNAPSHOT':
        return this.#parts.snapshots.ask(input.ref, out);
      case 'IMAGE_TAKEN':
        return this.#parts.snapshots.imageTaken(nowMs, out);
      case 'SNAPSHOT_SAVED':
        return this.#parts.snapshots.saved(input, nowMs, out);
      case 'SNAPSHOT_FAILED':
        return this.#parts.snapshots.failed(input, nowMs, out);
      case 'SNAPSHOT_READ':
        return this.#parts.sending.read(input, nowMs, out);
      case 'PIECE_WRITTEN':
        return this.#parts.snapshots.pieceWritten(input, nowMs, out);
      case 'SNAPSHOT_CHECKED':
        return this.#parts.snapshots.checked(input, nowMs, out);
      case 'SNAPSHOT_INSTALLED':
        return this.#parts.snapshots.installed(nowMs, out);
      case 'MALFORMED':
        return this.#parts.reception.reject(input.from, input.reason, out);
      case 'FAILED':
        return this.#fail(input.what, input.reason, nowMs, out);
    }
  }

  #start(
    { hardState, base, entries, appliedIndex, sessions, snapshot, configuration }: Input<'START'>,
    nowMs: number,
    out: Out,
  ): void {
    const shared = this.#parts.shared;
    const { config, log, durability } = shared;
    this.#started = true;
    shared.term = hardState.term;
    shared.vote = hardState.vote;
    log.restore({ base, entries });
    durability.index = log.lastIndex;
    durability.term = hardState.term;
    // What the state machine holds was committed.
    shared.commitIndex = appliedIndex;
    this.#parts.applying.load(appliedIndex, sessions);
    this.#parts.snapshots.start(snapshot, nowMs, out);
    if (snapshot !== null && configuration !== null) {
      shared.membership.rebase(snapshot.index, configuration, false);
    }
    // What a snapshot covers it says itself, and what does not go on from it has gone.
    const covered = snapshot?.index ?? 0;
    const isInLog = (entry: Entry): boolean => entry.index > covered && log.entryAt(entry.index) === entry;
    shared.membership.appended(entries.filter((entry) => entry.kind === 'configuration' && isInLog(entry)));
    // The time makes two incarnations differ that were given the same seed.
    const incarnation = this.#seed + Math.floor(nowMs);
    this.#parts.proposals.start(incarnation, hardState.term, log.termAt(appliedIndex) ?? 0);
    this.#parts.reads.start(incarnation);
    this.#parts.reception.start(nowMs);
    const { electionTimeoutMinMs, electionTimeoutMaxMs, preVote, checkQuorum, heartbeatMs: turnMs } = config;
    const limits = { electionTimeoutMinMs, electionTimeoutMaxMs, preVote, checkQuorum, turnMs };
    const prng = Prng.fromSeed(this.#seed, `election ${config.nodeId}`).state;
    this.#parts.changes.start(nowMs, out);
    this.#role.start({ ...limits, prng }, nowMs, out);
    this.#parts.reception.begun(nowMs, out);
  }

  #fire(timer: string, nowMs: number, out: Out): void {
    const isTaken =
      this.#parts.leading.fire(timer, nowMs, out) ||
      this.#parts.replication.fire(timer, out) ||
      this.#parts.readRounds.fire(timer, out) ||
      this.#parts.proposals.fire(timer, nowMs, out) ||
      this.#parts.reads.fire(timer, nowMs, out) ||
      this.#parts.transfers.fire(timer, out) ||
      this.#parts.snapshots.fire(timer, nowMs, out) ||
      this.#parts.sending.fire(timer, nowMs, out) ||
      this.#parts.changes.fire(timer, out);
    if (!isTaken) this.#role.fire(timer, nowMs, out);
  }

  #raise(event: RoleEvent, nowMs: number, out: Out): void {
    this.#role.send(event, nowMs, out);
  }

  /** Carries out what the role machine decides. */
  #perform(action: string, nowMs: number, out: Out): void {
    const shared = this.#parts.shared;
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
        if (this.#parts.election.askForPreVotes(nowMs, out))
          this.#raise({ type: 'PRE_VOTE_WON' }, nowMs, out);
        return;
      case 'callElection':
        shared.role = 'candidate';
        shared.leaderId = null;
        this.#parts.following.reset();
        return this.#parts.election.callElection(out);
      case 'takeLead':
        return this.#parts.leading.begin(nowMs, out);
      case 'countContacts':
        return this.#raise(
          { type: 'QUORUM_COUNTED', isInContact: this.#parts.replication.quorumIsInContact(nowMs) },
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
        return this.#parts.transfers.giveUp(out);
      case 'layDownLead':
        return this.#parts.leading.end(out);
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
    const silentMs = this.#parts.reception.silenceMs(nowMs);
    this.#raise({ type: 'ELECTION_DUE', silentMs, rank: this.#parts.shared.rank }, nowMs, out);
  }

  /** The members may have changed: who has a vote may stand, who has none may not. */
  #fitRole(nowMs: number, out: Out): void {
    const { role, membership } = this.#parts.shared;
    const { mayStand, isVoter, isCommitted } = membership;
    const isWaitingOrStanding = role !== 'leader' && role !== 'learner';
    if (isWaitingOrStanding && !mayStand) this.#raise({ type: 'BECAME_LEARNER' }, nowMs, out);
    else if (role === 'learner' && mayStand) this.#raise({ type: 'BECAME_VOTER' }, nowMs, out);
    else if (role === 'leader' && !isVoter && isCommitted) {
      this.#parts.replication.inviteSuccessor(out);
      this.#raise({ type: 'BECAME_LEARNER' }, nowMs, out);
    }
  }

  #persisted(sequence: number, nowMs: number, out: Out): void {
    const shared = this.#parts.shared;
    for (const { to, message } of shared.durability.complete(sequence)) {
      // What was to be said in a term that is over is not said any more.
      if (message.term >= shared.term) shared.send(out, to, message);
    }
    if (this.#parts.election.ownVoteIsDurable()) this.#raise({ type: 'VOTE_WON' }, nowMs, out);
    this.#parts.following.persisted(out);
    if (shared.isLeader) this.#parts.replication.advanceCommit(out);
  }

  #applied(results: readonly Uint8Array[], nowMs: number, out: Out): void {
    if (!this.#parts.applying.isBusy) return;
    const expected = this.#parts.applying.expectedResults;
    if (results.length === expected) return this.#settle(results, nowMs, out);
    this.#fail('stateMachine', `it gave ${results.length} results for ${expected} entries`, nowMs, out);
  }

  #settle(results: readonly Uint8Array[], nowMs: number, out: Out): void {
    const { applying, proposals } = this.#parts;
    applying.complete(
      results,
      (entry) => proposals.isAwaited(entry),
      (entry, verdict) => proposals.settle(entry, verdict, out),
    );
    proposals.applied(this.appliedIndex, nowMs, out);
  }

  #applyMore(nowMs: number, out: Out): void {
    while (this.#parts.applying.begin(out)) this.#settle([], nowMs, out);
  }

  /** A round of one's own vote alone is over at once, and what waited for it gets the next. */
  #serveReads(nowMs: number, out: Out): void {
    do this.#parts.reads.advance(nowMs, out);
    while (this.#parts.readRounds.advance(nowMs, out));
    this.#parts.reads.serve(this.appliedIndex, out);
  }

  #fail(what: FailureCause, reason: string, nowMs: number, out: Out): void {
    this.#failure = { what, reason };
    this.#raise({ type: 'FAILED' }, nowMs, out);
  }

  #tellChanges(nowMs: number, out: Out): void {
    if (this.#parts.announcements.tell(out)) this.#parts.proposals.leaderFound(nowMs, out);
  }

  checkpoint(): Uint8Array {
    const checkpoint: CoreCheckpoint = {
      role: this.#started ? this.#role.checkpoint() : null,
      parts: this.#parts.checkpoint(),
    };
    return packPlain(checkpoint);
  }

  restore(bytes: Uint8Array): void {
    const { role, parts } = unpackPlain(bytes) as CoreCheckpoint;
    this.#started = role !== null;
    this.#parts.restore(parts);
    if (role !== null) this.#role.restore(role);
  }
}
