/** What an instance and a table do alike with a step of a machine: perform its actions, and tell the observer. */
import type { AnyMachineSnapshot, AnyStateMachine } from 'xstate';
import type { Sink, Typed } from './core.ts';
import type { TimerTable } from './machine-timers.ts';
import { plainDifference } from './plain.ts';
import { type ActionOf, stateName, type Step } from './stepper.ts';

/** Splits a step's actions into timers and named actions, in order. */
export function perform<M extends AnyStateMachine, E extends Typed>(
  step: Step<M>,
  owner: string,
  timers: TimerTable,
  nowMs: number,
  out: Sink<E>,
  act: (action: ActionOf<M>) => void,
): void {
  for (const action of step.actions) {
    switch (action.kind) {
      case 'setTimer':
        timers.set(owner, action.id, action.delayMs, action.event, nowMs, out);
        break;
      case 'cancelTimer':
        timers.cancel(`${owner}/${action.id}`, out);
        break;
      case 'act':
        act(action.action);
        break;
    }
  }
}

export function report<M extends AnyStateMachine>(
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
