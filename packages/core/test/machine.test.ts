import fc from 'fast-check';
import { type AnyMachineSnapshot, type AnyStateMachine, assign, setup } from 'xstate';
import { describe, expect, it } from 'vitest';
import {
  type ActionOf,
  effect,
  inState,
  type InstanceCheckpoint,
  MachineInstance,
  type MachineStep,
  MachineTable,
  packPlain,
  type Sink,
  type Step,
  stateName,
  Stepper,
  type TableCheckpoint,
  type TimerEffect,
  unpackPlain,
} from '@cluster/core';
import { buildMachine, machinePlan, randomEvent } from './random-machine.ts';

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

type Effect = { type: 'did'; what: string } | TimerEffect;

const collect = (): { said: Effect[]; out: Sink<Effect> } => {
  const said: Effect[] = [];
  return { said, out: { observer: null, emit: (e) => void said.push(e) } };
};
const timerNames = (said: readonly Effect[]): string[] =>
  said.flatMap((e) => (e.type === 'setTimer' ? [e.timer] : []));

const phaseMachine = setup({
  types: { context: {} as { runs: number }, events: {} as { type: 'GO' } | { type: 'BACK' } },
  actions: {
    enter: effect<{ phase: string }>(),
    leave: effect(),
    count: assign({ runs: ({ context }) => context.runs + 1 }),
  },
  delays: { long: 1000, short: 10 },
}).createMachine({
  id: 'test.phase',
  context: { runs: 0 },
  initial: 'idle',
  states: {
    idle: { after: { long: 'over' }, on: { GO: { target: 'busy', actions: 'count' } }, exit: 'leave' },
    busy: {
      entry: { type: 'enter', params: { phase: 'busy' } },
      initial: 'first',
      after: { short: 'idle' },
      on: { BACK: '.past' },
      states: { first: { on: { GO: 'second' } }, second: { on: { GO: '#out' } }, past: { type: 'history' } },
    },
    out: { id: 'out', on: { BACK: 'busy.past' } },
    over: {},
  },
});

describe('a machine instance, run to completion', () => {
  it('performs all actions of a step before it takes an event that one of them sends', () => {
    const { said, out } = collect();
    const phase: MachineInstance<typeof phaseMachine, Effect> = new MachineInstance(
      'p',
      new Stepper(phaseMachine),
      (action, now, to) => {
        if (action.type === 'leave') phase.send({ type: 'GO' }, now, to);
        to.emit({ type: 'did', what: `${action.type} in ${phase.state}` });
      },
    );
    phase.start(undefined, 0, out);
    phase.send({ type: 'GO' }, 0, out);
    expect(phase.state).toBe('busy.second');
    expect(said.flatMap((e) => (e.type === 'did' ? [e.what] : []))).toEqual([
      'leave in busy.first',
      'enter in busy.first',
    ]);
  });

  it('takes any number of waiting events without growing the stack', () => {
    const { out } = collect();
    let left = 50_000;
    const phase: MachineInstance<typeof phaseMachine, Effect> = new MachineInstance(
      'p',
      new Stepper(phaseMachine),
      (_, now, to) => {
        for (; left > 0; left--) phase.send({ type: 'BACK' }, now, to);
      },
    );
    phase.start(undefined, 0, out);
    phase.send({ type: 'GO' }, 0, out);
    expect(phase.state).toBe('busy.first');
  });

  it('knows that it is in a state and in those around it', () => {
    const { out } = collect();
    const phase = new MachineInstance('p', new Stepper(phaseMachine), () => undefined);
    phase.start(undefined, 0, out);
    phase.send({ type: 'GO' }, 0, out);
    expect([phase.in('busy'), phase.in('busy.first'), phase.in('busy.second'), phase.in('bus')]).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(phase.context).toEqual({ runs: 1 });
  });

  it('begins anew without the timers of its life before', () => {
    const { said, out } = collect();
    const phase = new MachineInstance('p', new Stepper(phaseMachine), () => undefined);
    phase.start(undefined, 0, out);
    phase.send({ type: 'GO' }, 0, out);
    phase.start(undefined, 5, out);
    expect(phase.pendingTimers()).toMatchObject([{ owner: 'p', dueMs: 1005 }]);
    const [, short = ''] = timerNames(said);
    expect(phase.fire(short, 10, out)).toBe(false);
  });

  it('goes on from a checkpoint with its state, context, history and timers', () => {
    const { said, out } = collect();
    const stepper = new Stepper(phaseMachine);
    const phase = new MachineInstance('p', stepper, () => undefined);
    phase.start(undefined, 0, out);
    for (const type of ['GO', 'GO', 'GO'] as const) phase.send({ type }, 1, out);
    expect(phase.state).toBe('out');
    const copy = new MachineInstance('p', stepper, () => undefined);
    copy.restore(unpackPlain(packPlain(phase.checkpoint())) as InstanceCheckpoint);
    copy.send({ type: 'BACK' }, 2, out);
    expect(copy.state).toBe('busy.second');
    expect(copy.context).toEqual({ runs: 1 });
    const again = new MachineInstance('p', stepper, () => undefined);
    again.restore(copy.checkpoint());
    expect(again.pendingTimers()).toEqual(copy.pendingTimers());
    expect(again.fire(timerNames(said).at(-1) ?? '', 12, out)).toBe(true);
    expect(again.state).toBe('idle');
  });
});

