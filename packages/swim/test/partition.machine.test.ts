import { describe, expect, it } from 'vitest';
import { partitionMachine } from '../src/machines.ts';
import { Rig } from './machine-rig.ts';

type Partition = Rig<typeof partitionMachine>;
const timings = {
  stableMs: 7000,
  unstableMs: 12_250,
  minorityDelayMs: 2000,
  leaseTimeoutMs: 9000,
  shrinkAfterMs: 10_000,
};
const changed = (missing: number, lost = missing, returned = 0) =>
  ({ type: 'SIDE_CHANGED', missing, lost, returned }) as const;
const verdict = { expendable: false, quorate: false, needsLease: false, majority: false };
const judged = (more: Partial<typeof verdict>) => ({ type: 'JUDGED', ...verdict, ...more }) as const;
const reasonOf = (rig: Partition): unknown => rig.acts.find(({ type }) => type === 'standDown')?.params;

const entering = (): Partition => {
  const rig = Rig.instance(partitionMachine);
  rig.send({ type: 'ROSTERED', timings });
  return rig;
};
const whole = (): Partition => {
  const rig = entering();
  rig.send({ type: 'QUORUM_REGAINED', missing: 0 });
  return rig;
};
const suspected = (): Partition => {
  const rig = whole();
  rig.send(changed(2));
  return rig;
};
const deciding = (): Partition => {
  const rig = suspected();
  rig.elapseAfter(7000);
  return rig;
};
const upheld = (): Partition => {
  const rig = deciding();
  rig.send(judged({ quorate: true }));
  return rig;
};
const deferring = (): Partition => {
  const rig = deciding();
  rig.send(judged({ needsLease: true }));
  return rig;
};
const asking = (): Partition => {
  const rig = deciding();
  rig.send(judged({ needsLease: true, majority: true }));
  return rig;
};
const downed = (): Partition => {
  const rig = deciding();
  rig.send(judged({}));
  return rig;
};
const rostered = { entering, whole, suspected, deciding, deferring, asking, upheld };

describe('a node', () => {
  it('is joining until it is on the roster, and counts for nothing', () => {
    const rig = Rig.instance(partitionMachine);
    expect(rig.state).toBe('joining');
    expect(rig.send({ type: 'QUORUM_REGAINED', missing: 0 })).toEqual([]);
    expect(rig.state).toBe('joining');
    rig.send({ type: 'ROSTERED', timings });
    expect(rig.state).toBe('rostered.entering');
  });

  it('enters when a quorum lets it in, into a whole cluster', () => {
    const rig = entering();
    expect(rig.send({ type: 'QUORUM_REGAINED', missing: 0 })).toEqual(['reportHealed']);
    expect(rig.state).toBe('rostered.whole');
  });

  it('or into one that is cut already', () => {
    const rig = entering();
    expect(rig.send({ type: 'QUORUM_REGAINED', missing: 1 })).toEqual(['reportPartition']);
    expect(rig.state).toBe('rostered.suspected.settling');
  });

  it('that has not been let in yet does not mind who is missing', () => {
    const rig = entering();
    expect(rig.send(changed(2))).toEqual([]);
    expect(rig.state).toBe('rostered.entering');
  });

  it('that is told of a larger roster waits longer from then on', () => {
    const rig = whole();
    expect(rig.send({ type: 'ROSTERED', timings: { ...timings, stableMs: 8000 } })).toEqual([]);
    expect(rig.state).toBe('rostered.whole');
    rig.send(changed(1));
    expect(rig.timers).toContain(8000);
  });
});

describe.each(Object.entries(rostered))('a node that is %s', (_name, make) => {
  it('stands down when it is off the roster, and waits to be on it again', () => {
    const rig = make();
    expect(rig.send({ type: 'UNROSTERED' })).toEqual(['standDown']);
    expect(reasonOf(rig)).toEqual({ reason: 'unrostered' });
    expect(rig.state).toBe('joining');
    expect(rig.timers).toEqual([]);
  });

  it('stands down when the other side lives on without it', () => {
    const rig = make();
    expect(rig.send({ type: 'FENCED' })).toEqual(['standDown']);
    expect(reasonOf(rig)).toEqual({ reason: 'fenced' });
    expect(rig.state).toBe('downed');
    expect(rig.timers).toEqual([]);
  });
});

