/** The small machines, edge by edge: a check of an address, the search for a pool after a restart, a conflict of names. */
import { describe, expect, it } from 'vitest';
import { checkMachine, conflictMachine, rejoinMachine } from '../src/machines.ts';
import { Rig } from './machine-rig.ts';

describe('an address that is being checked', () => {
  it('is there with the first answer', () => {
    const rig = Rig.entity(checkMachine);
    expect(rig.state).toBe('asking');
    expect(rig.send({ type: 'ANSWERED' })).toEqual(['confirm']);
    expect(rig.state).toBe('there');
  });

  it('is asked again while attempts are left, and silent after the last', () => {
    const rig = Rig.entity(checkMachine);
    expect(rig.send({ type: 'UNANSWERED', attemptsLeft: 1 })).toEqual(['ask']);
    expect(rig.state).toBe('asking');
    expect(rig.send({ type: 'UNANSWERED', attemptsLeft: 0 })).toEqual(['giveUp']);
    expect(rig.state).toBe('silent');
  });
});

describe('the search for those known before', () => {
  const searching = (): Rig<typeof rejoinMachine> => {
    const rig = Rig.instance(rejoinMachine);
    expect(rig.state).toBe('settled');
    expect(rig.send({ type: 'REMEMBERED', periodMs: 700 })).toContain('contactSome');
    expect(rig.state).toBe('searching');
    return rig;
  };

  it('tries again in every period', () => {
    const rig = searching();
    for (let i = 0; i < 3; i++) {
      expect(rig.timers).toEqual([700]);
      expect(rig.elapse()).toEqual(['contactSome']);
      expect(rig.state).toBe('searching');
    }
  });

  it.each([
    ['FOUND', ['keepMissing']],
    ['GIVEN_UP', []],
  ] as const)('ends with %s, and no timer is left', (type, acts) => {
    const rig = searching();
    expect(rig.send({ type })).toEqual(acts);
    expect(rig.state).toBe('settled');
    expect(rig.timers).toEqual([]);
  });
});

describe('a conflict of names', () => {
  const voting = (): Rig<typeof conflictMachine> => {
    const rig = Rig.instance(conflictMachine);
    expect(rig.send({ type: 'RIVAL_ANSWERED', resolve: true })).toEqual(['askPool']);
    expect(rig.state).toBe('voting');
    return rig;
  };
  const count = (voters: number, votes: number, ours: number) =>
    ({ type: 'VOTE_COUNTED', voters, votes, ours }) as const;

  it('is put to the pool only where that is configured, and once at a time', () => {
    const rig = Rig.instance(conflictMachine);
    expect(rig.send({ type: 'RIVAL_ANSWERED', resolve: false })).toEqual([]);
    expect(rig.state).toBe('undisputed');
    expect(voting().send({ type: 'RIVAL_ANSWERED', resolve: true })).toEqual([]);
  });

  it.each([
    ['nobody has answered', count(4, 0, 0)],
    ['there is nobody to ask', count(0, 0, 0)],
    ['half of the members have answered, all against us', count(4, 2, 0)],
    ['more have us at our address', count(5, 5, 3)],
  ])('leaves us the name when %s', (_name, votes) => {
    const rig = voting();
    expect(rig.send(votes)).toEqual([]);
    expect(rig.state).toBe('undisputed');
    expect(rig.send({ type: 'RIVAL_ANSWERED', resolve: true })).toEqual(['askPool']);
  });

  it.each([
    ['most have it elsewhere', count(5, 5, 2)],
    ['it is even', count(4, 4, 2)],
    ['most have answered, all against us', count(4, 3, 0)],
  ])('costs us the name when %s', (_name, votes) => {
    const rig = voting();
    expect(rig.send(votes)).toEqual(['giveUpName']);
    expect(rig.state).toBe('lost');
  });
});
