/** Random statecharts for the stepper's contract: nested, parallel, final, history, guards, assign, raise, after, always. */
import fc from 'fast-check';
import { assign, cancel, raise, setup, type AnyStateMachine } from 'xstate';

export interface RandomEvent {
  readonly type: string;
  readonly value: number;
}

interface TransitionPlan {
  /** Index into the nodes of the tree; null = no target. */
  readonly target: number | null;
  readonly reenter: boolean;
  readonly guard: number | null;
  readonly actions: readonly number[];
}

interface NodePlan {
  readonly kind: 'plain' | 'parallel' | 'final' | 'shallow' | 'deep';
  readonly children: readonly NodePlan[];
  readonly initial: number;
  readonly entry: readonly number[];
  readonly exit: readonly number[];
  readonly on: readonly (readonly [event: string, transitions: readonly TransitionPlan[]])[];
  readonly after: readonly (readonly [delay: string | number, transition: TransitionPlan])[];
  readonly always: TransitionPlan | null;
  readonly onDone: TransitionPlan | null;
}

export interface MachinePlan {
  readonly root: NodePlan;
  readonly withContext: boolean;
}

interface Context {
  readonly count: number;
  readonly last: number;
}

const machineSetup = setup({
  types: { context: {} as Context, events: {} as RandomEvent, input: {} as { start: number } | undefined },
  actions: {
    say: (_, _params: { readonly word: string; readonly count: number }) => undefined,
    shout: () => undefined,
    count: assign({ count: ({ context }) => context.count + 1 }),
    remember: assign({ last: ({ event }) => event.value }),
    ask: raise({ type: 'RAISED', value: 1 }),
    later: raise({ type: 'LATER', value: 2 }, { delay: 'byCount', id: 'later' }),
    notLater: cancel('later'),
  },
  guards: {
    isEven: ({ event }) => event.value % 2 === 0,
    countBelow: ({ context }, params: { readonly limit: number }) => context.count < params.limit,
    neverSaid: ({ context }) => context.last === 0,
  },
  delays: { byCount: ({ context }) => context.count * 10, byEvent: ({ event }) => (event.value ?? 0) + 5 },
});

// Without context: what a table may run.
const bareSetup = setup({
  types: { events: {} as RandomEvent },
  actions: {
    say: (_, _params: { readonly word: string; readonly count: number }) => undefined,
    shout: () => undefined,
    ask: raise({ type: 'RAISED', value: 1 }),
    later: raise({ type: 'LATER', value: 2 }, { delay: 40, id: 'later' }),
    notLater: cancel('later'),
  },
  guards: { isEven: ({ event }) => event.value % 2 === 0, isLarge: ({ event }) => event.value > 5 },
  delays: { byEvent: ({ event }) => (event.value ?? 0) + 5 },
});

const contextActions: readonly unknown[] = [
  'shout',
  'count',
  'remember',
  'ask',
  'later',
  'notLater',
  { type: 'say', params: { word: 'hello', count: 0 } },
  {
    type: 'say',
    params: ({ context, event }: { context: Context; event: RandomEvent }) => ({
      word: event.type,
      count: context.count,
    }),
  },
];
const bareActions: readonly unknown[] = [
  'shout',
  'ask',
  'later',
  'notLater',
  { type: 'say', params: { word: 'hello', count: 0 } },
  {
    type: 'say',
    params: ({ event }: { event: RandomEvent }) => ({ word: event.type, count: event.value ?? 0 }),
  },
];
const contextGuards: readonly unknown[] = [
  'isEven',
  'neverSaid',
  { type: 'countBelow', params: { limit: 3 } },
];
const bareGuards: readonly unknown[] = ['isEven', 'isLarge'];

const small = fc.nat({ max: 11 });
const transition: fc.Arbitrary<TransitionPlan> = fc.record({
  target: fc.option(small, { freq: 5 }),
  reenter: fc.boolean(),
  guard: fc.option(small),
  actions: fc.array(small, { maxLength: 2 }),
});
const eventNames = ['A', 'B', 'C', '*', 'A.*', 'RAISED', 'LATER'];

const { node } = fc.letrec<{ node: NodePlan }>((tie) => ({
  node: fc.record({
    kind: fc.constantFrom('plain', 'plain', 'plain', 'parallel', 'final', 'shallow', 'deep'),
    children: fc.oneof(
      { depthSize: 'small', maxDepth: 3, withCrossShrink: true },
      fc.constant([]),
      fc.array(tie('node'), { minLength: 2, maxLength: 3 }),
    ),
    initial: small,
    entry: fc.array(small, { maxLength: 2 }),
    exit: fc.array(small, { maxLength: 2 }),
    on: fc.array(
      fc.tuple(fc.constantFrom(...eventNames), fc.array(transition, { minLength: 1, maxLength: 2 })),
      {
        maxLength: 3,
      },
    ),
    after: fc.array(fc.tuple(fc.constantFrom<string | number>('byEvent', 30), transition), { maxLength: 1 }),
    always: fc.option(transition, { freq: 5 }),
    onDone: fc.option(transition),
  }),
}));

