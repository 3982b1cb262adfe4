/**
 * Running machines inside a core: one with a context of its own (`MachineInstance`), and many context-free ones of a kind
 * (`MachineTable`), where an entity costs one small code because all entities in a state share one frozen snapshot.
 *
 * Both perform a step to the end before they take the next event: an event sent while actions are being performed waits.
 * Both own their timers: `after` becomes a `setTimer` effect, and the fired timer comes back through `fire`.
 */
import type { AnyMachineSnapshot, AnyStateMachine, EventFromLogic, InputFrom, SnapshotFrom } from 'xstate';
import type { Sink, Typed } from './core.ts';
import { assert } from './errors.ts';
import { plainDifference } from './plain.ts';
import { type ActionOf, stateName, type Step, type StepAction, type Stepper } from './stepper.ts';

/** A timer a machine waits for, as a checkpoint keeps it. */
export interface PendingTimer {
  readonly timer: string;
  readonly dueMs: number;
  readonly event: unknown;
}

export interface InstanceCheckpoint {
  readonly value: unknown;
  readonly context: unknown;
  readonly timers: readonly PendingTimer[];
}

/** Performs a machine's named action; `out` is the sink of the input being handled. */
export type Perform<M, E extends Typed> = (action: ActionOf<M>, nowMs: number, out: Sink<E>) => void;
export type PerformFor<M, E extends Typed> = (
  entity: string,
  action: ActionOf<M>,
  nowMs: number,
  out: Sink<E>,
) => void;

/** The timers of one machine or table, named `<owner>/<xstate's id>`. */
class TimerTable {
  readonly #pending = new Map<string, PendingTimer>();

  set(timer: string, delayMs: number, event: unknown, nowMs: number, out: Sink<never>): void {
    this.#pending.set(timer, { timer, dueMs: nowMs + delayMs, event });
    out.emit({ type: 'setTimer', timer, delayMs });
  }

