/**
 * The usual step, worked out once: which states a transition leaves and enters, and which actions that brings in which order, does not
 * depend on the event, so it is derived from the machine the first time that the transition is taken, by the rules of SCXML that
 * xstate follows. What does depend on the event (guards, params, delays, assignments) is asked each time. That makes a step some five
 * times as fast.
 *
 * The machine stays the only source: nothing is written down twice. Whatever is not the usual step (parallel regions, history,
 * `always`, wildcards, final states, raised events, actions of another kind) gets no plan, and xstate takes it. Like `stepper.ts` this
 * relies on what xstate does not document; the stepper's contract test covers both ways.
 */
import type { AnyMachineSnapshot, AnyStateMachine } from 'xstate';

type Fn = (...args: readonly unknown[]) => unknown;

interface Node {
  readonly id: string;
  readonly key: string;
  readonly type: string;
  readonly order: number;
  readonly parent: Node | undefined;
  readonly states: Readonly<Record<string, Node>>;
  readonly entry: readonly unknown[];
  readonly exit: readonly unknown[];
  readonly initial: { readonly target: readonly Node[]; readonly actions: readonly unknown[] };
  readonly always: readonly unknown[] | undefined;
  readonly invoke: readonly unknown[];
  readonly tags: readonly string[];
  readonly transitions: ReadonlyMap<string, readonly Transition[]>;
}

interface Transition {
  readonly source: Node;
  readonly target: readonly Node[] | undefined;
  readonly reenter: boolean;
  readonly guard: unknown;
  readonly actions: readonly unknown[];
}

/** What a guard, a delay or an assignment is called with. */
interface Scope {
  readonly self: unknown;
  readonly system: unknown;
}

type Operation =
  | { readonly kind: 'act'; readonly type: string; readonly params: unknown }
  | { readonly kind: 'assign'; readonly assignment: unknown; readonly params: unknown }
  | { readonly kind: 'cancel'; readonly sendId: unknown; readonly params: unknown }
  | {
      readonly kind: 'raise';
      readonly event: { readonly type: string };
      readonly id: string | undefined;
      readonly delay: unknown;
      readonly params: unknown;
    };

interface Plan {
  readonly operations: readonly Operation[];
  /** Null: the states stay the same. */
  readonly after: {
    readonly nodes: readonly Node[];
    readonly value: unknown;
    readonly tags: ReadonlySet<string>;
  } | null;
  /** Of a machine without context, the snapshot it led to: it leads there again. */
  last: AnyMachineSnapshot | null;
}

interface Choice {
  /** Null: always. */
  readonly guard: { readonly holds: Fn; readonly params: unknown } | null;
  readonly plan: Plan;
}

/** Where the actions of a step go. */
export interface StepSink {
  act(type: string, params: unknown): void;
  setTimer(id: string, delayMs: number, event: { readonly type: string }): void;
  cancelTimer(id: string): void;
}

/** Says that this step is not a usual one. */
const unusual = new Error('not a usual step');
const refuse = (): never => {
  throw unusual;
};

export class PlannedSteps {
  readonly #machine: AnyStateMachine;
  readonly #scope: Scope;
  readonly #isPlannable: boolean;
  readonly #hasContext: boolean;
  /** What may happen in a state at an event, innermost state first; null = xstate is to see to it. */
  readonly #choices = new Map<Node, Map<string, readonly Choice[] | null>>();

  constructor(machine: AnyStateMachine, scope: Scope) {
    this.#machine = machine;
    this.#scope = scope;
    this.#isPlannable = isPlain(machine.root as unknown as Node);
    this.#hasContext = machine.config.context !== undefined;
  }

