/** The engine: the core and its driver over ports, without promises. It runs the same in production and in the simulator. */
import {
  type ClusterError,
  type Done,
  Driver,
  type Logger,
  type LogLevel,
  parseConfig,
  runTask,
  silentLogger,
  type Task,
  wait,
} from '@cluster/core';
import { integerMax } from './bytes.ts';
import type {
  ChangeOptions,
  Happening,
  ProposeOptions,
  RaftEvent,
  RaftStatus,
  ReadOptions,
  SessionOptions,
} from './api.ts';
import { memberInvalid } from './call-errors.ts';
import { Calls, type ProposalResult, refuse } from './calls.ts';
import { ClockWatch } from './clock-watch.ts';
import { nodeIdSchema, type RaftConfig, type RaftConfigInput, raftConfigSchema } from './config.ts';
import type { MemberChange } from './core/configuration-changes.ts';
import { RaftCore } from './core/raft-core.ts';
import type { Rules } from './core/rules.ts';
import { ownerBytesMax } from './core/sessions.ts';
import type { PersistEffect, RaftEffect, RaftInput } from './core/inputs-and-effects.ts';
import type { Draft, FailureCause, SessionKey, SnapshotId } from './core/types.ts';
import * as errors from './errors.ts';
import { happeningOf, sizeOf } from './happenings.ts';
import { Meter, raftMetrics, type RaftMetrics } from './metrics.ts';
import type { ApplyBatch, RaftPorts, RecoveredLog } from './ports.ts';
import { type Restored, SnapshotKeeper } from './snapshots/keeper.ts';
import { decodeMessage, encodeMessage, groupOf } from './wire.ts';

type Phase = 'idle' | 'starting' | 'running' | 'stopped';

const noCommand = new Uint8Array(0);

export class RaftReplica {
  readonly config: RaftConfig;
  /** To be looked at only. */
  readonly core: RaftCore;
  readonly #ports: RaftPorts;
  readonly #logger: Logger;
  readonly #metrics: RaftMetrics;
  readonly #meter: Meter;
  readonly #driver: Driver<RaftInput, RaftEffect>;
  readonly #listeners = new Set<(event: RaftEvent) => void>();
  readonly #calls: Calls;
  readonly #keeper: SnapshotKeeper | null;
  readonly #clockWatch: ClockWatch | null;
  #phase: Phase = 'idle';
  #failure: ClusterError | null = null;
  #cause: ClusterError | null = null;
  #writes = 0;
  #dispatching = 0;