/** A machine always has at least two states below its root. */
export const machinePlan = (withContext: boolean): fc.Arbitrary<MachinePlan> =>
  fc
    .record({ root: node, children: fc.array(node, { minLength: 2, maxLength: 3 }) })
    .map(({ root, children }) => ({ root: { ...root, children }, withContext }));

/** Of the kind that protocols are written as: no regions, history, wildcards or `always`. */
export const usualMachinePlan: fc.Arbitrary<MachinePlan> = machinePlan(true).map((plan) => ({
  ...plan,
  root: usual(plan.root),
}));

function usual(plan: NodePlan): NodePlan {
  return {
    ...plan,
    kind: plan.kind === 'final' ? 'final' : 'plain',
    children: plan.children.map(usual),
    on: plan.on.filter(([event]) => !event.includes('*')),
    always: null,
  };
}

export const randomEvent: fc.Arbitrary<RandomEvent> = fc.record({
  type: fc.constantFrom('A', 'B', 'C', 'A.b', 'LATER', 'UNKNOWN'),
  value: fc.nat({ max: 10 }),
});

export function buildMachine({ root, withContext }: MachinePlan): AnyStateMachine {
  const tree = normal({ ...root, kind: root.kind === 'parallel' ? 'parallel' : 'plain' }, withContext);
  const ids: string[] = [];
  const collect = ({ children }: NodePlan, id: string): void => {
    children.forEach((child, i) => {
      ids.push(`${id}_${i}`);
      collect(child, `${id}_${i}`);
    });
  };
  collect(tree, 's');
  const config = {
    ...stateConfig(tree, 's', ids, withContext),
    // As the protocols name theirs.
    id: 'test.random',
    ...(withContext
      ? { context: ({ input }: { input?: { start: number } }) => ({ count: input?.start ?? 0, last: 0 }) }
      : {}),
    // A random machine may raise or step for ever; both sides must then give up alike.
    options: { maxIterations: 25 },
  };
  const make = withContext ? machineSetup.createMachine : bareSetup.createMachine;
  return (make as (config: unknown) => unknown)(config) as AnyStateMachine;
}

const isHistory = ({ kind }: NodePlan): boolean => kind === 'shallow' || kind === 'deep';

/** No states inside final and history states; something to begin in beside a history state; neither history nor regions without a context. */
function normal(plan: NodePlan, withContext: boolean): NodePlan {
  if (plan.kind === 'final' || (isHistory(plan) && withContext)) return { ...plan, children: [] };
  const children = plan.children.map((child) => normal(child, withContext));
  const [first, ...rest] = children;
  const begun =
    first && children.every(isHistory) ? [{ ...first, kind: 'plain' as const }, ...rest] : children;
  const kind = plan.kind === 'parallel' && withContext && begun.length > 0 ? 'parallel' : 'plain';
  return { ...plan, kind, children: begun };
}

const at = <T>(items: readonly T[], index: number): T => items[index % items.length] as T;

function stateConfig(plan: NodePlan, id: string, ids: readonly string[], withContext: boolean): object {
  const { kind, children, initial, entry, exit, on, after, always, onDone } = plan;
  const [actions, guards] = withContext ? [contextActions, contextGuards] : [bareActions, bareGuards];
  const transitionConfig = (transition: TransitionPlan, mustBeGuarded = false): object => ({
    ...(transition.target === null ? {} : { target: `#${at(ids, transition.target)}` }),
    ...(transition.guard === null && !mustBeGuarded ? {} : { guard: at(guards, transition.guard ?? 0) }),
    reenter: transition.reenter,
    actions: transition.actions.map((index) => at(actions, index)),
  });
  const perform = (indices: readonly number[]): unknown[] => indices.map((index) => at(actions, index));
  const own = { id, entry: perform(entry), exit: perform(exit) };
  if (isHistory(plan)) return { id, type: 'history', history: kind };
  if (kind === 'final') return { ...own, type: 'final' };
  const begins = children.map((_, i) => i).filter((i) => !isHistory(children[i] as NodePlan));
  return {
    ...own,
    ...(kind === 'parallel'
      ? { type: kind }
      : begins.length > 0
        ? { initial: String(at(begins, initial)) }
        : {}),
    ...(children.length > 0 && onDone !== null ? { onDone: transitionConfig(onDone) } : {}),
    states: Object.fromEntries(
      children.map((child, i) => [i, stateConfig(child, `${id}_${i}`, ids, withContext)]),
    ),
    on: Object.fromEntries(on.map(([event, plans]) => [event, plans.map((one) => transitionConfig(one))])),
    after: Object.fromEntries(after.map(([delay, one]) => [delay, transitionConfig(one)])),
    ...(always === null ? {} : { always: transitionConfig(always, true) }),
  };
}
