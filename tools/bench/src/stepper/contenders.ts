/** The same script of events through each way of running a machine; `state` says where each has got. */
import {
  type AnyActorRef,
  type AnyMachineSnapshot,
  type AnyStateMachine,
  createActor,
  initialTransition,
  transition,
} from 'xstate';
import { MachineInstance, MachineTable, type Sink, stateName, Stepper, type Typed } from '@cluster/core';
import type { Contender } from '../measure.ts';
import { type PlainEffect, type PlainMember, type PlainRole, stepMember, stepRole } from './plain.ts';

export interface Stepping extends Contender {
  /** Where the machine is now. */
  readonly state: () => string;
}

export type Script<E = Typed> = () => Generator<E, never>;

function stepping<E>(script: Script<E>, handle: (event: E) => void, state: () => string): Stepping {
  const events = script();
  return {
    run: (count) => {
      for (let i = 0; i < count; i++) handle(events.next().value);
    },
    state,
  };
}

export function stepperAlone(machine: AnyStateMachine, script: Script): Stepping {
  const stepper = new Stepper(machine);
  let snapshot: AnyMachineSnapshot = stepper.start(undefined).snapshot;
  const handle = (event: Typed): void => void (snapshot = stepper.next(snapshot, event).snapshot);
  return stepping(script, handle, () => stateName(snapshot.value));
}

const devNull: Sink<Typed> = { observer: null, emit: () => undefined };

export function instance(machine: AnyStateMachine, script: Script): Stepping {
  const one = new MachineInstance<AnyStateMachine, Typed>(
    'bench',
    new Stepper(machine),
    (action, _nowMs, out) => out.emit(action as Typed),
  );
  one.start(undefined, 0, devNull);
  return stepping(
    script,
    (event) => one.send(event, 0, devNull),
    () => one.state,
  );
}

export function table(machine: AnyStateMachine, script: Script): Stepping {
  const many = new MachineTable<AnyStateMachine, Typed>(
    'bench',
    new Stepper(machine),
    (_, action, _nowMs, out) => out.emit(action as Typed),
  );
  many.add('n1', 0, devNull);
  return stepping(
    script,
    (event) => many.send('n1', event, 0, devNull),
    () => many.state('n1') ?? '',
  );
}

export function xstateTransition(machine: AnyStateMachine, script: Script): Stepping {
  let [snapshot]: readonly [AnyMachineSnapshot, unknown] = initialTransition(machine);
  const handle = (event: Typed): void => void ([snapshot] = transition(machine, snapshot, event));
  return stepping(script, handle, () => stateName(snapshot.value));
}

export function xstateActor(machine: AnyStateMachine, script: Script): Stepping {
  // A clock that arms nothing: the others arm nothing either.
  const clock = { setTimeout: () => 0, clearTimeout: () => undefined };
  const actor: AnyActorRef = createActor(machine, { clock }).start();
  return stepping(
    script,
    (event) => actor.send(event),
    () => stateName((actor.getSnapshot() as AnyMachineSnapshot).value),
  );
}

export function plainRole(script: Script<Parameters<typeof stepRole>[1]>): Stepping {
  let role: PlainRole = { state: 'follower', term: 1, votes: 0 };
  const handle = (event: Parameters<typeof stepRole>[1]): void => {
    const effects: PlainEffect[] = [];
    role = stepRole(role, event, effects);
  };
  return stepping(script, handle, () => role.state);
}

export function plainMember(script: Script<Parameters<typeof stepMember>[1]>): Stepping {
  let member: PlainMember = 'alive';
  const handle = (event: Parameters<typeof stepMember>[1]): void => {
    const effects: PlainEffect[] = [];
    member = stepMember(member, event, effects);
  };
  return stepping(script, handle, () => member);
}