  /**
   * @param rules others than the thesis's only to see that a checker objects to them.
   * @throws ClusterError `RAFT_CONFIG_INVALID`
   */
  constructor(config: RaftConfigInput, ports: RaftPorts, rules?: Rules) {
    this.config = parseConfig(raftConfigSchema, config, 'RAFT_CONFIG_INVALID');
    this.#ports = ports;
    this.#logger = ports.logger ?? silentLogger;
    this.#metrics = raftMetrics(ports.metrics, this.config.groupId);
    this.#meter = new Meter(this.#metrics, ports.clock);
    this.#keeper = this.#makeKeeper();
    const { clock, wallClock } = ports;
    const spanMs = this.config.electionTimeoutMinMs;
    this.#clockWatch = wallClock === undefined ? null : new ClockWatch(clock, wallClock, spanMs);
    const coreConfig = { ...this.config, takesSnapshots: this.#keeper !== null };
    this.core = new RaftCore(coreConfig, ports.seed, rules);
    this.#calls = new Calls({
      config: this.config,
      clock: ports.clock,
      metrics: this.#metrics,
      dispatch: (input) => this.#dispatch(input),
      isWriting: () => this.#writes > 0 && this.core.role === 'leader',
      afterTurn: ports.afterTurn ?? ((run) => run()),
      afterPoll: ports.afterPoll ?? ((run) => run()),
    });
    this.#driver = new Driver<RaftInput, RaftEffect>({
      node: this.config.nodeId,
      name: `raft:${this.config.groupId}`,
      core: this.core,
      clock: ports.clock,
      execute: (effect) => this.#execute(effect),
      onBug: (error) => this.#stopWith(errors.bugFound(this.config.groupId, error)),
      tracer: ports.tracer,
    });
  }

  /** Reads the log and asks the state machine how far it is; then the replica takes part. */
  start(done: Done<void>): void {
    if (this.#phase !== 'idle') return done({ ok: false, error: this.#notRunning });
    this.#phase = 'starting';
    runTask(this.#recover(), (outcome) => {
      if (this.#phase !== 'starting') return done({ ok: false, error: this.#notRunning });
      if (!outcome.ok) {
        this.#phase = 'stopped';
        this.#failure = outcome.error;
        return done(outcome);
      }
      this.#phase = 'running';
      this.#dispatch(outcome.value);
      this.#ports.channel.onMessage((from, bytes) => this.#receive(from, bytes));
      this.#ports.channel.onPeerLost?.((peer) => this.#dispatch({ type: 'PEER_LOST', peer }));
      done({ ok: true, value: undefined });
    });
  }

  /**
   * Puts a command into the log, through the leader wherever that is; `done` gets the state machine's result.
   *
   * @returns a function that gives up waiting: `done` then gets RAFT_ABORTED.
   */
  propose(command: Uint8Array, options: ProposeOptions, done: Done<ProposalResult>): () => void {
    const session = options.session ?? null;
    const max = this.config.commandBytesMax;
    if (command.length > max) return refuse(done, errors.commandTooLarge(command.length, max));
    if (session !== null && !isSession(session)) return refuse(done, errors.sessionInvalid());
    return this.#propose({ kind: 'command', session, command }, options.timeoutMs, done);
  }

  /** Opens a client session on all replicas; its id is the index of its entry. Of the owner's name 256 bytes are kept with it. */
  openSession(done: Done<number>, options: SessionOptions = {}): () => void {
    const command = new TextEncoder().encode(options.owner ?? '').subarray(0, ownerBytesMax);
    return this.#place({ kind: 'openSession', session: null, command }, options.timeoutMs, done);
  }

  /** A point in the log after everything agreed on before the call; completes with its index when that is applied here. */
  barrier(done: Done<number>, options: Pick<ProposeOptions, 'timeoutMs'> = {}): () => void {
    return this.#place({ kind: 'barrier', session: null, command: noCommand }, options.timeoutMs, done);
  }

  /**
   * A linearizable point without an entry in the log (thesis 6.4): completes with an index that is applied here, and that no write
   * acknowledged before the call lies behind. What the state machine shows then may be newer, never older.
   */
  read(done: Done<number>, { timeoutMs, consistency, staleMsMax = 0 }: ReadOptions = {}): () => void {
    if (this.#phase !== 'running') return refuse(done, this.#notRunning);
    const byLease = consistency === 'lease';
    if (this.#clockWatch === null || (!byLease && staleMsMax === 0))
      return this.#calls.read(timeoutMs, null, done);
    if (this.#clockWatch.differs()) this.#dispatch({ type: 'CLOCK_DOUBTED' });
    return this.#calls.read(timeoutMs, byLease ? { byLease, staleMsMax } : { staleMsMax }, done);
  }

  /** Hands the lead over to another voter; completes when that leads. To be called at the leader. */
  transferLeadership(
    to: string,
    done: Done<void>,
    options: Pick<ProposeOptions, 'timeoutMs'> = {},
  ): () => void {
    if (this.#phase !== 'running') return refuse(done, this.#notRunning);
    return this.#calls.transfer(to, options.timeoutMs, done);
  }

  /** Takes a snapshot of what is applied here, whatever the policy says; completes with its index when it is on the disk. */
  snapshot(done: Done<number>): () => void {
    if (this.#phase !== 'running') return refuse(done, this.#notRunning);
    if (this.#keeper === null) return refuse(done, errors.snapshotsNotSupported());
    return this.#calls.snapshot(done);
  }

  /** Changes who the members are (thesis 4); completes when that is agreed on. To be called at the leader. */
  changeMembers(changes: readonly MemberChange[], done: Done<void>, options: ChangeOptions = {}): () => void {
    if (this.#phase !== 'running') return refuse(done, this.#notRunning);
    const { transition = 'auto', timeoutMs } = options;
    for (const { nodeId } of changes) {
      if (!nodeIdSchema.safeParse(nodeId).success) return refuse(done, memberInvalid(nodeId));
    }
    return this.#calls.change(changes, transition, timeoutMs, done);
  }

  status(): RaftStatus {
    const { nodeId, groupId } = this.config;
    const { role, currentTerm: term, leaderId, configuration, log } = this.core;
    const { commitIndex, appliedIndex, lastIndex } = this.core;
    const { firstIndex, bytes: logBytes } = log;
    const snapshot = this.core.snapshot && sizeOf(this.core.snapshot);
    const where = { nodeId, groupId, role, term, leaderId, voters: configuration.voters, configuration };
    const { isLeftOut: leftOut, configurationIndex } = this.core;
    const members = { configurationIndex, leftOut };
    return { ...where, ...members, commitIndex, appliedIndex, firstIndex, lastIndex, logBytes, snapshot };
  }

  /** @param listener must not throw. @returns a function that ends it. */
  onEvent(listener: (event: RaftEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** At once, as a crash would: what is under way is answered with RAFT_STOPPED. The log stays open for its owner. */
  stop(): void {
    this.#end(null);
  }

  get #notRunning(): ClusterError {
    return errors.notRunning(this.config.groupId, this.#failure);
  }

  #makeKeeper(): SnapshotKeeper | null {
    const { stateMachine, snapshots: storage } = this.#ports;
    const { images } = stateMachine;
    if (images === undefined || storage === undefined) return null;
    return new SnapshotKeeper({
      groupId: this.config.groupId,
      images,
      storage,
      dispatch: (input) => {
        if (this.#phase === 'running') this.#dispatch(input);
      },
      fail: (error) => {
        if (this.#phase === 'running') this.#fail('stateMachine', error);
      },
    });
  }

  *#recover(): Task<RaftInput> {
    const { storage, stateMachine } = this.#ports;
    const { groupId } = this.config;
    const log = yield* wait<RecoveredLog>((done) => storage.recover(groupId, done));
    const stored = this.#keeper === null ? null : yield* this.#keeper.recover();
    let restored = yield* wait<Restored>((done) => stateMachine.restore(done));
    if (this.#keeper !== null) restored = yield* this.#keeper.restore(stored, restored);
    const { appliedIndex, sessions } = restored;
    const { hardState, base, entries } = log;
    const snapshot = stored?.id ?? null;
    // Though the state machine may hold all of it: who the members were at the base is in the snapshot alone (thesis 4.1).
    if ((snapshot?.index ?? 0) < base.index) throw errors.snapshotMissing(groupId, base.index, appliedIndex);
    const lastIndex = lastIndexOf(log, snapshot);
    if (appliedIndex > lastIndex) throw errors.logBehindStateMachine(groupId, appliedIndex, lastIndex);
    const configuration = stored?.meta.configuration ?? null;
    return { type: 'START', hardState, base, entries, appliedIndex, sessions, snapshot, configuration };
  }

  #place(draft: Draft, timeoutMs: number | undefined, done: Done<number>): () => void {
    return this.#propose(draft, timeoutMs, (outcome) =>
      done(outcome.ok ? { ok: true, value: outcome.value.index } : outcome),
    );
  }

  #propose(draft: Draft, timeoutMs: number | undefined, done: Done<ProposalResult>): () => void {
    if (this.#phase !== 'running') return refuse(done, this.#notRunning);
    return this.#calls.propose(draft, timeoutMs, done);
  }

  #receive(from: string, bytes: Uint8Array): void {
    if (this.#phase !== 'running') return;
    this.#metrics.messagesReceived.add();
    const group = groupOf(bytes);
    if (group !== undefined && group !== this.config.groupId) {
      return this.#dispatch({ type: 'MALFORMED', from, reason: 'otherGroup' });
    }
    const decoded = decodeMessage(bytes, this.config.messageBytesMax);
    if ('problem' in decoded) this.#dispatch({ type: 'MALFORMED', from, reason: decoded.problem });
    else this.#dispatch({ type: 'MESSAGE', from, message: decoded.message });
  }

  #execute(effect: RaftEffect): void {
    switch (effect.type) {
      case 'persist':
        return this.#persist(effect);
      case 'send':
        this.#metrics.messagesSent.add();
        if (effect.message.type === 'leftOut') this.#metrics.leftOutTold.add();
        return this.#ports.channel.send(
          effect.to,
          encodeMessage({ groupId: this.config.groupId, message: effect.message }),
        );
      case 'apply':
        return this.#apply(effect);
      case 'respond':
        return this.#calls.respond(effect.ref, effect.answer);
      case 'transferred':
        return this.#calls.transferred(effect.ref, effect.outcome);
      case 'takeSnapshot':
      case 'readSnapshot':
      case 'writePiece':
      case 'checkSnapshot':
      case 'installSnapshot':
      case 'keepSnapshots':
        return this.#keeper?.execute(effect);
      case 'changed':
        return this.#calls.changed(effect.ref, effect.outcome);
      case 'snapshotEnded':
        return this.#calls.snapshotEnded(effect.ref, effect.outcome);
      case 'snapshotTaken':
      case 'snapshotInstalled':
      case 'membersChanged':
        return this.#publish(happeningOf(effect));
      case 'snapshotFailed':
        this.#log('warn', 'A snapshot failed.', { reason: effect.reason });
        return this.#publish(happeningOf(effect));
      case 'leftOut':
        this.#log('warn', 'The members agreed on leave this node out.', { index: effect.index });
        return this.#publish(happeningOf(effect));
      case 'roleChanged':
      case 'leaderChanged':
        this.#meter.follow(this.core, this.#calls.size);
        return this.#publish(happeningOf(effect));
      case 'rejected':
        this.#metrics.messagesRejected(effect.reason).add();
        return this.#log('debug', 'A message was refused.', { from: effect.from, reason: effect.reason });
      case 'stopped': {
        const cause = this.#cause ?? effect.reason;
        return this.#stopWith(
          effect.what === 'stateMachine'
            ? errors.stateMachineFailed(this.config.groupId, cause)
            : errors.logFailed(cause),
        );
      }
    }
  }

  #dispatch(input: RaftInput): void {
    this.#dispatching++;
    this.#driver.dispatch(input);
    // An input that arrived within another has only been queued.
    if (--this.#dispatching === 0) this.#meter.follow(this.core, this.#calls.size);
  }

  #persist({ sequence, hardState, base, truncateAfter, entries }: PersistEffect): void {
    const { clock, storage } = this.#ports;
    const startedMs = clock.nowMs();
    this.#meter.appended(entries, this.core.role === 'leader');
    this.#writes++;
    storage.write(this.config.groupId, { hardState, base, truncateAfter, entries }, (outcome) => {
      this.#writes--;
      if (this.#phase !== 'running') return;
      if (outcome.ok) {
        this.#metrics.flushMs.observe(clock.nowMs() - startedMs);
        this.#dispatch({ type: 'PERSISTED', sequence });
        this.#calls.pump();
      } else this.#fail('storage', outcome.error);
    });
  }

  #apply(batch: ApplyBatch): void {
    const { entries, sessions, lastIndex } = batch;
    this.#ports.stateMachine.apply({ entries, sessions, lastIndex }, (outcome) => {
      if (this.#phase !== 'running') return;
      if (!outcome.ok) return this.#fail('stateMachine', outcome.error);
      this.#dispatch({ type: 'APPLIED', results: outcome.value });
    });
  }

  #publish(happening: Happening): void {
    const event = { groupId: this.config.groupId, ...happening };
    for (const listener of this.#listeners) listener(event);
  }

  #log(level: LogLevel, message: string, more: Readonly<Record<string, unknown>> = {}): void {
    this.#logger.log(level, message, { node: this.config.nodeId, group: this.config.groupId, ...more });
  }

  #fail(what: FailureCause, error: ClusterError): void {
    this.#cause = error;
    this.#dispatch({ type: 'FAILED', what, reason: error.message });
  }

  #stopWith(error: ClusterError): void {
    if (this.#phase === 'stopped') return;
    this.#log('error', error.line);
    this.#end(error);
    this.#publish({ type: 'Failed', error });
  }

  #end(error: ClusterError | null): void {
    if (this.#phase === 'stopped') return;
    this.#phase = 'stopped';
    this.#failure = error;
    this.#driver.stop();
    this.#calls.end(error);
  }
}

/** Where a log ends; one that does not go through the latest snapshot will begin behind it, without entries. */
function lastIndexOf({ base, entries }: RecoveredLog, snapshot: SnapshotId | null): number {
  const lastIndex = base.index + entries.length;
  if (snapshot === null || snapshot.index <= base.index) return lastIndex;
  const goesOn = entries[snapshot.index - base.index - 1]?.term === snapshot.term;
  return goesOn ? lastIndex : snapshot.index;
}

const isSession = ({ clientId, sequence }: SessionKey): boolean =>
  [clientId, sequence].every((value) => Number.isSafeInteger(value) && value > 0 && value <= integerMax);
