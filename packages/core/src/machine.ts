/**
 * Running a machine with a context of its own inside a core.
 *
 * A step is performed to the end before the next event is taken: an event sent while actions are being performed waits.
 * The instance owns its timers: `after` becomes a `setTimer` effect, and the fired timer comes back through `fire`.
 */
import type { AnyMachineSnapshot, AnyStateMachine, EventFromLogic, InputFrom, SnapshotFrom } from 'xstate';
import type { Sink, Typed } from './core.ts';
import { assert } from './errors.ts';
import { perform, report } from './machine-step.ts';
import { type PendingTimer, TimerTable } from './machine-timers.ts';
import {
  type ActionOf,
  inState,
  isActive,
  type SnapshotData,
  stateName,
  type Step,
  type Stepper,
} from './stepper.ts';

export interface InstanceCheckpoint extends SnapshotData {
  readonly timers: readonly PendingTimer[];
}

/** Performs a machine's named action; `out` is the sink of the input being handled. */
export type Perform<M, E extends Typed> = (action: ActionOf<M>, nowMs: number, out: Sink<E>) => void;

/** One machine with a context. `id` must be unique within its core: its timers are named after it. */
export class MachineInstance<M extends AnyStateMachine, E extends Typed> {
  readonly id: string;
  readonly #stepper: Stepper<M>;
  readonly #perform: Perform<M, E>;
  readonly #timers = new TimerTable();
  readonly #waiting: EventFromLogic<M>[] = [];
  #busy = false;
  #snapshot: SnapshotFrom<M> | undefined;

  /** Share one stepper between the instances of a machine. */
  constructor(id: string, stepper: Stepper<M>, perform: Perform<M, E>) {
    this.id = id;
    this.#stepper = stepper;
    this.#perform = perform;
  }

  /** Enters the initial state; also anew, which cancels the timers of the life before. */
  start(input: InputFrom<M>, nowMs: number, out: Sink<E>): void {
    this.stop(out);
    const step = this.#stepper.start(input, out.observer !== null);
    report(out, this.#stepper.machine.id, this.id, { type: 'xstate.init' }, null, step);
    this.#settle(step, nowMs, out);
    this.#drain(nowMs, out);
  }

  /** A machine in its final state ignores it. */
  send(event: EventFromLogic<M>, nowMs: number, out: Sink<E>): void {
    this.#waiting.push(event);
    if (!this.#busy) this.#drain(nowMs, out);
  }

  /** Handles a fired timer of this machine; false when it is another's, or was cancelled meanwhile. */
  fire(timer: string, nowMs: number, out: Sink<E>): boolean {
    const pending = this.#timers.take(timer);
    if (pending === undefined) return false;
    this.send(pending.event as EventFromLogic<M>, nowMs, out);
    return true;
  }

  /** Cancels its timers: the owner has done with it. */
  stop(out: Sink<E>): void {
    this.#timers.cancelAll(this.id, out);
  }

  /** Whether it has been started or restored; before that it has no state. */
  get started(): boolean {
    return this.#snapshot !== undefined;
  }

  get snapshot(): SnapshotFrom<M> {
    // Asked several times an input: the words are put together only when they are needed.
    if (this.#snapshot === undefined) assert(false, `machine ${this.id} has been started`);
    return this.#snapshot;
  }

  /** The state as text, e.g. `leader.steady`. */
  get state(): string {
    return stateName((this.snapshot as AnyMachineSnapshot).value);
  }

  /** True in that state (`leader.steady`) or one inside it. */
  in(state: string): boolean {
    return inState((this.snapshot as AnyMachineSnapshot).value, state);
  }

  get context(): SnapshotFrom<M> extends { context: infer C } ? C : never {
    return (this.snapshot as { context: never }).context;
  }

  /** In the order they were armed. */
  pendingTimers(): readonly PendingTimer[] {
    return this.#timers.list();
  }

  checkpoint(): InstanceCheckpoint {
    return { ...this.#stepper.save(this.snapshot), timers: this.#timers.list() };
  }

  /** Timers are waited for again, but not armed: their `setTimer` effects have been emitted before the checkpoint. */
  restore(checkpoint: InstanceCheckpoint): void {
    this.#snapshot = this.#stepper.load(checkpoint);
    this.#timers.restore(checkpoint.timers);
  }

  #drain(nowMs: number, out: Sink<E>): void {
    for (let event = this.#waiting.shift(); event !== undefined; event = this.#waiting.shift()) {
      const before = this.snapshot;
      if (!isActive(before)) continue;
      const step = this.#stepper.next(before, event, out.observer !== null);
      report(out, this.#stepper.machine.id, this.id, event, before as AnyMachineSnapshot, step);
      this.#settle(step, nowMs, out);
    }
  }

  #settle(step: Step<M>, nowMs: number, out: Sink<E>): void {
    this.#snapshot = step.snapshot;
    this.#busy = true;
    try {
      perform(step, this.id, this.#timers, nowMs, out, (action) => this.#perform(action, nowMs, out));
    } finally {
      this.#busy = false;
    }
  }
}
