import { describe, expect, it } from 'vitest';
import { breakerMachine } from '@cluster/transport/machines';
import { backoffDelayMs } from '../src/core/backoff.ts';
import type { BreakerEvent } from '../src/core/breaker.machine.ts';
import { MachineDriver } from './machine-driver.ts';

const limits = { backoffMinMs: 50, backoffMaxMs: 10_000, dialAttemptsMax: 3 };
const failed = (draw = 0.5, definitive = false): BreakerEvent => ({ type: 'FAILED', definitive, draw });
const asked: BreakerEvent = { type: 'ASKED' };
const succeeded: BreakerEvent = { type: 'SUCCEEDED' };

/** What happens on the way: events, and `cooldown` when the wait is over. */
const paths = {
  closed: [],
  open: [failed(0.5, true)],
  'halfOpen.ready': [failed(0.5, true), 'cooldown'],
  'halfOpen.trying': [failed(0.5, true), 'cooldown', asked],
  'halfOpen.probing': [failed(0.5, true), asked, 'cooldown'],
} satisfies Record<string, (BreakerEvent | 'cooldown')[]>;
type State = keyof typeof paths;

const at = (state: State): MachineDriver<typeof breakerMachine> => {
  const driver = new MachineDriver(breakerMachine, limits);
  for (const step of paths[state]) {
    if (typeof step === 'string') driver.fire(step);
    else driver.send(step);
  }
  expect(driver.state).toBe(state);
  return driver;
};

describe('a breaker', () => {
  it.each<[State, BreakerEvent, State, string[]]>([
    ['closed', failed(), 'closed', []],
    ['closed', failed(0.5, true), 'open', ['giveUp']],
    ['closed', asked, 'closed', []],
    ['closed', succeeded, 'closed', []],
    ['open', asked, 'open', []],
    ['open', succeeded, 'closed', []],
    ['halfOpen.ready', asked, 'halfOpen.trying', ['probe']],
    ['halfOpen.ready', succeeded, 'closed', []],
    ['halfOpen.trying', asked, 'halfOpen.trying', []],
    ['halfOpen.trying', failed(), 'open', ['giveUp']],
    ['halfOpen.trying', succeeded, 'closed', []],
    ['halfOpen.probing', asked, 'halfOpen.probing', []],
    ['halfOpen.probing', failed(), 'open', ['giveUp']],
    ['halfOpen.probing', succeeded, 'closed', []],
  ])('in %s, on %o, goes to %s and does %j', (from, event, to, actions) => {
    const breaker = at(from);
    expect(breaker.send(event)).toEqual(actions);
    expect(breaker.state).toBe(to);
  });

  it('probes by itself when its wait is over, if somebody has asked meanwhile; else with the next who asks', () => {
    const wanted = at('open');
    wanted.send(asked);
    expect(wanted.fire('cooldown')).toEqual(['probe']);
    expect(wanted.state).toBe('halfOpen.probing');
    const unwanted = at('open');
    expect(unwanted.fire('cooldown')).toEqual([]);
    expect(unwanted.state).toBe('halfOpen.ready');
    // Who asked during the last wait has been answered: the next one is nobody's.
    wanted.send(failed());
    expect(wanted.fire('cooldown')).toEqual([]);
    expect(wanted.state).toBe('halfOpen.ready');
  });

  it('opens after as many failures in a row as are allowed, and then after each probe that fails', () => {
    const breaker = at('closed');
    expect(breaker.send(failed(), failed())).toEqual([]);
    expect(breaker.state).toBe('closed');
    expect(breaker.send(failed())).toEqual(['giveUp']);
    expect(breaker.state).toBe('open');
    for (let i = 0; i < 3; i++) {
      breaker.send(asked);
      breaker.fire('cooldown');
      expect(breaker.send(failed())).toEqual(['giveUp']);
    }
    expect(breaker.state).toBe('open');
  });

  it.each<[string, State]>([
    ['while closed', 'closed'],
    ['while open, when the peer comes by itself', 'open'],
    ['by a dial that somebody waits for', 'halfOpen.trying'],
    ['by a probe', 'halfOpen.probing'],
    ['before anybody has asked again', 'halfOpen.ready'],
  ])('counts failures anew after a success: %s', (_when, state) => {
    const breaker = at(state);
    breaker.send(succeeded, failed(), failed());
    expect(breaker.state).toBe('closed');
    breaker.send(failed());
    expect(breaker.state).toBe('open');
  });

  it('forgets failures when it is closed already, too', () => {
    const breaker = at('closed');
    breaker.send(failed(), failed(), succeeded, failed(), failed());
    expect(breaker.state).toBe('closed');
  });

  it('waits longer with every failure, definitive ones too, so that a wrong certificate is shown less and less often', () => {
    const breaker = at('closed');
    breaker.send(failed(0.999, true));
    const waits = [breaker.timers['cooldown'] ?? 0];
    for (let i = 0; i < 3; i++) {
      breaker.fire('cooldown');
      breaker.send(asked, failed(0.999, true));
      waits.push(breaker.timers['cooldown'] ?? 0);
    }
    expect(waits).toEqual([99, 199, 399, 799]);
  });

  it('tells how long to wait before the next dial while it is closed', () => {
    const breaker = at('closed');
    breaker.send(failed(0.999));
    expect(breaker.context).toMatchObject({ failures: 1, delayMs: 99 });
    breaker.send(failed(0.999));
    expect(breaker.context).toMatchObject({ failures: 2, delayMs: 199 });
  });

  it('has no clock running but while it is open', () => {
    for (const state of ['closed', 'halfOpen.ready', 'halfOpen.trying', 'halfOpen.probing'] as const)
      expect(at(state).timers).toEqual({});
  });
});

describe('the wait between dials', () => {
  it('is drawn evenly below a bound that doubles from 50 ms up to 10 s', () => {
    const bounds = { backoffMinMs: 50, backoffMaxMs: 10_000 };
    const ceilings = [0, 1, 2, 3, 7, 8, 60].map((failures) => backoffDelayMs(failures, 0.9999, bounds));
    expect(ceilings).toEqual([49, 99, 199, 399, 6399, 9999, 9999]);
    expect(backoffDelayMs(8, 0.25, bounds)).toBe(2500);
    expect(backoffDelayMs(8, 0, bounds)).toBe(1);
  });
});