  /** The next snapshot, its actions told to `sink`; null when xstate has to take the step, whatever was told by then. */
  next(
    snapshot: AnyMachineSnapshot,
    event: { readonly type: string },
    sink: StepSink,
  ): AnyMachineSnapshot | null {
    if (!this.#isPlannable || snapshot.status !== 'active') return null;
    const choices = this.#choicesOf(leafOf(snapshot._nodes as unknown as readonly Node[]), event.type);
    if (choices === null) return null;
    try {
      for (const { guard, plan } of choices) {
        const isTaken =
          guard === null ||
          guard.holds({ context: snapshot.context, event }, paramsOf(guard.params, snapshot.context, event));
        if (isTaken) return this.#take(plan, snapshot, event, sink);
      }
      return snapshot;
    } catch {
      // Also what a guard or an assignment throws: xstate has its own words for it.
      return null;
    }
  }

  #take(
    plan: Plan,
    snapshot: AnyMachineSnapshot,
    event: { readonly type: string },
    sink: StepSink,
  ): AnyMachineSnapshot {
    let context: unknown = snapshot.context;
    for (const operation of plan.operations) {
      const params = paramsOf(operation.params, context, event);
      switch (operation.kind) {
        case 'act':
          sink.act(operation.type, params);
          break;
        case 'assign':
          context = this.#assigned(operation.assignment, context, event, params);
          break;
        case 'cancel':
          sink.cancelTimer(this.#valueOf(operation.sendId, context, event, params) as string);
          break;
        case 'raise': {
          const delayMs = this.#valueOf(this.#delayOf(operation.delay), context, event, params);
          // Without a delay it is consumed at once, in this very step.
          if (typeof delayMs !== 'number') return refuse();
          sink.setTimer(operation.id ?? operation.event.type, delayMs, operation.event);
          break;
        }
      }
    }
    if (plan.after === null && context === snapshot.context) return snapshot;
    const { last } = plan;
    if (last !== null && last.context === context && last.children === snapshot.children) return last;
    const next: Record<string, unknown> = { ...snapshot, context };
    // Written to, not spread: a clone of a known shape is made at once, one of two shapes property by property.
    if (plan.after !== null) {
      next['_nodes'] = plan.after.nodes;
      next['value'] = plan.after.value;
      next['tags'] = plan.after.tags;
    }
    const after = next as unknown as AnyMachineSnapshot;
    if (!this.#hasContext && plan.after !== null) plan.last = after;
    return after;
  }

  #assigned(assignment: unknown, context: unknown, event: unknown, params: unknown): unknown {
    if (!context) return refuse();
    const { self, system } = this.#scope;
    const args = { context, event, spawn: refuse, self, system };
    const next: Record<string, unknown> = { ...context };
    const isWhole = typeof assignment === 'function';
    const update = (isWhole ? (assignment as Fn)(args, params) : assignment) as Record<string, unknown>;
    for (const key of Object.keys(update)) {
      const value = update[key];
      next[key] = !isWhole && typeof value === 'function' ? (value as Fn)(args, params) : value;
    }
    return next;
  }

  #valueOf(value: unknown, context: unknown, event: unknown, params: unknown): unknown {
    const { self, system } = this.#scope;
    return typeof value === 'function' ? (value as Fn)({ context, event, self, system }, params) : value;
  }

  #delayOf(delay: unknown): unknown {
    return typeof delay === 'string' ? this.#machine.implementations.delays[delay] : delay;
  }

  #choicesOf(leaf: Node, type: string): readonly Choice[] | null {
    let ofLeaf = this.#choices.get(leaf);
    if (ofLeaf === undefined) this.#choices.set(leaf, (ofLeaf = new Map()));
    let choices = ofLeaf.get(type);
    if (choices === undefined) {
      choices = this.#findChoices(leaf, type);
      // Only what the machine knows, so that the map has a bound.
      if (choices === null || choices.length > 0 || this.#machine.events.includes(type))
        ofLeaf.set(type, choices);
    }
    return choices;
  }

  #findChoices(leaf: Node, type: string): readonly Choice[] | null {
    if (type.startsWith('xstate.') && !type.startsWith('xstate.after.')) return null;
    const active = [...ancestors(leaf).toReversed(), leaf];
    const choices: Choice[] = [];
    for (const node of active.toReversed())
      for (const transition of node.transitions.get(type) ?? []) {
        const guard = this.#guardOf(transition.guard);
        const plan = this.#plan(transition, active);
        if (guard === undefined || plan === null) return null;
        choices.push({ guard, plan });
      }
    return choices;
  }

  /** Undefined for one that is made of others. */
  #guardOf(guard: unknown): Choice['guard'] | undefined {
    if (!guard) return null;
    const { type, params } =
      typeof guard === 'object' ? (guard as { type: string; params?: unknown }) : { type: guard as string };
    const named = this.#machine.implementations.guards as Readonly<Record<string, unknown>>;
    const holds = typeof guard === 'function' ? guard : named[type];
    return typeof holds === 'function' && !('check' in holds) ? { holds: holds as Fn, params } : undefined;
  }

  #plan({ source, target, reenter, actions }: Transition, active: readonly Node[]): Plan | null {
    const wanted = [...actions];
    let after: Plan['after'] = null;
    if (target !== undefined && target.length > 0) {
      const [to] = target;
      const domain = to && target.length === 1 ? domainOf(source, to, reenter) : undefined;
      if (to === undefined || domain === undefined) return null;
      const left = active.filter((node) => isInside(node, domain)).toReversed();
      const { entered, byDefault } = entry(source, to, domain, reenter);
      if (entered.some(({ type }) => type === 'final')) return null;
      wanted.unshift(...left.flatMap(({ exit }) => exit));
      for (const node of entered)
        wanted.push(...node.entry, ...(byDefault.has(node) ? node.initial.actions : []));
      const nodes = [...active.filter((node) => !left.includes(node)), ...entered];
      const isElsewhere = nodes.length !== active.length || nodes.some((node) => !active.includes(node));
      if (isElsewhere)
        after = { nodes, value: valueOf(nodes), tags: new Set(nodes.flatMap(({ tags }) => tags)) };
    }
    const operations = wanted.map((action) => this.#operation(action));
    return operations.includes(null) ? null : { operations: operations as Operation[], after, last: null };
  }

  /** Null for a kind of action that is left to xstate. */
  #operation(action: unknown): Operation | null {
    const isInline = typeof action === 'function';
    const { type, params } =
      typeof action === 'object'
        ? (action as { type: string; params?: unknown })
        : { type: action as string };
    const named = this.#machine.implementations.actions as Readonly<Record<string, unknown>>;
    const known = isInline ? action : named[type];
    if (typeof known !== 'function' || !('resolve' in known))
      return { kind: 'act', type: isInline ? action.name || '(anonymous)' : type, params };
    const builtin = known as unknown as Readonly<Record<string, unknown>>;
    switch (builtin['type']) {
      case 'xstate.assign':
        return { kind: 'assign', assignment: builtin['assignment'], params };
      case 'xstate.cancel':
        return { kind: 'cancel', sendId: builtin['sendId'], params };
      case 'xstate.raise': {
        const { event, id, delay } = builtin as { event: unknown; id?: string; delay?: unknown };
        if (typeof event !== 'object' || event === null || delay === undefined) return null;
        return { kind: 'raise', event: event as { type: string }, id, delay, params };
      }
      default:
        return null;
    }
  }
}

