/**
 * Many machines of one kind, one per entity, where an entity costs one small code: all entities in a state share one frozen
 * snapshot. That is possible because the machine has no context (nor history, nor parallel regions): what differs between
 * entities is in the owner's columns, and a delay or guard that depends on it takes it from the event.
 */
import type {
  AnyMachineSnapshot,
  AnyStateMachine,
  EventFromLogic,
  InputFrom,
  SnapshotFrom,
  StateValue,
} from 'xstate';
import type { Sink, Typed } from './core.ts';
import { assert } from './errors.ts';
import { perform, report } from './machine-step.ts';
import { type PendingTimer, TimerTable } from './machine-timers.ts';
import { type ActionOf, isActive, isNamedByState, stateName, type Step, type Stepper } from './stepper.ts';

export type PerformFor<M, E extends Typed> = (
  entity: string,
  action: ActionOf<M>,
  nowMs: number,
  out: Sink<E>,
) => void;

export interface TableCheckpoint {
  readonly states: readonly (readonly [entity: string, value: unknown])[];
  readonly timers: readonly PendingTimer[];
}

/** Where the codes of the entities' states are kept: a Map, unless the owner has a column for them in a table of its own. */
export interface StateColumn {
  get(entity: string): number | undefined;
  set(entity: string, code: number): void;
  delete(entity: string): void;
  clear(): void;
  /** In the order the entities were added. */
  entries(): Iterable<readonly [entity: string, code: number]>;
}

interface Waiting<M extends AnyStateMachine> {
  readonly entity: string;
  readonly event: EventFromLogic<M>;
}

export class MachineTable<M extends AnyStateMachine, E extends Typed> {
  readonly id: string;
  readonly #stepper: Stepper<M>;
  readonly #perform: PerformFor<M, E>;
  readonly #timers = new TimerTable();
  readonly #codes: StateColumn;
  readonly #snapshots: SnapshotFrom<M>[] = [];
  readonly #names: string[] = [];
  readonly #codeOf = new Map<string, number>();
  readonly #waiting: Waiting<M>[] = [];
  #initial: Step<M> | undefined;
  #busy = false;

  /**
   * @param id unique within its core, e.g. `member`; timers are named `<id>:<entity>/…`.
   * @param codes of an owner that keeps them: it makes room for an entity before it is added here.
   */
  constructor(
    id: string,
    stepper: Stepper<M>,
    perform: PerformFor<M, E>,
    codes: StateColumn = new Map<string, number>(),
  ) {
    assert(
      isNamedByState(stepper.machine),
      `the machine of table ${id} has no context, history or parallel regions`,
    );
    this.id = id;
    this.#stepper = stepper;
    this.#perform = perform;
    this.#codes = codes;
  }

  /** Adds an entity in the initial state and performs its entry actions at once. */
  add(entity: string, nowMs: number, out: Sink<E>): void {
    if (this.has(entity)) assert(false, `${this.id} ${entity} is not in the table yet`);
    const step = this.#first(out.observer !== null);
    report(out, this.#stepper.machine.id, entity, { type: 'xstate.init' }, null, step);
    this.#settle(entity, step, nowMs, out);
    if (!this.#busy) this.#drain(nowMs, out);
  }

  /**
   * Adds an entity straight in a state: for what is learned from others or from disk. No entry action is performed and no
   * timer of that state armed.
   */
  place(entity: string, value: StateValue): void {
    if (this.has(entity)) assert(false, `${this.id} ${entity} is not in the table yet`);
    this.#codes.set(entity, this.#intern(this.#stepper.load({ value, context: {} })));
  }

  /** Forgets an entity and cancels its timers; events still waiting for it are dropped. */
  remove(entity: string, out: Sink<E>): void {
    const from = this.state(entity);
    if (from === undefined) return;
    const { id: machine } = this.#stepper.machine;
    const event = { type: 'xstate.stop' };
    out.observer?.onMachineStep({
      machine,
      instance: entity,
      event,
      from,
      to: '',
      taken: [],
      context: {},
      actions: [],
    });
    this.#codes.delete(entity);
    for (let i = this.#waiting.length - 1; i >= 0; i--)
      if (this.#waiting[i]?.entity === entity) this.#waiting.splice(i, 1);
    this.#timers.cancelAll(this.#owner(entity), out);
  }

  has(entity: string): boolean {
    return this.#codes.get(entity) !== undefined;
  }

  get size(): number {
    return [...this.#codes.entries()].length;
  }

  /** The state as text; undefined for an unknown entity. */
  state(entity: string): string | undefined {
    const code = this.#codes.get(entity);
    return code === undefined ? undefined : this.#names[code];
  }

  /** An entity in a final state ignores it. */
  send(entity: string, event: EventFromLogic<M>, nowMs: number, out: Sink<E>): void {
    if (!this.has(entity)) assert(false, `${this.id} ${entity} is in the table`);
    this.#waiting.push({ entity, event });
    if (!this.#busy) this.#drain(nowMs, out);
  }

  /** Handles a fired timer of this table; false when it is another's, or was cancelled meanwhile. */
  fire(timer: string, nowMs: number, out: Sink<E>): boolean {
    const pending = this.#timers.take(timer);
    if (pending === undefined) return false;
    this.send(pending.owner.slice(this.id.length + 1), pending.event as EventFromLogic<M>, nowMs, out);
    return true;
  }

  /** In the order they were armed. */
  pendingTimers(): readonly PendingTimer[] {
    return this.#timers.list();
  }

  checkpoint(): TableCheckpoint {
    const states = Array.from(
      this.#codes.entries(),
      ([entity, code]) => [entity, (this.#snapshots[code] as AnyMachineSnapshot).value] as const,
    );
    return { states, timers: this.#timers.list() };
  }

  /** Timers are waited for again, but not armed: their `setTimer` effects have been emitted before the checkpoint. */
  restore({ states, timers }: TableCheckpoint): void {
    this.#codes.clear();
    for (const [entity, value] of states) this.place(entity, value as StateValue);
    this.#timers.restore(timers);
  }

  /** The step into the initial state: without context or input it is the same for all, so an unobserved one is made once. */
  #first(describe: boolean): Step<M> {
    if (describe) return this.#stepper.start(undefined as InputFrom<M>, true);
    if (this.#initial === undefined) {
      const { snapshot, actions, taken } = this.#stepper.start(undefined as InputFrom<M>);
      this.#initial = { snapshot, actions: [...actions], taken: [...taken] };
    }
    return this.#initial;
  }

  #owner(entity: string): string {
    return `${this.id}:${entity}`;
  }

  #drain(nowMs: number, out: Sink<E>): void {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const { entity, event } = next;
      const before = this.#snapshots[this.#codes.get(entity) as number] as SnapshotFrom<M>;
      if (!isActive(before)) continue;
      const step = this.#stepper.next(before, event, out.observer !== null);
      report(out, this.#stepper.machine.id, entity, event, before as AnyMachineSnapshot, step);
      this.#settle(entity, step, nowMs, out);
    }
  }

  #settle(entity: string, step: Step<M>, nowMs: number, out: Sink<E>): void {
    this.#codes.set(entity, this.#intern(step.snapshot));
    // An entity may be added by the action of another, which is then still being performed.
    const outer = this.#busy;
    this.#busy = true;
    try {
      perform(step, this.#owner(entity), this.#timers, nowMs, out, (action) =>
        this.#perform(entity, action, nowMs, out),
      );
    } finally {
      this.#busy = outer;
    }
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
