import { describe, expect, it } from 'vitest';
import { linkMachine } from '@cluster/transport/machines';
import { backoffDelayMs } from '../src/core/backoff.ts';
import type { LinkEvent } from '../src/core/link.machine.ts';
import { MachineDriver } from './machine-driver.ts';

const limits = { backoffMinMs: 50, backoffMaxMs: 10_000, dialAttemptsMax: 3, yieldTimeoutMs: 1000 };
const failed = (draw = 0.5, definitive = false): LinkEvent => ({ type: 'DIAL_FAILED', definitive, draw });
const lost = (redial = true): LinkEvent => ({ type: 'LOST', redial, draw: 0.5 });

const paths = {
  idle: [],
  dialing: [{ type: 'NEEDED' }],
  yielding: [{ type: 'NEEDED' }, { type: 'YIELDED' }],
  connected: [{ type: 'ATTACHED' }],
  retrying: [{ type: 'ATTACHED' }, lost()],
  unreachable: [{ type: 'NEEDED' }, failed(0.5, true)],
} satisfies Record<string, LinkEvent[]>;
type State = keyof typeof paths;

const at = (state: State): MachineDriver<typeof linkMachine> => {
  const driver = new MachineDriver(linkMachine, limits);
  driver.send(...paths[state]);
  expect(driver.state).toBe(state);
  return driver;
};

describe('a link', () => {
  it.each<[State, LinkEvent, State, string[]]>([
    ['idle', { type: 'NEEDED' }, 'dialing', ['dial']],
    ['idle', { type: 'ATTACHED' }, 'connected', []],
    ['dialing', { type: 'ATTACHED' }, 'connected', []],
    ['dialing', { type: 'YIELDED' }, 'yielding', []],
    ['dialing', failed(), 'retrying', []],
    ['dialing', failed(0.5, true), 'unreachable', ['giveUp']],
    ['yielding', { type: 'ATTACHED' }, 'connected', []],
    ['connected', lost(), 'retrying', []],
    ['connected', lost(false), 'idle', []],
    ['connected', { type: 'ATTACHED' }, 'connected', []],
    ['retrying', { type: 'ATTACHED' }, 'connected', []],
    ['retrying', { type: 'NEEDED' }, 'retrying', []],
    ['unreachable', { type: 'ATTACHED' }, 'connected', []],
    ['unreachable', { type: 'NEEDED' }, 'unreachable', []],
  ])('in %s, on %o, goes to %s and does %j', (from, event, to, actions) => {
    const link = at(from);
    expect(link.send(event)).toEqual(actions);
    expect(link.state).toBe(to);
  });

  it.each<[State, string, State, string[]]>([
    ['yielding', 'yieldTimeout', 'dialing', ['dial']],
    ['retrying', 'backoff', 'dialing', ['dial']],
    ['unreachable', 'backoff', 'idle', []],
  ])('in %s, after %s, goes to %s and does %j', (from, delay, to, actions) => {
    const link = at(from);
    expect(Object.keys(link.timers)).toEqual([delay]);
    expect(link.fire(delay)).toEqual(actions);
    expect(link.state).toBe(to);
  });

  it('gives up after as many failures in a row as are allowed, then tries once per wait', () => {
    const link = at('dialing');
    link.send(failed());
    link.fire('backoff');
    link.send(failed());
    expect(link.state).toBe('retrying');
    link.fire('backoff');
    expect(link.send(failed())).toEqual(['giveUp']);
    expect(link.state).toBe('unreachable');
    link.fire('backoff');
    link.send({ type: 'NEEDED' });
    expect(link.send(failed())).toEqual(['giveUp']);
    expect(link.state).toBe('unreachable');
  });

  it('counts failures anew after a connection', () => {
    const link = at('dialing');
    link.send(failed());
    link.fire('backoff');
    link.send(failed());
    link.send({ type: 'ATTACHED' }, lost());
    link.fire('backoff');
    link.send(failed());
    expect(link.state).toBe('retrying');
  });

  it('counts definitive failures too, so that a wrong certificate is shown less and less often', () => {
    const link = at('dialing');
    const waits = [];
    for (let i = 0; i < 4; i++) {
      link.send(failed(0.5, true));
      waits.push(link.timers['backoff']);
      link.fire('backoff');
      link.send({ type: 'NEEDED' });
    }
    expect(waits).toEqual([50, 100, 200, 400]);
  });

  it('waits longer with every failure, and soon after a loss', () => {
    const link = at('dialing');
    link.send(failed());
    expect(link.timers).toEqual({ backoff: 50 });
    link.fire('backoff');
    link.send(failed());
    expect(link.timers).toEqual({ backoff: 100 });
    expect(at('retrying').timers).toEqual({ backoff: 25 });
    expect(at('yielding').timers).toEqual({ yieldTimeout: 1000 });
  });
});

describe('the wait between dials', () => {
  it('is drawn evenly below a bound that doubles up to its maximum', () => {
    const bounds = { backoffMinMs: 50, backoffMaxMs: 10_000 };
    expect(backoffDelayMs(0, 0.999_999, bounds)).toBe(49);
    expect(backoffDelayMs(3, 0.999_999, bounds)).toBe(399);
    expect(backoffDelayMs(1000, 0.999_999, bounds)).toBe(9999);
    expect(backoffDelayMs(5, 0, bounds)).toBe(1);
  });
});
