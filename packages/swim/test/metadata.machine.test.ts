import { describe, expect, it } from 'vitest';
import { metadataMachine } from '../src/machines.ts';
import { Rig } from './machine-rig.ts';

const [firstMs, periodMs, gossipPeriodMs] = [300, 5000, 200];
const begun = (): Rig<typeof metadataMachine> =>
  Rig.instance(metadataMachine, { firstMs, periodMs, gossipPeriodMs });

describe('anti-entropy', () => {
  it('begins at a moment of its own, and then compares once a period', () => {
    const rig = begun();
    expect(rig.timers).toEqual([firstMs]);
    expect(rig.elapseAfter(firstMs)).toEqual(['compare']);
    expect(rig.timers).toEqual([periodMs]);
    expect(rig.elapseAfter(periodMs)).toEqual(['compare']);
    expect(rig.timers).toEqual([periodMs]);
  });

  it('introduces itself to the first peer at once, before its first comparison and after', () => {
    const rig = begun();
    expect(rig.send({ type: 'ACQUAINTED' })).toEqual(['introduce']);
    expect(rig.timers).toEqual([periodMs]);
    expect(rig.send({ type: 'ACQUAINTED' })).toEqual(['introduce']);
    expect(rig.timers).toEqual([periodMs]);
    expect(rig.elapseAfter(periodMs)).toEqual(['compare']);
  });
});

describe('rumours', () => {
  it('offer news at once and in every gossip period, until it has spread', () => {
    const rig = begun();
    expect(rig.send({ type: 'NEWS' })).toEqual(['offerNews']);
    expect(rig.elapseAfter(gossipPeriodMs)).toEqual(['offerNews']);
    expect(rig.elapseAfter(gossipPeriodMs)).toEqual(['offerNews']);
    expect(rig.send({ type: 'NEWS_SPREAD' })).toEqual([]);
    expect(rig.timers).toEqual([firstMs]);
    expect(rig.send({ type: 'NEWS' })).toEqual(['offerNews']);
  });

  it('send more news with the next round, not at once', () => {
    const rig = begun();
    rig.send({ type: 'NEWS' });
    expect(rig.send({ type: 'NEWS' })).toEqual([]);
    expect(rig.timers).toEqual([firstMs, gossipPeriodMs]);
  });

  it('do not hold up comparison', () => {
    const rig = begun();
    rig.send({ type: 'NEWS' });
    expect(rig.elapseAfter(firstMs)).toEqual(['compare']);
    expect(rig.timers).toEqual([gossipPeriodMs, periodMs]);
  });
});
