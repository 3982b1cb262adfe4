import { describe, expect, it } from 'vitest';
import { poolEntryMachine } from '@cluster/transport/machines';
import type { PoolEntryEvent } from '../src/core/pool-entry.machine.ts';
import { MachineDriver } from './machine-driver.ts';

const failed = (again = true): PoolEntryEvent => ({ type: 'DIAL_FAILED', again, delayMs: 70 });
const lost = (redial = true): PoolEntryEvent => ({ type: 'LOST', redial, delayMs: 30 });

const paths = {
  idle: [],
  dialing: [{ type: 'NEEDED' }],
  yielding: [{ type: 'NEEDED' }, { type: 'YIELDED' }],
  connected: [{ type: 'ATTACHED' }],
  renewing: [{ type: 'ATTACHED' }, { type: 'AGED' }],
  retrying: [{ type: 'ATTACHED' }, lost()],
} satisfies Record<string, PoolEntryEvent[]>;
type State = keyof typeof paths;

const at = (state: State): MachineDriver<typeof poolEntryMachine> => {
  const driver = new MachineDriver(poolEntryMachine, { yieldTimeoutMs: 1000 });
  driver.send(...paths[state]);
  expect(driver.state).toBe(state);
  return driver;
};

describe('a place in the pool', () => {
  it.each<[State, PoolEntryEvent, State, string[]]>([
    ['idle', { type: 'NEEDED' }, 'dialing', ['dial']],
    ['idle', { type: 'ATTACHED' }, 'connected', []],
    ['dialing', { type: 'NEEDED' }, 'dialing', []],
    ['dialing', { type: 'ATTACHED' }, 'connected', []],
    ['dialing', { type: 'YIELDED' }, 'yielding', []],
    ['dialing', failed(), 'retrying', []],
    ['dialing', failed(false), 'idle', []],
    ['yielding', { type: 'ATTACHED' }, 'connected', []],
    ['connected', lost(), 'retrying', []],
    ['connected', lost(false), 'idle', []],
    ['connected', { type: 'ATTACHED' }, 'connected', []],
    ['connected', { type: 'AGED' }, 'renewing', ['dial']],
    ['renewing', { type: 'AGED' }, 'renewing', []],
    ['renewing', { type: 'ATTACHED' }, 'connected', []],
    ['renewing', { type: 'YIELDED' }, 'connected', []],
    ['renewing', failed(false), 'connected', []],
    ['renewing', lost(), 'retrying', []],
    ['renewing', lost(false), 'idle', []],
    ['retrying', { type: 'ATTACHED' }, 'connected', []],
    ['retrying', { type: 'NEEDED' }, 'retrying', []],
  ])('in %s, on %o, goes to %s and does %j', (from, event, to, actions) => {
    const entry = at(from);
    expect(entry.send(event)).toEqual(actions);
    expect(entry.state).toBe(to);
  });

  it.each<[State, string, State, string[]]>([
    ['yielding', 'yieldTimeout', 'dialing', ['dial']],
    ['retrying', 'backoff', 'dialing', ['dial']],
  ])('in %s, after %s, goes to %s and does %j', (from, delay, to, actions) => {
    const entry = at(from);
    expect(Object.keys(entry.timers)).toEqual([delay]);
    expect(entry.fire(delay)).toEqual(actions);
    expect(entry.state).toBe(to);
  });

  it('waits as long as it is told, after a loss and after a failed dial', () => {
    expect(at('retrying').timers).toEqual({ backoff: 30 });
    const renewing = at('renewing');
    renewing.send(lost());
    expect(renewing.timers).toEqual({ backoff: 30 });
    const dialing = at('dialing');
    dialing.send(failed());
    expect(dialing.timers).toEqual({ backoff: 70 });
  });

  it('has no clock running while there is nothing to wait for', () => {
    for (const state of ['idle', 'dialing', 'connected', 'renewing'] as const)
      expect(at(state).timers).toEqual({});
  });
});
