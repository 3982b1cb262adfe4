import { describe, expect, it } from 'vitest';
import { Freshness } from '../src/freshness.ts';
import { failure, FakeLog, ManualClock, settle } from './fakes.ts';

const setUp = (maxStalenessMs = 1000) => {
  const [clock, log] = [new ManualClock(), new FakeLog()];
  return { clock, log, make: () => new Freshness({ clock, log, maxStalenessMs }) };
};

describe('a replica', () => {
  it('is behind from its start until a point of the log taken then is applied', async () => {
    const { log, make } = setUp();
    let applied: (index: number) => void = () => undefined;
    log.barrierPlan = () => new Promise((resolve) => (applied = resolve));
    const freshness = make();
    await settle();
    expect(freshness.isFresh).toBe(false);
    applied(7);
    await settle();
    expect(freshness.isFresh).toBe(true);
    expect(log.barriers).toBe(1);
  });

  it('asks again while there is no leader, and no more once its log has stopped', async () => {
    const { clock, log, make } = setUp();
    log.barrierPlan = () => Promise.reject(failure('RAFT_NO_LEADER', 'safe'));
    const freshness = make();
    await clock.advance(120);
    expect(log.barriers).toBe(3);
    log.barrierPlan = () => Promise.reject(failure('RAFT_STOPPED', 'safe'));
    await clock.advance(1000);
    expect(log.barriers).toBe(4);
    expect(freshness.isFresh).toBe(false);
  });

  it('without a leader for too long is behind, until it has caught up with the next', async () => {
    const { clock, log, make } = setUp();
    const freshness = make();
    await settle();
    log.lead(null);
    await clock.advance(1000);
    expect(freshness.isFresh).toBe(true);
    await clock.advance(1);
    expect(freshness.isFresh).toBe(false);
    let applied: (index: number) => void = () => undefined;
    log.barrierPlan = () => new Promise((resolve) => (applied = resolve));
    log.lead('n2');
    await settle();
    expect(freshness.isFresh).toBe(false);
    applied(9);
    await settle();
    expect(freshness.isFresh).toBe(true);
  });

  it('takes a short election for nothing', async () => {
    const { clock, log, make } = setUp();
    const freshness = make();
    await settle();
    log.lead(null);
    await clock.advance(500);
    log.lead('n2');
    expect(freshness.isFresh).toBe(true);
    await clock.advance(10_000);
    expect([freshness.isFresh, log.barriers]).toEqual([true, 1]);
  });

  it('that does not get on with applying what is committed is behind; one that always trails a little is not', async () => {
    const { clock, log, make } = setUp();
    const freshness = make();
    await settle();
    for (let index = 10; index < 50; index++) {
      log.state = { ...log.state, commitIndex: index, appliedIndex: index - 2 };
      await clock.advance(500);
      expect(freshness.isFresh).toBe(true);
    }
    log.state = { ...log.state, commitIndex: 60 };
    await clock.advance(500);
    expect(freshness.isFresh).toBe(true);
    await clock.advance(1500);
    expect(freshness.isFresh).toBe(false);
    log.state = { ...log.state, appliedIndex: 60 };
    expect(freshness.isFresh).toBe(true);
  });

  it('is always fresh enough, and costs the log nothing, where any age is allowed', async () => {
    const { log, make } = setUp(0);
    log.barrierPlan = () => Promise.reject(failure('RAFT_NO_LEADER', 'safe'));
    expect(make().isFresh).toBe(true);
    expect(log.barriers).toBe(0);
  });
});
