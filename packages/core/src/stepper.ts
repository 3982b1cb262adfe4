/**
 * Steps an xstate machine as a pure function, cheaply.
 *
 * xstate's own `transition()` builds an actor for every call (15–40 µs) and re-runs the context factory while doing so. Here one
 * inert scope is built per machine and reused, which leaves the 2–5 µs of the transition itself; the usual transitions do not even
 * take that, see `planned-steps.ts`. These two files are the only ones that rely on what xstate does not document; a contract test
 * holds them equal to `transition()` on random machines and events.
 *
 * What comes out is data: the next snapshot, and the actions in order. A machine's timers (`after`) arrive as `setTimer` and
 * `cancelTimer`; `assign` has already been applied; nothing has been executed.
 */
import type {
  AnyMachineSnapshot,
  AnyStateMachine,
  EventFromLogic,
  InputFrom,
  SnapshotFrom,
  StateMachine,
  StateValue,
} from 'xstate';
import { PlannedSteps, type StepSink } from './planned-steps.ts';

/** The union of a machine's named actions, each with its own params: `setup({ actions: { ping: effect<{ seq: number }>() } })`. */
export type ActionOf<M> =
  // oxlint-disable-next-line typescript/no-explicit-any -- xstate's own generics; only the action parameter is read
  M extends StateMachine<any, any, any, any, infer A, any, any, any, any, any, any, any, any, any>
    ? A
    : never;

/** Declares a named effect of a machine. It has no body: the core that owns the machine performs it. */
export const effect =
  <P = undefined>() =>
  (_args: unknown, _params: P): void => {};

export type StepAction<M> =
  | { readonly kind: 'act'; readonly action: ActionOf<M> }
  | {
      readonly kind: 'setTimer';
      readonly id: string;
      readonly delayMs: number;
      readonly event: EventFromLogic<M & AnyStateMachine>;
    }
  | { readonly kind: 'cancelTimer'; readonly id: string };

/** Valid until the next call of the same stepper: copy what must last. */
export interface Step<M extends AnyStateMachine> {
  readonly snapshot: SnapshotFrom<M>;
  readonly actions: readonly StepAction<M>[];
  /** The transitions taken, `source -> target` with the guard where there is one; empty = the event was ignored. */
  readonly taken: readonly string[];
}

/** Told of each machine step of a core while it handles an input. */
export interface MachineObserver {
  onMachineStep(record: MachineStep): void;
}

export interface MachineStep {
  /** The machine's id, e.g. `raft.role`. */
  readonly machine: string;
  /** Which one of its kind, e.g. a peer's name. */
  readonly instance: string;
  readonly event: unknown;
  /** State before; empty for a machine that begins. */
  readonly from: string;
  /** State after; empty for an entity that has been removed. */
  readonly to: string;
  readonly taken: readonly string[];
  /** What `assign` changed: the new value by key. */
  readonly context: Readonly<Record<string, unknown>>;
  readonly actions: readonly unknown[];
}

interface RawAction {
  readonly type: string;
  readonly params: unknown;
}
interface RawTransition {
  readonly source: { readonly id: string };
  readonly target?: readonly { readonly id: string }[];
  readonly eventType: string;
  readonly guard?: unknown;
}

const guardName = (guard: unknown): string => {
  if (typeof guard === 'string') return guard;
  const type = (guard as { type?: unknown } | null)?.type;
  return typeof type === 'string' ? type : 'guard';
};

/** A snapshot as plain data. */
export interface SnapshotData {
  readonly value: unknown;
  readonly context: unknown;
  /** Only of machines with history states: the ids of the remembered nodes by the id of the history node. */
  readonly history?: Readonly<Record<string, readonly string[]>>;
  /** Only where parallel regions were entered in another order than they are written in: the ids of the active nodes. */
  readonly nodes?: readonly string[];
}

type HistoryValue = Readonly<Record<string, readonly { readonly id: string }[]>>;

