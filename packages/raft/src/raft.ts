/** The service: a replica with promises, AbortSignals and async iteration. */
import { type Done, EventHub, toPromise } from '@cluster/core';
import type { RaftConfigInput } from './config.ts';
import { aborted } from './errors.ts';
import type { ProposalResult } from './calls.ts';
import type { MemberChange } from './core/configuration-changes.ts';
import type { ChangeOptions, ProposeOptions, RaftEvent, RaftStatus, ReadOptions } from './api.ts';
import type { RaftPorts } from './ports.ts';
import { RaftReplica } from './replica.ts';

export interface WaitOptions {
  /** Default: `proposalTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class Raft {
  readonly #replica: RaftReplica;
  readonly #hub: EventHub<RaftEvent>;
  readonly #onStop: () => Promise<void>;

  private constructor(replica: RaftReplica, onStop: () => Promise<void>) {
    this.#replica = replica;
    this.#onStop = onStop;
    const { groupId } = replica.config;
    this.#hub = new EventHub({ onOverflow: (dropped) => ({ type: 'Overflow', groupId, dropped }) });
    replica.onEvent((event) => this.#hub.publish(event));
  }

  /**
   * @param onStop closes what was opened for this replica, e.g. its log.
   * @throws ClusterError `RAFT_CONFIG_INVALID`, `RAFT_LOG_DAMAGED`, `RAFT_STORAGE_FAILED`, `RAFT_LOG_BEHIND_STATE_MACHINE`
   */
  static async start(
    config: RaftConfigInput,
    ports: RaftPorts,
    onStop: () => Promise<void> = async () => undefined,
  ): Promise<Raft> {
    const replica = new RaftReplica(config, ports);
    const raft = new Raft(replica, onStop);
    await toPromise<void>((done) => replica.start(done));
    return raft;
  }

  /** The engine, to be looked at. */
  get replica(): RaftReplica {
    return this.#replica;
  }

  /**
   * Puts a command into the log, through the leader wherever that is.
   *
   * An error's `retry` says whether repeating is safe: `unsafe` when the command may have been applied. With a session it always is.
   *
   * @throws ClusterError `RAFT_NO_LEADER`, `RAFT_TIMEOUT`, `RAFT_ABORTED`, `RAFT_OUTCOME_UNKNOWN`, `RAFT_BUSY`,
   * `RAFT_COMMAND_TOO_LARGE`, `RAFT_SESSION_EXPIRED`, `RAFT_SEQUENCE_TOO_OLD`, `RAFT_SESSION_INVALID`, `RAFT_STOPPED`
   */
  propose(command: Uint8Array, options: ProposeOptions & WaitOptions = {}): Promise<ProposalResult> {
    return this.#abortable(options.signal, (done) => this.#replica.propose(command, options, done));
  }

  /** Opens a client session; its id goes with a sequence into `propose` (thesis 6.3). `owner`: at most 256 bytes, kept with it. */
  openSession(options: WaitOptions & { readonly owner?: string | undefined } = {}): Promise<number> {
    return this.#abortable(options.signal, (done) => this.#replica.openSession(done, options));
  }

  /** A linearizable point: what was agreed on before the call is applied here when it resolves. */
  barrier(options: WaitOptions = {}): Promise<number> {
    return this.#abortable(options.signal, (done) => this.#replica.barrier(done, options));
  }

  /** '' when its opening named nobody; undefined: not applied here yet or, once index `clientId` is applied, closed again. */
  sessionOwner(clientId: number): string | undefined {
    return this.#replica.core.sessionOwner(clientId);
  }

  /**
   * Waits until reading the state machine here is linearizable; cheaper than {@link Raft.barrier}, since nothing is written, and
   * many reads share one round of messages, or none with `consistency: 'lease'`.
   *
   * @returns an index that is applied here, and that no write acknowledged before the call lies behind.
   * @throws ClusterError `RAFT_TIMEOUT`, `RAFT_ABORTED`, `RAFT_BUSY`, `RAFT_STOPPED`; repeating is always safe.
   */
  read(options: ReadOptions & WaitOptions = {}): Promise<number> {
    return this.#abortable(options.signal, (done) => this.#replica.read(done, options));
  }

  /**
   * Hands the lead over to another voter (thesis 3.10), e.g. before this node is stopped; resolves when that leads. Proposals wait
   * meanwhile. A node that leads already stays the leader. Aborting ends the waiting, not the transfer.
   *
   * @throws ClusterError `RAFT_NOT_LEADER`, `RAFT_TRANSFER_TARGET_UNKNOWN`, `RAFT_TRANSFER_UNDER_WAY`, `RAFT_TRANSFER_FAILED`,
   * `RAFT_ABORTED`, `RAFT_STOPPED`
   */
  transferLeadership(to: string, options: WaitOptions = {}): Promise<void> {
    return this.#abortable(options.signal, (done) => this.#replica.transferLeadership(to, done, options));
  }

  /**
   * Takes a snapshot of what is applied at this node and shortens its log, whatever the policy says. Aborting ends the waiting.
   *
   * @returns the index it covers.
   * @throws ClusterError `RAFT_SNAPSHOTS_NOT_SUPPORTED`, `RAFT_SNAPSHOT_FAILED`, `RAFT_ABORTED`, `RAFT_STOPPED`
   */
  snapshot(options: Pick<WaitOptions, 'signal'> = {}): Promise<number> {
    return this.#abortable(options.signal, (done) => this.#replica.snapshot(done));
  }

  /**
   * Changes who the members are (thesis 4), one change at a time; resolves when that is agreed on. Name what nodes are to become:
   * `voter`, `learner` (gets the log and counts nowhere), `staged` (a learner that becomes a voter by itself once it has nearly
   * caught up: the way to add a voter) or `removed`. Asking for what is so already is harmless. Aborting ends the waiting only.
   *
   * A node that is added starts with an empty `voters` list. A leader that is removed leads until that is agreed on, and steps down.
   *
   * @throws ClusterError `RAFT_NOT_LEADER`, `RAFT_CHANGE_UNDER_WAY`, `RAFT_CHANGE_NOT_READY`, `RAFT_CHANGE_INVALID`,
   * `RAFT_CHANGE_UNFINISHED`, `RAFT_ABORTED`, `RAFT_STOPPED`; repeating is always safe.
   */
  changeMembers(changes: readonly MemberChange[], options: ChangeOptions & WaitOptions = {}): Promise<void> {
    return this.#abortable(options.signal, (done) => this.#replica.changeMembers(changes, done, options));
  }

  status(): RaftStatus {
    return this.#replica.status();
  }

  /** From now on. A reader that is too slow meets one `Overflow` in place of what it missed. */
  events(options: { readonly signal?: AbortSignal | undefined } = {}): AsyncIterableIterator<RaftEvent> {
    return this.#hub.subscribe(options);
  }

  /** Ends taking part; what is under way is answered with RAFT_STOPPED. Idempotent. */
  async stop(): Promise<void> {
    this.#replica.stop();
    this.#hub.close();
    await this.#onStop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #abortable<T>(signal: AbortSignal | undefined, start: (done: Done<T>) => () => void): Promise<T> {
    if (signal?.aborted) return Promise.reject(aborted(this.#replica.config.groupId, 'safe'));
    let giveUp: (() => void) | undefined;
    const onAbort = (): void => giveUp?.();
    signal?.addEventListener('abort', onAbort, { once: true });
    const result = toPromise<T>((done) => {
      giveUp = start(done);
    });
    return result.finally(() => signal?.removeEventListener('abort', onAbort));
  }
}
