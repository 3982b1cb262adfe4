import { setup } from 'xstate';
import { describe, expect, it } from 'vitest';
import {
  type ActionOf,
  effect,
  MachineInstance,
  MachineTable,
  type Sink,
  Stepper,
  type TimerEffect,
} from '@cluster/core';

const electionMachine = setup({
  types: {
    context: {} as { term: number; timeoutMs: number },
    events: {} as { type: 'LEADER_HEARD'; term: number } | { type: 'WON' },
    input: {} as { timeoutMs: number },
  },
  actions: {
    announce: effect<{ term: number }>(),
    askForVotes: effect(),
  },
  guards: {
    termIsNew: (_, params: { term: number; known: number }) => params.term > params.known,
  },
  delays: { electionTimeout: ({ context }) => context.timeoutMs },
}).createMachine({
  id: 'test.election',
  context: ({ input }) => ({ term: 0, timeoutMs: input.timeoutMs }),
  initial: 'follower',
  states: {
    follower: {
      after: { electionTimeout: 'candidate' },
      on: {
        LEADER_HEARD: {
          target: 'follower',
          reenter: true,
          guard: {
            type: 'termIsNew',
            params: ({ context, event }) => ({ term: event.term, known: context.term }),
          },
        },
      },
    },
    candidate: { entry: 'askForVotes', on: { WON: 'leader' } },
    leader: { entry: { type: 'announce', params: ({ context }) => ({ term: context.term }) } },
  },
});

type Said = ActionOf<typeof electionMachine> | TimerEffect;

const sink = (): { said: Said[]; out: Sink<ActionOf<typeof electionMachine>> } => {
  const said: Said[] = [];
  return { said, out: { observer: null, emit: (e) => void said.push(e) } };
};

describe('a machine instance', () => {
  it('turns its delays into timers and its actions into effects, in order', () => {
    const { said, out } = sink();
    const machine = new MachineInstance(
      'election',
      new Stepper(electionMachine),
      (action, _now, to: typeof out) => to.emit(action),
    );
    machine.start({ timeoutMs: 150 }, 0, out);
    expect(machine.state).toBe('follower');
    const [armed] = said;
    expect(armed).toMatchObject({ type: 'setTimer', delayMs: 150 });
    if (armed?.type !== 'setTimer') throw new Error('no timer');
    machine.send({ type: 'LEADER_HEARD', term: 1 }, 10, out);
    expect(said.slice(1).map((e) => e.type)).toEqual(['cancelTimer', 'setTimer']);
    expect(machine.fire(armed.timer, 160, out)).toBe(true);
    expect(machine.state).toBe('candidate');
    machine.send({ type: 'WON' }, 170, out);
    expect(said.at(-1)).toEqual({ type: 'announce', params: { term: 0 } });
  });

  it('ignores the firing of a timer it has cancelled', () => {
    const { said, out } = sink();
    const machine = new MachineInstance('election', new Stepper(electionMachine), () => undefined);
    machine.start({ timeoutMs: 150 }, 0, out);
    machine.stop(out);
    const [armed] = said;
    if (armed?.type !== 'setTimer') throw new Error('no timer');
    expect(machine.fire(armed.timer, 160, out)).toBe(false);
    expect(machine.state).toBe('follower');
  });
});

const doorMachine = setup({
  types: { events: {} as { type: 'OPEN'; holdMs: number } | { type: 'CLOSE' } },
  actions: { ring: effect<{ loud: boolean }>() },
  delays: { hold: ({ event }) => (event.type === 'OPEN' ? event.holdMs : 0) },
}).createMachine({
  id: 'test.door',
  initial: 'closed',
  states: {
    closed: { on: { OPEN: 'open' } },
    open: {
      entry: { type: 'ring', params: { loud: true } },
      after: { hold: 'closed' },
      on: { CLOSE: 'closed' },
    },
  },
});

describe('a machine table', () => {
  it('keeps many entities, each with timers of its own', () => {
    const said: (TimerEffect | { type: 'rang'; door: string })[] = [];
    const out: Sink<{ type: 'rang'; door: string }> = { observer: null, emit: (e) => void said.push(e) };
    const doors = new MachineTable('door', new Stepper(doorMachine), (door, _action, _now, to: typeof out) =>
      to.emit({ type: 'rang', door }),
    );
    doors.add('a', 0, out);
    doors.add('b/c', 0, out);
    doors.send('b/c', { type: 'OPEN', holdMs: 70 }, 0, out);
    expect(doors.state('a')).toBe('closed');
    expect(doors.state('b/c')).toBe('open');
    const timer = said.find((e) => e.type === 'setTimer');
    expect(timer).toMatchObject({ delayMs: 70 });
    expect(said).toContainEqual({ type: 'rang', door: 'b/c' });
    expect(doors.fire(timer?.type === 'setTimer' ? timer.timer : '', 70, out)).toBe(true);
    expect(doors.state('b/c')).toBe('closed');
    const copy = new MachineTable('door', new Stepper(doorMachine), () => undefined);
    copy.restore(doors.checkpoint());
    expect(copy.state('b/c')).toBe('closed');
  });
});
