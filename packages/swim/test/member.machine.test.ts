import { describe, expect, it } from 'vitest';
import type { MemberEvent } from '../src/core/member.machine.ts';
import type { Alive, Dead, Suspect } from '../src/core/messages.ts';
import { memberMachine } from '../src/machines.ts';
import { Rig } from './machine-rig.ts';

const address = { host: '10.0.0.9', port: 7946 };
const nothing = new Uint8Array(0);
const alive = (incarnation: number): Alive => ({
  type: 'alive',
  incarnation,
  node: 'x',
  address,
  meta: nothing,
  vsn: nothing,
});
const suspect = (incarnation: number): Suspect => ({ type: 'suspect', incarnation, node: 'x', from: 'a' });
const dead = (incarnation: number, from = 'a'): Dead => ({ type: 'dead', incarnation, node: 'x', from });

// What is on record is incarnation 5.
const heard = (incarnation: number, elsewhere = false, reclaimable = false): MemberEvent => ({
  type: 'ALIVE_HEARD',
  claim: alive(incarnation),
  known: 5,
  elsewhere,
  reclaimable,
});
const accused = (incarnation: number, isNewAccuser = true, timeoutMs = 400): MemberEvent => ({
  type: 'SUSPECT_HEARD',
  claim: suspect(incarnation),
  known: 5,
  isNewAccuser,
  timeoutMs,
  freshTimeoutMs: 1000,
});
const died = (incarnation: number): MemberEvent => ({
  type: 'DEAD_HEARD',
  claim: dead(incarnation),
  known: 5,
});
const left = (incarnation: number): MemberEvent => ({
  type: 'LEFT_HEARD',
  claim: dead(incarnation, 'x'),
  known: 5,
});

const inState = (state: 'alive' | 'suspect' | 'dead' | 'left'): Rig<typeof memberMachine> => {
  const rig = Rig.entity(memberMachine);
  if (state === 'suspect') rig.send(accused(5));
  if (state === 'dead') rig.send(died(5));
  if (state === 'left') rig.send(left(5));
  expect(rig.state).toBe(state);
  return rig;
};

describe('a member that is alive', () => {
  it('takes a newer record and ignores one as old as the known', () => {
    const rig = inState('alive');
    expect(rig.send(heard(6))).toEqual(['acceptAlive']);
    expect(rig.acts[0]?.params).toEqual({ claim: alive(6), notice: 'Updated' });
    expect(rig.send(heard(5))).toEqual([]);
    expect(rig.state).toBe('alive');
  });

  it('keeps its name against another address, however new the claim', () => {
    const rig = inState('alive');
    expect(rig.send(heard(9, true, true))).toEqual(['reportConflict']);
    expect(rig.state).toBe('alive');
  });

  it('becomes suspect by an accusation of its incarnation, not by an older one', () => {
    const rig = inState('alive');
    expect(rig.send(accused(4))).toEqual([]);
    expect(rig.state).toBe('alive');
    expect(rig.send(accused(5))).toEqual(['startSuspicion']);
    expect(rig.state).toBe('suspect');
    expect(rig.timers).toEqual([400]);
  });

  it('is believed dead or left of its incarnation, not of an older one', () => {
    const rig = inState('alive');
    expect(rig.send(died(4))).toEqual([]);
    expect(rig.send(left(4))).toEqual([]);
    expect(rig.state).toBe('alive');
    expect(rig.send(died(5))).toEqual(['acceptDeath']);
    expect(rig.state).toBe('dead');
    const other = inState('alive');
    expect(other.send(left(6))).toEqual(['acceptLeave']);
    expect(other.state).toBe('left');
  });

  it('is not reaped', () => {
    const rig = inState('alive');
    expect(rig.send({ type: 'REAP_DUE' })).toEqual([]);
    expect(rig.state).toBe('alive');
  });
});

describe('a member that is suspect', () => {
  it('is declared dead when the suspicion runs out', () => {
    const rig = inState('suspect');
    expect(rig.elapse()).toEqual(['declareDead']);
    expect(rig.state).toBe('dead');
    expect(rig.timers).toEqual([]);
  });

  it('refutes with a higher incarnation, which ends the timer, and not with the same', () => {
    const rig = inState('suspect');
    expect(rig.send(heard(5))).toEqual([]);
    expect(rig.state).toBe('suspect');
    expect(rig.send(heard(6))).toEqual(['acceptAlive']);
    expect(rig.acts[0]?.params).toEqual({ claim: alive(6), notice: 'Updated' });
    expect(rig.state).toBe('alive');
    expect(rig.timers).toEqual([]);
  });

  it('is not refuted from another address', () => {
    const rig = inState('suspect');
    expect(rig.send(heard(6, true))).toEqual(['reportConflict']);
    expect(rig.state).toBe('suspect');
    expect(rig.timers).toEqual([400]);
  });

  it('has less time left with each new accuser', () => {
    const rig = inState('suspect');
    expect(rig.send(accused(5, true, 150))).toEqual(['confirmSuspicion']);
    expect(rig.state).toBe('suspect');
    expect(rig.timers).toEqual([150]);
  });

  it('takes no notice of the same accuser again, nor of an old accusation', () => {
    const rig = inState('suspect');
    expect(rig.send(accused(5, false, 100))).toEqual([]);
    expect(rig.send(accused(4, true, 100))).toEqual([]);
    expect(rig.timers).toEqual([400]);
  });

  it('gets the whole time again when a newer incarnation is accused', () => {
    const rig = inState('suspect');
    expect(rig.send(accused(6, false, 10))).toEqual(['startSuspicion']);
    expect(rig.state).toBe('suspect');
    expect(rig.timers).toEqual([1000]);
  });

  it("takes another's verdict of death, and its own goodbye, unless they are old", () => {
    const rig = inState('suspect');
    expect(rig.send(died(4))).toEqual([]);
    expect(rig.send(left(4))).toEqual([]);
    expect(rig.state).toBe('suspect');
    expect(rig.send(died(5))).toEqual(['acceptDeath']);
    expect(rig.state).toBe('dead');
    expect(rig.timers).toEqual([]);
    const other = inState('suspect');
    expect(other.send(left(5))).toEqual(['acceptLeave']);
    expect(other.state).toBe('left');
    expect(other.timers).toEqual([]);
  });
});

