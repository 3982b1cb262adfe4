import { describe, expect, it } from 'vitest';
import { sessionMachine } from '@cluster/transport/machines';
import type { SessionEvent } from '../src/core/session.machine.ts';
import { MachineDriver } from './machine-driver.ts';

const paths = {
  absent: [],
  up: [{ type: 'STARTED' }],
  interrupted: [{ type: 'STARTED' }, { type: 'INTERRUPTED' }],
} satisfies Record<string, SessionEvent[]>;
type State = keyof typeof paths;

const at = (state: State): MachineDriver<typeof sessionMachine> => {
  const driver = new MachineDriver(sessionMachine, { resumeTimeoutMs: 30_000 });
  driver.send(...paths[state]);
  expect(driver.state).toBe(state);
  return driver;
};

const anew = { why: 'the peer began anew', keepQueued: true };
const left = { why: 'the peer left', keepQueued: false };
const unreachable = { why: 'the peer cannot be reached', keepQueued: false };
const late = { why: 'it was not resumed in time', keepQueued: false };

describe('a delivery session', () => {
  it.each<[State, SessionEvent['type'], State, string[], object | undefined]>([
    ['absent', 'STARTED', 'up', ['begin'], undefined],
    ['absent', 'INTERRUPTED', 'absent', [], undefined],
    ['absent', 'GAVE_UP', 'absent', [], undefined],
    ['absent', 'ENDED', 'absent', [], undefined],
    ['up', 'STARTED', 'up', ['lose', 'begin'], anew],
    ['up', 'RESUMED', 'up', ['resume'], undefined],
    ['up', 'INTERRUPTED', 'interrupted', ['detach'], undefined],
    ['up', 'ENDED', 'absent', ['detach', 'lose'], left],
    ['up', 'GAVE_UP', 'up', [], undefined],
    ['interrupted', 'RESUMED', 'up', ['resume'], undefined],
    ['interrupted', 'STARTED', 'up', ['lose', 'begin'], anew],
    ['interrupted', 'GAVE_UP', 'absent', ['lose'], unreachable],
    ['interrupted', 'INTERRUPTED', 'interrupted', [], undefined],
  ])('in %s, on %s, goes to %s and does %j', (from, type, to, actions, lose) => {
    const session = at(from);
    expect(session.send({ type })).toEqual(actions);
    expect(session.state).toBe(to);
    expect(session.params['lose']).toEqual(lose);
  });

  it('outlives its connection for a while, and no longer', () => {
    const session = at('interrupted');
    expect(session.timers).toEqual({ resumeTimeout: 30_000 });
    expect(session.fire('resumeTimeout')).toEqual(['lose']);
    expect(session.params['lose']).toEqual(late);
    expect(session.state).toBe('absent');
  });

  it('has no clock running while it is up, nor when it is over', () => {
    expect(at('up').timers).toEqual({});
    expect(at('absent').timers).toEqual({});
    const resumed = at('interrupted');
    resumed.send({ type: 'RESUMED' });
    expect(resumed.timers).toEqual({});
  });
});
