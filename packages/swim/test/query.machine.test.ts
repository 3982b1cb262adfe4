import { describe, expect, it } from 'vitest';
import { queryMachine } from '../src/machines.ts';
import { Rig } from './machine-rig.ts';

const asked = (): Rig<typeof queryMachine> => {
  const rig = Rig.entity(queryMachine);
  expect(rig.state).toBe('new');
  expect(rig.send({ type: 'ANSWERED', isNew: true })).toEqual([]);
  rig.send({ type: 'ASKED', timeoutMs: 700 });
  expect(rig.state).toBe('open');
  return rig;
};

describe('a query', () => {
  it('delivers every answer once while it is open', () => {
    const rig = asked();
    expect(rig.send({ type: 'ANSWERED', isNew: true })).toEqual(['deliverAnswer']);
    expect(rig.send({ type: 'ANSWERED', isNew: false })).toEqual([]);
    expect(rig.state).toBe('open');
  });

  it('is over after its time', () => {
    const rig = asked();
    expect(rig.timers).toEqual([700]);
    expect(rig.elapse()).toEqual(['finish']);
    expect(rig.state).toBe('closed');
  });

  it('is over when it is given up', () => {
    const rig = asked();
    expect(rig.send({ type: 'CANCELLED' })).toEqual(['finish']);
    expect(rig.state).toBe('closed');
    expect(rig.timers).toEqual([]);
  });
});
