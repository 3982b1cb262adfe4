/**
 * The calls on a replica that are not answered yet, and the queue of those that wait to be handed to the core.
 *
 * Reads of one turn go on together; proposals too, and those that arrive while the leader's disk is busy wait for it, which makes the batches of a
 * busy leader as large as they need to be and those of an idle one a single entry. Were the first of a turn to go on alone, the rest
 * would wait for its flush, be answered together, and come back together: clients that wait for their answers would take two rounds
 * for ever, where one holds all of them. For the same reason several are looked at as the first of a crowd, which reaches a busy node in more
 * than one piece: the rest has a moment to arrive. A lone proposal waits for nothing.
 */
import type { Clock, ClusterError, Done, TimerHandle } from '@cluster/core';
import type { RaftConfig } from './config.ts';
import type { MemberChange } from './core/configuration-changes.ts';
import type { Leniency, RaftInput, ReadCall } from './core/inputs-and-effects.ts';
import type {
  Answer,
  ChangeOutcome,
  Draft,
  Proposal,
  SnapshotOutcome,
  TransferOutcome,
  Transition,
} from './core/types.ts';
import { answerError, changeError, transferError } from './call-errors.ts';
import * as errors from './errors.ts';
import type { RaftMetrics } from './metrics.ts';

export interface ProposalResult {
  readonly index: number;
  readonly term: number;
  readonly result: Uint8Array;
}

interface Waiting {
  readonly done: Done<ProposalResult>;
  readonly kind: 'command' | 'sessionCommand' | 'read';
  readonly startedMs: number;
}

export interface CallsOptions {
  readonly config: RaftConfig;
  readonly clock: Clock;
  readonly metrics: RaftMetrics;
  readonly dispatch: (input: RaftInput) => void;
  /** This node leads, and its disk is at work. */
  readonly isWriting: () => boolean;
  /** Runs something once what runs now has ended. */
  readonly afterTurn: (run: () => void) => void;
  /** Runs something once what has arrived by now has been received. */
  readonly afterPoll: (run: () => void) => void;
}

// Commands handed to the core at once; beyond it the rest follows in a batch of its own.
const batchBytesMax = 4 * 1024 * 1024;

export class Calls {
  readonly #options: CallsOptions;
  readonly #waiting = new Map<number, Waiting>();
  // Calls that give nothing back but how they ended: transfers of the lead, changes of members.
  readonly #errands = new Map<number, Done<void>>();
  readonly #snapshots = new Map<number, Done<number>>();
  #queue: Proposal[] = [];
  #reads: ReadCall[] = [];
  #hold: TimerHandle | null = null;
  /** What the turn proposes and asks goes on when it has ended. */
  #gathers = false;
  /** Several wait for more that may be on their way. */
  #looksOut = false;
  #refs = 0;

  constructor(options: CallsOptions) {
    this.#options = options;
  }

  /** Calls that are not answered yet. */
  get size(): number {
    return this.#waiting.size;
  }

  /** @returns a function that gives up waiting: `done` then gets RAFT_ABORTED. */
  propose(draft: Draft, timeoutMs: number | undefined, done: Done<ProposalResult>): () => void {
    const { config, clock, metrics } = this.#options;
    metrics.proposals.add();
    if (this.#waiting.size >= config.pendingProposalsMax) {
      metrics.proposalsFailed.add();
      return refuse(done, errors.tooManyPending(config.groupId));
    }
    const ref = ++this.#refs;
    const kind = draft.session === null ? 'command' : 'sessionCommand';
    this.#waiting.set(ref, { done, kind, startedMs: clock.nowMs() });
    this.#queue.push({ ...draft, ref, timeoutMs: timeoutMs ?? config.proposalTimeoutMs });
    this.#gather();
    return () => this.#abandon(ref);
  }

  #gather(): void {
    if (this.#gathers) return;
    this.#gathers = true;
    this.#options.afterTurn(() => this.#handOn());
  }