it('a step that throws at the start says why, as a step later on does', () => {
  const broken = setup({}).createMachine({
    id: 'test.broken',
    context: () => {
      throw new Error('no context');
    },
  });
  expect(() => new Stepper(broken).start(undefined)).toThrow('no context');
});

it('a machine that has come to its end ignores what follows', () => {
  const mayfly = setup({ types: { events: {} as { type: 'DIE' } | { type: 'LIVE' } } }).createMachine({
    id: 'test.mayfly',
    initial: 'alive',
    states: { alive: { on: { DIE: 'dead' } }, dead: { type: 'final' } },
    on: { LIVE: '.alive' },
  });
  const { out } = collect();
  const one = new MachineInstance('m', new Stepper(mayfly), () => undefined);
  one.start(undefined, 0, out);
  const many = new MachineTable('m', new Stepper(mayfly), () => undefined);
  many.add('a', 0, out);
  for (const type of ['DIE', 'LIVE'] as const) {
    one.send({ type }, 0, out);
    many.send('a', { type }, 0, out);
  }
  expect([one.state, many.state('a')]).toEqual(['dead', 'dead']);
});

describe('a state', () => {
  it('is named by its path, its regions side by side', () => {
    expect(stateName({ leader: 'steady' })).toBe('leader.steady');
    expect(stateName({ link: 'up', gate: { open: 'wide' } })).toBe('link.up | gate.open.wide');
  });

  it('is found in any of its regions', () => {
    const value = { link: 'up', gate: { open: 'wide' } };
    expect(['link', 'link.up', 'gate.open', 'gate.open.wide'].every((state) => inState(value, state))).toBe(
      true,
    );
    expect(
      ['up', 'link.down', 'gate.wide', 'gate.open.wide.very', ''].some((state) => inState(value, state)),
    ).toBe(false);
  });
});