describe('a member that is dead', () => {
  it('is not revived by a replay of its incarnation, and is by a newer one', () => {
    const rig = inState('dead');
    expect(rig.send(heard(5))).toEqual([]);
    expect(rig.state).toBe('dead');
    expect(rig.send(heard(6))).toEqual(['acceptAlive']);
    expect(rig.acts[0]?.params).toEqual({ claim: alive(6), notice: 'Joined' });
    expect(rig.state).toBe('alive');
  });

  it('keeps its name from other addresses until it has been dead for long enough', () => {
    const rig = inState('dead');
    expect(rig.send(heard(6, true, false))).toEqual(['reportConflict']);
    expect(rig.state).toBe('dead');
    expect(rig.send(heard(1, true, true))).toEqual(['acceptAlive']);
    expect(rig.state).toBe('alive');
  });

  it('hears no accusation and no second death', () => {
    const rig = inState('dead');
    expect([rig.send(accused(9)), rig.send(died(9))]).toEqual([[], []]);
    expect(rig.state).toBe('dead');
  });

  it('has left after all when its goodbye arrives late, unless the goodbye is of a former life', () => {
    const rig = inState('dead');
    expect(rig.send(left(4))).toEqual([]);
    expect(rig.state).toBe('dead');
    expect(rig.send(left(5))).toEqual(['acceptLeave']);
    expect(rig.acts[0]?.params).toEqual({ claim: dead(5, 'x') });
    expect(rig.state).toBe('left');
  });

  it('is forgotten when it is due', () => {
    const rig = inState('dead');
    expect(rig.send({ type: 'REAP_DUE' })).toEqual(['forget']);
    expect(rig.state).toBe('reaped');
  });
});

describe('a member that left', () => {
  it('joins again with a newer incarnation, or long after from another address, not by late gossip', () => {
    const rig = inState('left');
    expect(rig.send(heard(5))).toEqual([]);
    expect(rig.state).toBe('left');
    expect(rig.send(heard(6))).toEqual(['acceptAlive']);
    expect(rig.acts[0]?.params).toEqual({ claim: alive(6), notice: 'Joined' });
    expect(rig.state).toBe('alive');
    const other = inState('left');
    expect(other.send(heard(1, true, true))).toEqual(['acceptAlive']);
    expect(other.state).toBe('alive');
  });

  it('is believed to be at another address once nobody answers at the old one', () => {
    const rig = inState('left');
    expect(rig.send(heard(9, true))).toEqual(['askOldPlace']);
    expect(rig.acts[0]?.params).toEqual({ claim: alive(9) });
    expect(rig.state).toBe('left');
    expect(rig.send({ type: 'OLD_PLACE_ANSWERED', claim: alive(9) })).toEqual(['reportConflict']);
    expect(rig.acts[0]?.params).toEqual({ claim: alive(9) });
    expect(rig.state).toBe('left');
    expect(rig.send({ type: 'OLD_PLACE_SILENT', claim: alive(9) })).toEqual(['acceptAlive']);
    expect(rig.acts[0]?.params).toEqual({ claim: alive(9), notice: 'Joined' });
    expect(rig.state).toBe('alive');
  });

  it.each(['alive', 'suspect', 'dead'] as const)(
    'and is %s meanwhile is not where it was said to be',
    (state) => {
      const rig = inState(state);
      expect(rig.send({ type: 'OLD_PLACE_SILENT', claim: alive(9) })).toEqual([]);
      expect(rig.send({ type: 'OLD_PLACE_ANSWERED', claim: alive(9) })).toEqual([]);
      expect(rig.state).toBe(state);
    },
  );

  it('cannot fail any more, and is forgotten when it is due', () => {
    const rig = inState('left');
    expect([rig.send(accused(9)), rig.send(died(9)), rig.send(left(9))]).toEqual([[], [], []]);
    expect(rig.state).toBe('left');
    expect(rig.send({ type: 'REAP_DUE' })).toEqual(['forget']);
    expect(rig.state).toBe('reaped');
  });
});