  #handOn(): void {
    const { dispatch, isWriting, afterPoll } = this.#options;
    this.#gathers = false;
    if (this.#reads.length > 0) dispatch({ type: 'READ', reads: this.#reads.splice(0) });
    if (this.#looksOut) return;
    if (this.#queue.length < 2 || isWriting()) return this.pump();
    this.#looksOut = true;
    afterPoll(() => {
      this.#looksOut = false;
      this.pump();
    });
  }

  /**
   * @param leniency null: the read waits for a majority. One that may do without rests on what the clocks have just shown, and goes on at once.
   * @returns a function that gives up waiting: `done` then gets RAFT_ABORTED.
   */
  read(timeoutMs: number | undefined, leniency: Leniency | null, done: Done<number>): () => void {
    const { config, clock, metrics, dispatch } = this.#options;
    metrics.reads.add();
    if (this.#waiting.size >= config.pendingProposalsMax) {
      metrics.readsFailed.add();
      return refuse(done, errors.tooManyPending(config.groupId));
    }
    const ref = ++this.#refs;
    const indexOnly: Done<ProposalResult> = (outcome) =>
      done(outcome.ok ? { ok: true, value: outcome.value.index } : outcome);
    this.#waiting.set(ref, { done: indexOnly, kind: 'read', startedMs: clock.nowMs() });
    const call = { ref, timeoutMs: timeoutMs ?? config.proposalTimeoutMs };
    if (leniency === null) {
      this.#reads.push(call);
      this.#gather();
    } else dispatch({ type: 'READ', reads: [{ ...call, ...leniency }] });
    return () => this.#abandon(ref);
  }

  /** @returns a function that gives up waiting: `done` then gets RAFT_ABORTED. */
  transfer(to: string, timeoutMs: number | undefined, done: Done<void>): () => void {
    return this.#send(timeoutMs, done, (call) => ({ type: 'TRANSFER', to, ...call }));
  }

  /** @returns a function that gives up waiting: `done` then gets RAFT_ABORTED. */
  change(
    changes: readonly MemberChange[],
    transition: Transition,
    timeoutMs: number | undefined,
    done: Done<void>,
  ): () => void {
    return this.#send(timeoutMs, done, (call) => ({ type: 'CHANGE', changes, transition, ...call }));
  }

  transferred(ref: number, outcome: TransferOutcome): void {
    this.#ended(ref, outcome === 'done' ? null : transferError(this.#options.config.groupId, outcome));
  }

  changed(ref: number, outcome: ChangeOutcome): void {
    this.#ended(ref, outcome === 'done' ? null : changeError(this.#options.config.groupId, outcome));
  }

  #send(
    timeoutMs = this.#options.config.proposalTimeoutMs,
    done: Done<void>,
    inputOf: (call: { readonly ref: number; readonly timeoutMs: number }) => RaftInput,
  ): () => void {
    const { dispatch } = this.#options;
    const ref = ++this.#refs;
    this.#errands.set(ref, done);
    dispatch(inputOf({ ref, timeoutMs }));
    return () => {
      if (this.#errands.has(ref)) dispatch({ type: 'ABANDON', ref });
    };
  }

  #ended(ref: number, error: ClusterError | null): void {
    const done = this.#errands.get(ref);
    this.#errands.delete(ref);
    done?.(error === null ? { ok: true, value: undefined } : { ok: false, error });
  }

  /** @returns a function that gives up waiting: `done` then gets RAFT_ABORTED. */
  snapshot(done: Done<number>): () => void {
    const { dispatch } = this.#options;
    const ref = ++this.#refs;
    this.#snapshots.set(ref, done);
    dispatch({ type: 'SNAPSHOT', ref });
    return () => {
      if (this.#snapshots.has(ref)) dispatch({ type: 'ABANDON', ref });
    };
  }

  snapshotEnded(ref: number, outcome: SnapshotOutcome): void {
    const done = this.#snapshots.get(ref);
    this.#snapshots.delete(ref);
    if (outcome.status === 'taken') return done?.({ ok: true, value: outcome.index });
    const { reason } = outcome;
    const { groupId } = this.#options.config;
    const error =
      reason === 'abandoned' ? errors.aborted(groupId, 'safe') : errors.snapshotNotTaken(groupId, reason);
    done?.({ ok: false, error });
  }

  /** Hands queued proposals to the core, unless a leader's disk is busy: then when it is done, or at the latest after a heartbeat. */
  pump(force = false): void {
    if (this.#queue.length === 0) return;
    const { config, clock, dispatch, isWriting } = this.#options;
    if (!force && isWriting()) {
      this.#hold ??= clock.setTimer(config.heartbeatMs, () => {
        this.#hold = null;
        this.pump(true);
      });
      return;
    }
    this.#hold?.cancel();
    this.#hold = null;
    let bytes = 0;
    let count = 0;
    for (const { command } of this.#queue) {
      bytes += command.length;
      if (count > 0 && bytes > batchBytesMax) break;
      count++;
    }
    dispatch({ type: 'PROPOSE', proposals: this.#queue.splice(0, count) });
    this.pump(force);
  }

  respond(ref: number, answer: Answer): void {
    const waiting = this.#waiting.get(ref);
    if (waiting === undefined) return;
    this.#waiting.delete(ref);
    const { config, clock, metrics } = this.#options;
    const isRead = waiting.kind === 'read';
    if (answer.status === 'applied') {
      (isRead ? metrics.readMs : metrics.proposalMs).observe(clock.nowMs() - waiting.startedMs);
      const { index, term, result } = answer;
      return waiting.done({ ok: true, value: { index, term, result } });
    }
    (isRead ? metrics.readsFailed : metrics.proposalsFailed).add();
    const error =
      isRead && answer.status === 'timeout'
        ? errors.readTimedOut(config.groupId)
        : answerError(config.groupId, answer, waiting.kind === 'sessionCommand');
    waiting.done({ ok: false, error });
  }

  /** The replica has stopped: nobody gets an answer any more. */
  end(cause: ClusterError | null): void {
    const { groupId } = this.#options.config;
    this.#hold?.cancel();
    this.#hold = null;
    const queued = new Set(this.#queue.map(({ ref }) => ref));
    this.#queue = [];
    this.#reads = [];
    const errands = [...this.#errands.values(), ...this.#snapshots.values()];
    this.#errands.clear();
    this.#snapshots.clear();
    for (const done of errands) done({ ok: false, error: errors.stoppedMeanwhile(groupId, 'safe', cause) });
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const [ref, { done, kind }] of waiting) {
      const retry = kind !== 'command' || queued.has(ref) ? 'safe' : 'unsafe';
      done({ ok: false, error: errors.stoppedMeanwhile(groupId, retry, cause) });
    }
  }

  #abandon(ref: number): void {
    if (!this.#waiting.has(ref)) return;
    const queue = this.#waiting.get(ref)?.kind === 'read' ? this.#reads : this.#queue;
    const queued = queue.findIndex((call) => call.ref === ref);
    if (queued === -1) return this.#options.dispatch({ type: 'ABANDON', ref });
    queue.splice(queued, 1);
    this.respond(ref, { status: 'abandoned', submitted: false });
  }
}

export const refuse = (done: Done<never>, error: ClusterError): (() => void) => {
  done({ ok: false, error });
  return () => undefined;
};
