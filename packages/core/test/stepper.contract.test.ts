/** The stepper relies on what xstate does not document: here it is held equal to xstate's own `transition()`. */
import fc from 'fast-check';
import { type AnyMachineSnapshot, type AnyStateMachine, initialTransition, transition } from 'xstate';
import { describe, expect, it } from 'vitest';
import { Stepper, type StepAction, stateName } from '@cluster/core';
import { PlannedSteps } from '../src/planned-steps.ts';
import {
  buildMachine,
  machinePlan,
  type RandomEvent,
  randomEvent,
  usualMachinePlan,
} from './random-machine.ts';

type Result = { readonly threw: string } | { readonly state: object; readonly actions: readonly unknown[] };

/** xstate's answer in the stepper's words. */
function ofXstate(
  run: () => readonly [unknown, readonly { type: string; params?: unknown }[]],
): [Result, AnyMachineSnapshot | null] {
  try {
    const [snapshot, actions] = run() as [AnyMachineSnapshot, { type: string; params?: unknown }[]];
    if (snapshot.status === 'error') throw snapshot.error;
    return [{ state: stateOf(snapshot), actions: actions.flatMap(inOurWords) }, snapshot];
  } catch (error) {
    return [{ threw: String(error) }, null];
  }
}

function inOurWords({ type, params }: { type: string; params?: unknown }): readonly unknown[] {
  if (type === 'xstate.raise') {
    const { event, id, delay } = params as { event: RandomEvent; id?: string; delay?: number };
    return delay === undefined ? [] : [{ kind: 'setTimer', id: id ?? event.type, delayMs: delay, event }];
  }
  if (type === 'xstate.cancel') return [{ kind: 'cancelTimer', id: (params as { sendId: string }).sendId }];
  return [{ kind: 'act', action: { type, params } }];
}

function ofStepper(
  run: () => { snapshot: unknown; actions: readonly unknown[] },
): [Result, AnyMachineSnapshot | null] {
  try {
    const { snapshot, actions } = run();
    return [
      { state: stateOf(snapshot as AnyMachineSnapshot), actions: [...actions] },
      snapshot as AnyMachineSnapshot,
    ];
  } catch (error) {
    return [{ threw: String(error) }, null];
  }
}

const stateOf = ({ value, context, status, output, historyValue }: AnyMachineSnapshot): object => ({
  value,
  context,
  status,
  output,
  history: Object.fromEntries(
    Object.entries(historyValue as Record<string, { id: string }[]>).map(([id, nodes]) => [
      id,
      nodes.map((node) => node.id).toSorted(),
    ]),
  ),
});

/** What happened in a run, so that the test can show that it was not all empty. */
const happened = { transitions: 0, timers: 0, acts: 0, parallel: 0, history: 0, threw: 0, done: 0 };

function count(result: Result, before: AnyMachineSnapshot | null, after: AnyMachineSnapshot | null): void {
  if ('threw' in result) {
    happened.threw++;
    return;
  }
  const kinds = (result.actions as StepAction<AnyStateMachine>[]).map(({ kind }) => kind);
  if (before && after && stateName(before.value) !== stateName(after.value)) happened.transitions++;
  if (kinds.includes('setTimer')) happened.timers++;
  if (kinds.includes('act')) happened.acts++;
  if (after && stateName(after.value).includes('|')) happened.parallel++;
  if (after && Object.keys(after.historyValue as object).length > 0) happened.history++;
  if (after?.status === 'done') happened.done++;
}

/** Events from outside, and now and again one of the timers that an earlier step asked for. */
const events = fc.array(fc.tuple(randomEvent, fc.option(fc.nat({ max: 3 }), { freq: 2 })), {
  minLength: 1,
  maxLength: 12,
});