describe('a machine table, its entities apart', () => {
  const open = { type: 'OPEN', holdMs: 70 } as const;
  const table = (said: Effect[]): MachineTable<typeof doorMachine, Effect> =>
    new MachineTable(
      'door',
      new Stepper(doorMachine),
      (door, action) => void said.push({ type: 'did', what: `${action.type} ${door}` }),
    );

  it('cancels the timers of a removed entity only, whatever the others are called', () => {
    const { said, out } = collect();
    const doors = table(said);
    for (const name of ['b', 'b/c', 'b/c/xstate.after']) {
      doors.add(name, 0, out);
      doors.send(name, open, 0, out);
    }
    doors.remove('b', out);
    expect(said.filter((e) => e.type === 'cancelTimer')).toHaveLength(1);
    expect(doors.pendingTimers().map(({ owner }) => owner)).toEqual(['door:b/c', 'door:b/c/xstate.after']);
    const [ofB = '', ofC = ''] = timerNames(said);
    expect(doors.fire(ofB, 70, out)).toBe(false);
    expect(doors.fire(ofC, 70, out)).toBe(true);
    expect([doors.state('b'), doors.state('b/c'), doors.size]).toEqual([undefined, 'closed', 2]);
  });

  it('tells an observer when an entity goes', () => {
    const steps: MachineStep[] = [];
    const out: Sink<Effect> = {
      observer: { onMachineStep: (step) => void steps.push(step) },
      emit: () => undefined,
    };
    const doors = table([]);
    doors.add('a', 0, out);
    doors.remove('a', out);
    doors.remove('a', out);
    expect(steps.map(({ instance, from, to, event }) => [instance, from, to, event])).toEqual([
      ['a', '', 'closed', { type: 'xstate.init' }],
      ['a', 'closed', '', { type: 'xstate.stop' }],
    ]);
  });

  it('keeps an action uninterrupted while it adds another entity', () => {
    const { said, out } = collect();
    const doors: MachineTable<typeof doorMachine, Effect> = new MachineTable(
      'door',
      new Stepper(doorMachine),
      (door, _action, now, to) => {
        if (door !== 'a') return;
        doors.add('b', now, to);
        doors.send('a', { type: 'CLOSE' }, now, to);
        to.emit({ type: 'did', what: `a is ${doors.state('a')}` });
      },
    );
    doors.add('a', 0, out);
    doors.send('a', open, 0, out);
    expect(said).toContainEqual({ type: 'did', what: 'a is open' });
    expect([doors.state('a'), doors.state('b')]).toEqual(['closed', 'closed']);
  });

  it('drops what waits for an entity that is removed, even when one of its name comes again', () => {
    const { out } = collect();
    const doors: MachineTable<typeof doorMachine, Effect> = new MachineTable(
      'door',
      new Stepper(doorMachine),
      (_, __, now, to) => {
        doors.send('a', { type: 'CLOSE' }, now, to);
        doors.send('b', open, now, to);
        doors.remove('b', to);
        doors.add('b', now, to);
      },
    );
    doors.add('a', 0, out);
    doors.add('b', 0, out);
    doors.send('a', open, 0, out);
    expect([doors.state('a'), doors.state('b')]).toEqual(['closed', 'closed']);
  });

  it('goes on from a checkpoint with its timers', () => {
    const { said, out } = collect();
    const doors = table(said);
    doors.add('a', 0, out);
    doors.add('b', 0, out);
    doors.send('b', open, 0, out);
    const copy = table(said);
    copy.restore(unpackPlain(packPlain(doors.checkpoint())) as TableCheckpoint);
    expect([copy.state('a'), copy.state('b'), copy.size]).toEqual(['closed', 'open', 2]);
    expect(copy.fire(timerNames(said)[0] ?? '', 70, out)).toBe(true);
    expect(copy.state('b')).toBe('closed');
  });

  it('refuses a machine with a context, whose entities would share it', () => {
    expect(() => new MachineTable('phase', new Stepper(phaseMachine) as never, () => undefined)).toThrow(
      'no context, history or parallel regions',
    );
  });

  it('refuses an event for an entity it does not know, and a second entity of a name', () => {
    const { said, out } = collect();
    const doors = table(said);
    expect(() => doors.send('a', open, 0, out)).toThrow('door a is in the table');
    doors.add('a', 0, out);
    expect(() => doors.add('a', 0, out)).toThrow('door a is not in the table yet');
  });

  it('shares one snapshot between all entities in a state and harms none, on random machines', () => {
    fc.assert(
      fc.property(
        machinePlan(false),
        fc.array(fc.tuple(fc.constantFrom('x', 'y', 'z'), randomEvent), { minLength: 5, maxLength: 30 }),
        (plan, events) => {
          const machine = buildMachine(plan);
          const { out } = collect();
          const did: unknown[] = [];
          const shared = new MachineTable(
            'entity',
            new Stepper(machine),
            (name, action) => void did.push([name, action]),
          );
          const alone = new Map<string, AnyMachineSnapshot>();
          const expected: unknown[] = [];
          // A random machine may step for ever; then there is nothing to compare.
          const step = (name: string, run: () => Step<AnyStateMachine>): boolean => {
            try {
              const { snapshot, actions } = run();
              alone.set(name, snapshot as AnyMachineSnapshot);
              for (const one of actions) if (one.kind === 'act') expected.push([name, one.action]);
              return true;
            } catch {
              return false;
            }
          };
          for (const name of ['x', 'y', 'z']) {
            if (!step(name, () => new Stepper(machine).start(undefined))) return;
            shared.add(name, 0, out);
          }
          for (const [name, event] of events) {
            const before = alone.get(name) as AnyMachineSnapshot;
            if (before.status === 'active' && !step(name, () => new Stepper(machine).next(before, event)))
              return;
            shared.send(name, event, 0, out);
            for (const [one, snapshot] of alone) expect(shared.state(one)).toBe(stateName(snapshot.value));
            expect(did).toEqual(expected);
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});
