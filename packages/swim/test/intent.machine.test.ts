import { describe, expect, it } from 'vitest';
import { intentMachine } from '../src/machines.ts';
import type { IntentEvent } from '../src/serf/intent.machine.ts';
import { Rig } from './machine-rig.ts';

// What is on record is of Lamport time 5.
const joins = (lTime: number): IntentEvent => ({ type: 'JOIN_INTENT', lTime, known: 5 });
const leaves = (lTime: number): IntentEvent => ({ type: 'LEAVE_INTENT', lTime, known: 5 });

const inState = (state: 'alive' | 'leaving' | 'failed' | 'left'): Rig<typeof intentMachine> => {
  const rig = Rig.entity(intentMachine);
  if (state === 'leaving') rig.send(leaves(6));
  if (state === 'failed') rig.send({ type: 'FAILED' });
  if (state === 'left') rig.send({ type: 'DEPARTED' });
  expect(rig.state).toBe(state);
  return rig;
};

describe('a member without an intent to leave', () => {
  it('is leaving once it says so, unless that is old news', () => {
    const rig = inState('alive');
    expect(rig.send(leaves(5))).toEqual([]);
    expect(rig.state).toBe('alive');
    expect(rig.send(leaves(6))).toEqual(['acceptIntent']);
    expect(rig.state).toBe('leaving');
  });

  it('stays when it says that it has joined', () => {
    const rig = inState('alive');
    expect(rig.send(joins(5))).toEqual([]);
    expect(rig.send(joins(6))).toEqual(['acceptIntent']);
    expect(rig.state).toBe('alive');
  });
});

describe('a member that is leaving', () => {
  it('has left when it falls silent, which membership took for a failure', () => {
    const rig = inState('leaving');
    expect(rig.send({ type: 'FAILED' })).toEqual(['declareLeft']);
    expect(rig.state).toBe('left');
  });

  it('has left when membership says the same', () => {
    const rig = inState('leaving');
    expect(rig.send({ type: 'DEPARTED' })).toEqual([]);
    expect(rig.state).toBe('left');
  });

  it('stays after all when it has joined since, and not by an older join or a refuted suspicion', () => {
    const rig = inState('leaving');
    expect(rig.send(joins(5))).toEqual([]);
    expect(rig.send({ type: 'ARRIVED' })).toEqual([]);
    expect(rig.state).toBe('leaving');
    expect(rig.send(leaves(7))).toEqual(['acceptIntent']);
    expect(rig.state).toBe('leaving');
    expect(rig.send(joins(6))).toEqual(['acceptIntent']);
    expect(rig.state).toBe('alive');
  });
});

describe('a member that failed', () => {
  it('has left when its intent, or an operator, says so later', () => {
    const rig = inState('failed');
    expect(rig.send(leaves(5))).toEqual([]);
    expect(rig.state).toBe('failed');
    expect(rig.send(leaves(6))).toEqual(['acceptIntent', 'declareLeft']);
    expect(rig.state).toBe('left');
  });

  it('is back when membership has it back, and has left when membership hears its goodbye', () => {
    const rig = inState('failed');
    expect(rig.send(joins(6))).toEqual(['acceptIntent']);
    expect(rig.state).toBe('failed');
    expect(rig.send({ type: 'ARRIVED' })).toEqual([]);
    expect(rig.state).toBe('alive');
    const other = inState('failed');
    expect(other.send({ type: 'DEPARTED' })).toEqual([]);
    expect(other.state).toBe('left');
  });
});

describe('a member that left', () => {
  it('is back when membership has it back; nothing else brings it', () => {
    const rig = inState('left');
    expect(rig.send(leaves(6))).toEqual(['acceptIntent']);
    expect(rig.send(joins(7))).toEqual(['acceptIntent']);
    expect(rig.send({ type: 'FAILED' })).toEqual([]);
    expect(rig.state).toBe('left');
    expect(rig.send({ type: 'ARRIVED' })).toEqual([]);
    expect(rig.state).toBe('alive');
  });
});