  cancel(timer: string, out: Sink<never>): void {
    if (this.#pending.delete(timer)) out.emit({ type: 'cancelTimer', timer });
  }

  cancelAll(prefix: string, out: Sink<never>): void {
    for (const timer of this.#pending.keys()) if (timer.startsWith(prefix)) this.cancel(timer, out);
  }

  /** The event of a fired timer, or undefined for one that was cancelled meanwhile. */
  take(timer: string): unknown {
    const pending = this.#pending.get(timer);
    this.#pending.delete(timer);
    return pending?.event;
  }

  list(): readonly PendingTimer[] {
    return [...this.#pending.values()];
  }

  restore(timers: readonly PendingTimer[]): void {
    this.#pending.clear();
    for (const timer of timers) this.#pending.set(timer.timer, timer);
  }
}

/** Splits actions into timers and named actions, in order. */
function run<M extends AnyStateMachine, E extends Typed>(
  actions: readonly StepAction<M>[],
  owner: string,
  timers: TimerTable,
  nowMs: number,
  out: Sink<E>,
  perform: (action: ActionOf<M>) => void,
): void {
  for (const action of actions) {
    switch (action.kind) {
      case 'setTimer':
        timers.set(`${owner}/${action.id}`, action.delayMs, action.event, nowMs, out);
        break;
      case 'cancelTimer':
        timers.cancel(`${owner}/${action.id}`, out);
        break;
      case 'act':
        perform(action.action);
        break;
    }
  }
}

function report<M extends AnyStateMachine>(
  out: Sink<never>,
  machine: string,
  instance: string,
  event: unknown,
  before: AnyMachineSnapshot | null,
  step: Step<M>,
): void {
  const after = step.snapshot as AnyMachineSnapshot;
  out.observer?.onMachineStep({
    machine,
    instance,
    event,
    from: before === null ? '' : stateName(before.value),
    to: stateName(after.value),
    taken: [...step.taken],
    context: plainDifference(before?.context ?? {}, after.context),
    actions: step.actions.map((action) => (action.kind === 'act' ? action.action : action)),
  });
}

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

  /** Enters the initial state. */
  start(input: InputFrom<M>, nowMs: number, out: Sink<E>): void {
    const step = this.#stepper.start(input, out.observer !== null);
    report(out, this.#stepper.machine.id, this.id, { type: 'xstate.init' }, null, step);
    this.#settle(step, nowMs, out);
  }

  send(event: EventFromLogic<M>, nowMs: number, out: Sink<E>): void {
    if (this.#busy) {
      this.#waiting.push(event);
      return;
    }
    const before = this.snapshot;
    const step = this.#stepper.next(before, event, out.observer !== null);
    report(out, this.#stepper.machine.id, this.id, event, before as AnyMachineSnapshot, step);
    this.#settle(step, nowMs, out);
  }

  /** Handles a fired timer of this machine; false when it is another's, or was cancelled meanwhile. */
  fire(timer: string, nowMs: number, out: Sink<E>): boolean {
    if (!timer.startsWith(`${this.id}/`)) return false;
    const event = this.#timers.take(timer);
    if (event === undefined) return false;
    this.send(event as EventFromLogic<M>, nowMs, out);
    return true;
  }

  /** Cancels its timers: the owner has done with it. */
  stop(out: Sink<E>): void {
    this.#timers.cancelAll(`${this.id}/`, out);
  }

  get snapshot(): SnapshotFrom<M> {
    assert(this.#snapshot !== undefined, `machine ${this.id} has been started`);
    return this.#snapshot;
  }

  /** The state as text, e.g. `leader.steady`. */
  get state(): string {
    return stateName((this.snapshot as AnyMachineSnapshot).value);
  }

  /** True in that state or one inside it. */
  in(state: string): boolean {
    const current = this.state;
    return current === state || current.startsWith(`${state}.`);
  }

  get context(): SnapshotFrom<M> extends { context: infer C } ? C : never {
    return (this.snapshot as { context: never }).context;
  }

  checkpoint(): InstanceCheckpoint {
    const { value, context } = this.snapshot as AnyMachineSnapshot;
    return { value, context, timers: this.#timers.list() };
  }

  restore({ value, context, timers }: InstanceCheckpoint): void {
    this.#snapshot = this.#stepper.machine.resolveState({ value, context } as never) as SnapshotFrom<M>;
    this.#timers.restore(timers);
  }

  #settle(step: Step<M>, nowMs: number, out: Sink<E>): void {
    this.#snapshot = step.snapshot;
    this.#busy = true;
    try {
      run(step.actions, this.id, this.#timers, nowMs, out, (action) => this.#perform(action, nowMs, out));
    } finally {
      this.#busy = false;
    }
    const next = this.#waiting.shift();
    if (next !== undefined) this.send(next, nowMs, out);
  }
}

export interface TableCheckpoint {
  readonly states: readonly (readonly [entity: string, value: unknown])[];
  readonly timers: readonly PendingTimer[];
}

/**
 * Many machines of one kind, one per entity. The machine has no context: what differs between entities is in the owner's
 * columns, and a delay or guard that depends on it takes it from the event.
 */
export class MachineTable<M extends AnyStateMachine, E extends Typed> {
  readonly id: string;
  readonly #stepper: Stepper<M>;
  readonly #perform: PerformFor<M, E>;
  readonly #timers = new TimerTable();
  readonly #codes = new Map<string, number>();
  readonly #snapshots: SnapshotFrom<M>[] = [];
  readonly #names: string[] = [];
  readonly #codeOf = new Map<string, number>();
  readonly #waiting: { readonly entity: string; readonly event: EventFromLogic<M> }[] = [];
  #busy = false;

  /** @param id unique within its core, e.g. `member`; timers are named `<id>:<entity>/…`. */
  constructor(id: string, stepper: Stepper<M>, perform: PerformFor<M, E>) {
    this.id = id;
    this.#stepper = stepper;
    this.#perform = perform;
  }

  add(entity: string, nowMs: number, out: Sink<E>): void {
    assert(!this.#codes.has(entity), `${this.id} ${entity} is not in the table yet`);
    const step = this.#stepper.start(undefined as InputFrom<M>, out.observer !== null);
    report(out, this.#stepper.machine.id, entity, { type: 'xstate.init' }, null, step);
    this.#settle(entity, step, nowMs, out);
  }

  /** Adds an entity straight in a state, without entry actions: for what is learned from others or from disk. */
  place(entity: string, value: string): void {
    const snapshot = this.#stepper.machine.resolveState({ value, context: {} }) as SnapshotFrom<M>;
    this.#codes.set(entity, this.#intern(snapshot));
  }

  remove(entity: string, out: Sink<E>): void {
    this.#codes.delete(entity);
    this.#timers.cancelAll(`${this.id}:${entity}/`, out);
  }

  has(entity: string): boolean {
    return this.#codes.has(entity);
  }

  get size(): number {
    return this.#codes.size;
  }

  /** The state as text; undefined for an unknown entity. */
  state(entity: string): string | undefined {
    const code = this.#codes.get(entity);
    return code === undefined ? undefined : this.#names[code];
  }

  send(entity: string, event: EventFromLogic<M>, nowMs: number, out: Sink<E>): void {
    if (this.#busy) {
      this.#waiting.push({ entity, event });
      return;
    }
    const code = this.#codes.get(entity);
    assert(code !== undefined, `${this.id} ${entity} is in the table`);
    const before = this.#snapshots[code] as SnapshotFrom<M>;
    const step = this.#stepper.next(before, event, out.observer !== null);
    report(out, this.#stepper.machine.id, entity, event, before as AnyMachineSnapshot, step);
    this.#settle(entity, step, nowMs, out);
  }

  /** Handles a fired timer of this table; false when it is another's, or was cancelled meanwhile. */
  fire(timer: string, nowMs: number, out: Sink<E>): boolean {
    if (!timer.startsWith(`${this.id}:`)) return false;
    const event = this.#timers.take(timer);
    if (event === undefined) return false;
    const entity = timer.slice(this.id.length + 1, timer.lastIndexOf('/'));
    if (!this.#codes.has(entity)) return false;
    this.send(entity, event as EventFromLogic<M>, nowMs, out);
    return true;
  }

  checkpoint(): TableCheckpoint {
    const states = [...this.#codes].map(
      ([entity, code]) => [entity, (this.#snapshots[code] as AnyMachineSnapshot).value] as const,
    );
    return { states, timers: this.#timers.list() };
  }

  restore({ states, timers }: TableCheckpoint): void {
    this.#codes.clear();
    for (const [entity, value] of states) this.place(entity, value as string);
    this.#timers.restore(timers);
  }

  #settle(entity: string, step: Step<M>, nowMs: number, out: Sink<E>): void {
    this.#codes.set(entity, this.#intern(step.snapshot));
    const owner = `${this.id}:${entity}`;
    this.#busy = true;
    try {
      run(step.actions, owner, this.#timers, nowMs, out, (action) =>
        this.#perform(entity, action, nowMs, out),
      );
    } finally {
      this.#busy = false;
    }
    const next = this.#waiting.shift();
    if (next !== undefined && this.#codes.has(next.entity)) this.send(next.entity, next.event, nowMs, out);
  }

  #intern(snapshot: SnapshotFrom<M>): number {
    const name = stateName((snapshot as AnyMachineSnapshot).value);
    let code = this.#codeOf.get(name);
    if (code === undefined) {
      code = this.#snapshots.length;
      this.#codeOf.set(name, code);
      this.#names.push(name);
      this.#snapshots.push(Object.freeze(snapshot));
    }
    return code;
  }
}