describe('a partition', () => {
  it('is suspected when members are missing', () => {
    const rig = whole();
    expect(rig.send(changed(0))).toEqual([]);
    expect(rig.state).toBe('rostered.whole');
    expect(rig.send(changed(1))).toEqual(['reportPartition']);
    expect(rig.state).toBe('rostered.suspected.settling');
    expect(rig.timers.toSorted((a, b) => a - b)).toEqual([7000, 12_250]);
  });

  it('is over when all are back before it was decided', () => {
    const rig = suspected();
    expect(rig.send(changed(0))).toEqual(['reportHealed']);
    expect(rig.state).toBe('rostered.whole');
    expect(rig.timers).toEqual([]);
  });

  it('is decided when reachability has stood still', () => {
    const rig = suspected();
    expect(rig.elapseAfter(7000)).toEqual(['weigh']);
    expect(rig.state).toBe('rostered.deciding');
    expect(rig.timers).toEqual([]);
  });

  // Another roster arms other timers, which shows what is armed anew.
  const later = { type: 'ROSTERED', timings: { ...timings, stableMs: 8000, unstableMs: 14_000 } } as const;
  const timersOf = (rig: Partition): number[] => rig.timers.toSorted((a, b) => a - b);

  it('that only grows is one whose members are found dead one after another: window and deadline begin anew', () => {
    const rig = suspected();
    rig.send(later);
    expect(timersOf(rig)).toEqual([7000, 12_250]);
    expect(rig.send(changed(3, 1))).toEqual([]);
    expect(rig.state).toBe('rostered.suspected.settling');
    expect(timersOf(rig)).toEqual([8000, 14_000]);
  });

  it('from which some come back starts the window anew, but not the deadline, and so does every change after it', () => {
    const rig = suspected();
    rig.send(later);
    expect(rig.send(changed(2, 1, 1))).toEqual([]);
    expect(rig.state).toBe('rostered.suspected.wavering');
    expect(timersOf(rig)).toEqual([8000, 12_250]);
    rig.send({ ...later, timings: { ...timings, stableMs: 9000, unstableMs: 15_000 } });
    expect(rig.send(changed(3, 1))).toEqual([]);
    expect(rig.state).toBe('rostered.suspected.wavering');
    expect(timersOf(rig)).toEqual([9000, 12_250]);
    expect(rig.elapseAfter(9000)).toEqual(['weigh']);
    expect(rig.state).toBe('rostered.deciding');
  });

  it('that has wavered is over when all are back', () => {
    const rig = suspected();
    rig.send(changed(1, 0, 1));
    expect(rig.send(changed(0, 0, 1))).toEqual(['reportHealed']);
    expect(rig.state).toBe('rostered.whole');
  });

  it('that never stands still downs the node', () => {
    const rig = suspected();
    expect(rig.elapseAfter(12_250)).toEqual(['standDown']);
    expect(reasonOf(rig)).toEqual({ reason: 'unstable' });
    expect(rig.state).toBe('downed');
  });
});

describe('the verdict', () => {
  it('gives up an indirectly connected node first, whatever else holds', () => {
    const rig = deciding();
    rig.send(judged({ expendable: true, quorate: true, needsLease: true, majority: true }));
    expect(reasonOf(rig)).toEqual({ reason: 'expendable' });
    expect(rig.state).toBe('downed');
  });

  it('upholds a side with quorum', () => {
    const rig = deciding();
    expect(rig.send(judged({ quorate: true }))).toEqual(['fenceMissing']);
    expect(rig.state).toBe('rostered.upheld');
  });

  it('downs a side without', () => {
    const rig = deciding();
    expect(rig.send(judged({}))).toEqual(['standDown']);
    expect(reasonOf(rig)).toEqual({ reason: 'minority' });
    expect(rig.state).toBe('downed');
  });

  it('lets a majority ask for the lease at once', () => {
    const rig = deciding();
    expect(rig.send(judged({ needsLease: true, majority: true, quorate: true }))).toEqual(['askLease']);
    expect(rig.state).toBe('rostered.asking');
  });

  it('lets a minority ask later, quorate by the old lease or not', () => {
    const rig = deciding();
    expect(rig.send(judged({ needsLease: true, quorate: true }))).toEqual([]);
    expect(rig.state).toBe('rostered.deferring');
    expect(rig.elapse()).toEqual(['askLease']);
    expect(rig.state).toBe('rostered.asking');
  });
});

describe('the lease', () => {
  it('won, upholds the side', () => {
    const rig = asking();
    expect(rig.send({ type: 'LEASE_WON' })).toEqual(['fenceMissing']);
    expect(rig.state).toBe('rostered.upheld');
    expect(rig.timers).toEqual([10_000]);
  });

  it('not won in time, downs it', () => {
    const rig = asking();
    expect(rig.timers).toEqual([9000]);
    expect(rig.elapse()).toEqual(['standDown']);
    expect(reasonOf(rig)).toEqual({ reason: 'no_lease' });
    expect(rig.state).toBe('downed');
  });

  it.each([deferring, asking])('is not needed once all are back', (make) => {
    const rig = make();
    expect(rig.send(changed(1, 0))).toEqual([]);
    expect(rig.send(changed(0))).toEqual(['reportHealed']);
    expect(rig.state).toBe('rostered.whole');
    expect(rig.timers).toEqual([]);
  });

  it('is of no use to who has not asked for it', () => {
    const rig = deferring();
    expect(rig.send({ type: 'LEASE_WON' })).toEqual([]);
    expect(rig.state).toBe('rostered.deferring');
  });
});

describe('an upheld side', () => {
  it('is whole again when all are back', () => {
    const rig = upheld();
    expect(rig.send(changed(0))).toEqual(['reportHealed']);
    expect(rig.state).toBe('rostered.whole');
  });

  it('goes on when some are', () => {
    const rig = upheld();
    expect(rig.send(changed(1, 0))).toEqual([]);
    expect(rig.state).toBe('rostered.upheld');
  });

  it('is uncertain again when it loses more', () => {
    const rig = upheld();
    expect(rig.send(changed(3, 1))).toEqual([]);
    expect(rig.state).toBe('rostered.suspected.settling');
  });

  it('proposes to shrink the roster each time it has lasted for the window', () => {
    const rig = upheld();
    for (let turn = 0; turn < 2; turn++) {
      expect(rig.elapse()).toEqual(['proposeShrink', 'fenceMissing']);
      expect(rig.state).toBe('rostered.upheld');
      expect(rig.timers).toEqual([10_000]);
    }
  });
});

describe('a downed node', () => {
  it('comes back as a new life only', () => {
    const rig = downed();
    expect(rig.send({ type: 'QUORUM_REGAINED', missing: 0 })).toEqual([]);
    expect(rig.send(changed(0))).toEqual([]);
    expect(rig.state).toBe('downed');
    rig.send({ type: 'REJOIN', rostered: true });
    expect(rig.state).toBe('rostered.entering');
  });

  it('comes back as a stranger when it is off the roster', () => {
    const rig = downed();
    rig.send({ type: 'REJOIN', rostered: false });
    expect(rig.state).toBe('joining');
  });
});