const paramsOf = (params: unknown, context: unknown, event: unknown): unknown =>
  typeof params === 'function' ? (params as Fn)({ context, event }) : params;

const isPlain = (node: Node): boolean =>
  ['atomic', 'compound', 'final'].includes(node.type) &&
  (node.always ?? []).length === 0 &&
  node.invoke.length === 0 &&
  ![...node.transitions.keys()].some((type) => type.includes('*')) &&
  Object.values(node.states).every(isPlain);

/** The innermost of the active states. */
function leafOf(nodes: readonly Node[]): Node {
  for (let i = nodes.length - 1; i > 0; i--) if (nodes[i]?.type !== 'compound') return nodes[i] as Node;
  return nodes[0] as Node;
}

/** From the inside out. */
function ancestors(of: Node): Node[] {
  const found: Node[] = [];
  for (let node = of.parent; node !== undefined; node = node.parent) found.push(node);
  return found;
}

const isInside = (node: Node, outer: Node): boolean => ancestors(node).includes(outer);

/** The state that a transition does not leave; undefined where it leaves the whole machine. */
function domainOf(source: Node, to: Node, reenter: boolean): Node | undefined {
  if (!reenter && (to === source || isInside(to, source))) return source;
  const common = ancestors(to).find((node) => isInside(source, node));
  if (common !== undefined || reenter) return common;
  return ancestors(source).at(-1) ?? source;
}

/** The states that are entered, from the outside in, and those of them whose initial actions that brings. */
function entry(
  source: Node,
  to: Node,
  domain: Node,
  reenter: boolean,
): { entered: readonly Node[]; byDefault: ReadonlySet<Node> } {
  const entered = new Set<Node>();
  const byDefault = new Set<Node>();
  if (source !== to || source !== domain || reenter) {
    entered.add(to);
    byDefault.add(to);
  }
  for (let node = to; node.type === 'compound';) {
    const [inner] = node.initial.target;
    if (inner === undefined) break;
    for (const between of ancestors(inner)) if (isInside(between, node)) entered.add(between);
    entered.add(inner);
    byDefault.add(inner);
    node = inner;
  }
  for (const node of ancestors(to)) if (isInside(node, domain)) entered.add(node);
  return { entered: [...entered].toSorted((a, b) => a.order - b.order), byDefault };
}

/** The states under the root as xstate names them: `a`, or `{ a: 'b' }`. */
function valueOf(nodes: readonly Node[]): unknown {
  const [leaf, ...outer] = nodes
    .filter(({ parent }) => parent !== undefined)
    .toSorted((a, b) => b.order - a.order);
  let value: unknown = leaf?.key ?? {};
  for (const { key } of outer) value = { [key]: value };
  return value;
}