const describeTransition = ({ source, target, guard }: RawTransition): string => {
  const targets = target?.map((node) => node.id).join(', ') ?? '(stay)';
  return `${source.id} -> ${targets}${guard === undefined ? '' : ` [${guardName(guard)}]`}`;
};

export class Stepper<M extends AnyStateMachine> {
  readonly machine: M;
  readonly #scope: Parameters<M['transition']>[2];
  readonly #planned: PlannedSteps;
  readonly #sink: StepSink = {
    act: (type, params) => void this.#actions.push({ kind: 'act', action: { type, params } as ActionOf<M> }),
    setTimer: (id, delayMs, event) =>
      void this.#actions.push({ kind: 'setTimer', id, delayMs, event: event as EventFromLogic<M> }),
    cancelTimer: (id) => void this.#actions.push({ kind: 'cancelTimer', id }),
  };
  #actions: StepAction<M>[] = [];
  #taken: string[] = [];
  #describe = false;

  constructor(machine: M) {
    this.machine = machine;
    // The least an ActorScope must be: `self` is only passed through, and the system only hears of micro-steps.
    const system = {
      _sendInspectionEvent: (event: { type: string; _transitions?: readonly RawTransition[] }) => {
        if (!this.#describe || event._transitions === undefined) return;
        for (const taken of event._transitions) this.#taken.push(describeTransition(taken));
      },
      _clock: { setTimeout: () => 0, clearTimeout: () => undefined },
      _logger: () => undefined,
    };
    const self = { id: machine.id, sessionId: machine.id, system, _parent: undefined, send: () => undefined };
    this.#scope = {
      self,
      id: machine.id,
      sessionId: machine.id,
      system,
      logger: () => undefined,
      defer: () => undefined,
      emit: () => undefined,
      stopChild: () => undefined,
      actionExecutor: (action: RawAction) => this.#collect(action),
    } as unknown as Parameters<M['transition']>[2];
    this.#planned = new PlannedSteps(machine, { self, system });
  }

  /** The initial step: entry actions and timers of the initial state. What a context factory or action throws propagates. */
  start(input: InputFrom<M>, describe = false): Step<M> {
    this.#reset(describe);
    const snapshot: AnyMachineSnapshot = this.machine.getInitialSnapshot(this.#scope, input);
    // xstate keeps the error for its actor to report.
    if (snapshot.status === 'error') throw snapshot.error;
    return { snapshot: snapshot as SnapshotFrom<M>, actions: this.#actions, taken: this.#taken };
  }

  /** A throwing guard or `assign` propagates: in a protocol machine that is an assertion. */
  next(snapshot: SnapshotFrom<M>, event: EventFromLogic<M>, describe = false): Step<M> {
    this.#reset(describe);
    // Who wants a step described hears of it from xstate.
    const planned = describe ? null : this.#planned.next(snapshot as AnyMachineSnapshot, event, this.#sink);
    if (planned !== null)
      return { snapshot: planned as SnapshotFrom<M>, actions: this.#actions, taken: this.#taken };
    this.#reset(describe);
    const next = this.machine.transition(snapshot, event, this.#scope) as SnapshotFrom<M>;
    return { snapshot: next, actions: this.#actions, taken: this.#taken };
  }

  /** What `load` needs to make a snapshot that behaves the same. */
  save(snapshot: SnapshotFrom<M>): SnapshotData {
    const { value, context, historyValue, _nodes } = snapshot as AnyMachineSnapshot;
    const history = Object.entries(historyValue as HistoryValue).map(
      ([id, nodes]) => [id, nodes.map(idOf)] as const,
    );
    const nodes = _nodes.map(idOf);
    const data = { value, context, ...(history.length > 0 ? { history: Object.fromEntries(history) } : {}) };
    // The order decides which of two conflicting transitions wins, so it is part of the state.
    const asWritten = (this.load(data) as AnyMachineSnapshot)._nodes.every((node, i) => node.id === nodes[i]);
    return asWritten ? data : { ...data, nodes };
  }

  load({ value, context, history = {}, nodes }: SnapshotData): SnapshotFrom<M> {
    const { root } = this.machine;
    const historyValue = Object.fromEntries(
      Object.entries(history).map(([id, remembered]) => [id, remembered.map((node) => findNode(root, node))]),
    );
    const snapshot = this.machine.resolveState({ value, context, historyValue } as never);
    const ordered = nodes ? { _nodes: nodes.map((node) => findNode(root, node)), value } : {};
    return Object.assign(snapshot, ordered) as SnapshotFrom<M>;
  }

  #reset(describe: boolean): void {
    this.#describe = describe;
    // New arrays only when the last step used them: an instance performs its actions while others step.
    if (this.#actions.length > 0) this.#actions = [];
    if (this.#taken.length > 0) this.#taken = [];
  }

  #collect({ type, params }: RawAction): void {
    switch (type) {
      case 'xstate.raise': {
        const raise = params as { event: EventFromLogic<M>; id?: string; delay?: number };
        // A raise without delay has already been consumed inside the macro-step.
        if (raise.delay === undefined) return;
        this.#actions.push({
          kind: 'setTimer',
          id: raise.id ?? raise.event.type,
          delayMs: raise.delay,
          event: raise.event,
        });
        return;
      }
      case 'xstate.cancel':
        this.#actions.push({ kind: 'cancelTimer', id: (params as { sendId: string }).sendId });
        return;
      default:
        this.#actions.push({ kind: 'act', action: { type, params } as ActionOf<M> });
    }
  }
}

/** `{ leader: 'steady' }` becomes `leader.steady`; parallel regions are joined with ` | `. */
export function stateName(value: AnyMachineSnapshot['value']): string {
  if (typeof value === 'string') return value;
  return Object.entries(value)
    .map(([key, inner]) => (inner === undefined ? key : joinState(key, stateName(inner))))
    .join(' | ');
}

const joinState = (key: string, inner: string): string => (inner === '' ? key : `${key}.${inner}`);

/** Whether a state value is in `state` (dotted path, e.g. `leader.steady`) or inside it; in any of its parallel regions. */
export function inState(value: AnyMachineSnapshot['value'], state: string): boolean {
  // The usual questions, asked with every packet.
  if (typeof value === 'string') return value === state;
  if (!state.includes('.')) return Object.hasOwn(value, state);
  let inner: StateValue | undefined = value;
  for (const key of state.split('.')) {
    if (typeof inner === 'string') {
      if (inner !== key) return false;
      inner = undefined;
    } else {
      if (inner === undefined || !Object.hasOwn(inner, key)) return false;
      inner = inner[key];
    }
  }
  return true;
}

/** False once a machine has come to its end; xstate's `transition()` would step it on. */
export function isActive(snapshot: unknown): boolean {
  return (snapshot as AnyMachineSnapshot).status === 'active';
}

/** Whether a state's name says everything about a snapshot: no context, no history, no parallel regions. */
export function isNamedByState(machine: AnyStateMachine): boolean {
  return (
    machine.config.context === undefined &&
    everyNode(machine.root, ({ type }) => type !== 'history' && type !== 'parallel')
  );
}

interface Node {
  readonly id: string;
  readonly type: string;
  readonly states: Readonly<Record<string, Node>>;
}

const idOf = ({ id }: { readonly id: string }): string => id;

const everyNode = (from: Node, holds: (node: Node) => boolean): boolean =>
  holds(from) && Object.values(from.states).every((child) => everyNode(child, holds));

/** xstate's own look-up by id takes the dots of `package.machine` for a path. */
function findNode(from: Node, id: string): Node | undefined {
  if (from.id === id) return from;
  for (const child of Object.values(from.states)) {
    const found = findNode(child, id);
    if (found) return found;
  }
  return undefined;
}