describe('the stepper', () => {
  it('does what xstate’s transition() does, on random machines and events', () => {
    fc.assert(
      fc.property(machinePlan(true), events, fc.nat({ max: 3 }), (plan, inputs, start) => {
        const machine = buildMachine(plan);
        const stepper = new Stepper(machine);
        let [theirs, theirSnapshot] = ofXstate(() => initialTransition(machine, { start }));
        let [ours, ourSnapshot] = ofStepper(() => stepper.start({ start }));
        const timers: RandomEvent[] = [];
        expect(ours).toEqual(theirs);
        count(ours, null, ourSnapshot);
        for (const [event, timer] of inputs) {
          if (theirSnapshot === null || ourSnapshot === null || 'threw' in ours) return;
          for (const action of ours.actions as StepAction<AnyStateMachine>[]) {
            if (action.kind === 'setTimer') timers.push(action.event as RandomEvent);
          }
          const due = timer === null ? undefined : timers.splice(timer % Math.max(1, timers.length), 1)[0];
          const before = [theirSnapshot, ourSnapshot] as const;
          [theirs, theirSnapshot] = ofXstate(() => transition(machine, before[0], due ?? event));
          [ours, ourSnapshot] = ofStepper(() => stepper.next(before[1], due ?? event));
          expect(ours).toEqual(theirs);
          count(ours, before[1], ourSnapshot);
        }
      }),
      { numRuns: 600 },
    );
    // A generator that makes nothing happen would prove nothing.
    for (const [what, times] of Object.entries(happened))
      expect({ what, often: times > 20 }).toEqual({ what, often: true });
  });

  it('plans the usual steps, and they are what xstate would have done', () => {
    const took = { planned: 0, moved: 0, assigned: 0, armed: 0, ignored: 0, left: 0 };
    fc.assert(
      fc.property(usualMachinePlan, events, (plan, inputs) => {
        const machine = buildMachine(plan);
        const planned = new PlannedSteps(machine, { self: undefined, system: undefined });
        let [result, snapshot] = ofXstate(() => initialTransition(machine, { start: 1 }));
        const timers: RandomEvent[] = [];
        for (const [event, timer] of inputs) {
          if (snapshot === null || 'threw' in result) return;
          for (const action of result.actions as StepAction<AnyStateMachine>[])
            if (action.kind === 'setTimer') timers.push(action.event as RandomEvent);
          const due = timer === null ? undefined : timers.splice(timer % Math.max(1, timers.length), 1)[0];
          const before: AnyMachineSnapshot = snapshot;
          const actions: unknown[] = [];
          const next = planned.next(before, due ?? event, {
            act: (type, params) => void actions.push({ kind: 'act', action: { type, params } }),
            setTimer: (id, delayMs, later) =>
              void actions.push({ kind: 'setTimer', id, delayMs, event: later }),
            cancelTimer: (id) => void actions.push({ kind: 'cancelTimer', id }),
          });
          [result, snapshot] = ofXstate(() => transition(machine, before, due ?? event));
          if (next === null) {
            took.left++;
            continue;
          }
          expect({ state: stateOf(next), actions }).toEqual(result);
          expect(next._nodes).toEqual(snapshot?._nodes);
          took.planned++;
          if (next === before) took.ignored++;
          if (stateName(next.value) !== stateName(before.value)) took.moved++;
          if (next.context !== before.context) took.assigned++;
          if (actions.some((action) => (action as { kind: string }).kind === 'setTimer')) took.armed++;
          // xstate goes on from what was planned.
          snapshot = next;
        }
      }),
      { numRuns: 300 },
    );
    for (const [what, times] of Object.entries(took))
      expect({ what, often: times > 20 }).toEqual({ what, often: true });
  });

  it('goes on from a saved snapshot as if nothing had happened', () => {
    fc.assert(
      fc.property(
        machinePlan(true),
        fc.array(randomEvent, { minLength: 2, maxLength: 10 }),
        (plan, inputs) => {
          const machine = buildMachine(plan);
          const stepper = new Stepper(machine);
          let [, going] = ofStepper(() => stepper.start({ start: 0 }));
          for (const event of inputs) {
            if (going?.status !== 'active') return;
            const saved = stepper.save(going);
            const reloaded = stepper.load(JSON.parse(JSON.stringify(saved)) as typeof saved);
            const before = going;
            const [expected, next] = ofStepper(() => stepper.next(before, event));
            expect(ofStepper(() => stepper.next(reloaded, event))[0]).toEqual(expected);
            going = next;
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
