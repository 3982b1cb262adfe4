/** Members that are introduced to one another: a pool that begins whole, and goes on like any other. */
import type { WorldOptions } from '@cluster/sim';
import { describe, expect, it } from 'vitest';
import { CoreRig, alive, peer } from './core-rig.ts';
import { Pool } from './pool.ts';

const names = Array.from({ length: 12 }, (_, i) => `m${i + 1}`);

/** Nobody has joined anybody. */
function formed(seed: number, options: Partial<WorldOptions> = {}): Pool {
  const pool = new Pool(0, seed, {}, options);
  for (const name of names) pool.spawn(name, { tags: { rack: `r${name.length}` } });
  pool.world.runFor(50);
  const records = names.flatMap((name) => pool.engine(name).records());
  for (const name of names) pool.engine(name).introduce(records);
  return pool;
}

describe('a pool whose members are introduced to one another', () => {
  it('is whole at once, with the incarnations and tags that its members have, and says nothing of it', () => {
    const pool = formed(1);
    expect(pool.converged(names)).toBe(true);
    const viewOf = (name: string): unknown =>
      pool
        .engine(name)
        .members()
        .map(({ name: member, address, incarnation, tags }) => ({ member, address, incarnation, tags }))
        .sort((a, b) => (a.member < b.member ? -1 : 1));
    for (const name of names) expect(viewOf(name)).toEqual(viewOf('m1'));
    // Their own arrival is all that they have to tell.
    const waiting = names.map((name) =>
      pool.metrics.get(name)?.value('broadcast_queue_depth', { queue: 'claim' }),
    );
    expect(Math.max(...waiting.map((count) => count ?? 0))).toBeLessThanOrEqual(1);
    pool.world.runFor(10_000);
    expect(pool.converged(names)).toBe(true);
    expect(new Set(pool.seen.map(({ type }) => type))).toEqual(new Set(['Joined']));
    expect(names.map((name) => pool.metrics.get(name)?.value('refutation_count'))).toEqual(
      names.map(() => 0),
    );
  });

  it('finds out who has died, tells all of who comes, and hears what is said', () => {
    const pool = formed(2);
    const heard = new Set<string>();
    for (const name of names) pool.engine(name).onUserEvent(() => heard.add(name));
    pool.world.crash('m5');
    const survivors = names.filter((name) => name !== 'm5');
    expect(pool.world.runWhileNot(() => pool.agree(survivors, ['m5'], 'Dead'), 25_000)).toBe(true);
    expect(pool.agree(survivors, survivors, 'Alive')).toBe(true);
    pool.engine('m7').sendEvent('said', new Uint8Array(8));
    pool.spawn('late');
    pool.world.runFor(50);
    pool.join('late', 'm3');
    const all = [...survivors, 'late'];
    expect(pool.world.runWhileNot(() => pool.converged(all) && heard.size === 11, 5000)).toBe(true);
  });

  it('takes the same way for the same seed, traced or not, and another for another', () => {
    const digestOf = (seed: number, trace: boolean): number => {
      const pool = formed(seed, { trace });
      pool.world.runFor(3000);
      return pool.world.digest;
    };
    expect(digestOf(3, true)).toBe(digestOf(3, false));
    expect(digestOf(4, false)).not.toBe(digestOf(3, false));
  });

  it('is made of members that run', () => {
    const pool = new Pool(0, 5);
    pool.spawn('m1');
    expect(() => pool.engine('m1').introduce([])).toThrow(/not running/i);
  });
});

describe('a member to which others are introduced', () => {
  const introduce = (rig: CoreRig, ...members: readonly ReturnType<typeof peer>[]): void =>
    rig.input({ type: 'INTRODUCED', members });

  it('passes over itself and who is not alive, and keeps what it knows already', () => {
    const rig = CoreRig.with(['a']);
    introduce(
      rig,
      peer('me', 'alive', 7),
      peer('b', 'dead'),
      peer('c', 'left'),
      peer('a', 'alive', 9),
      peer('d'),
    );
    expect(rig.events).toEqual(['Joined d']);
    expect(rig.incarnationOf('a')).toBe(1);
    expect(rig.incarnationOf('me')).toBe(1);
    expect(rig.news).toEqual([]);
    rig.hear(alive('e'));
    expect(rig.news).toHaveLength(1);
  });

  it('counts whom it refuses, at its bounds as elsewhere', () => {
    const rig = CoreRig.with([], { membersMax: 3 });
    introduce(rig, { ...peer('a'), vsn: Uint8Array.of(9, 9, 9, 9, 9, 9) }, peer('b'), peer('c'), peer('d'));
    expect(rig.rejections).toEqual(['versions', 'members']);
    expect(rig.events).toEqual(['Joined b', 'Joined c']);
  });

  it('is not introduced to anybody before it has started', () => {
    const rig = new CoreRig();
    introduce(rig, peer('a'));
    expect(rig.core.members(0)).toHaveLength(1);
  });

  it('probes them in an order of its own, and begins the periods of so large a pool at a random moment', () => {
    const others = Array.from({ length: 100 }, (_, i) => peer(`p${i}`));
    const ways = Array.from({ length: 8 }, (_, seed) => {
      const rig = CoreRig.with([], { pushPullPeriodMs: 30_000 }, seed);
      introduce(rig, ...others);
      rig.answering = true;
      const pushPullMs = (rig.timers.get('pushPull') ?? 0) - rig.nowMs;
      rig.run(5000);
      return { pushPullMs, probed: rig.sent('ping').map(({ message }) => message.node) };
    });
    expect(new Set(ways.map(({ probed }) => probed.join(' '))).size).toBe(8);
    for (const { probed } of ways) expect(new Set(probed).size).toBe(probed.length);
    // 30 s, three times as long above 64 members.
    const times = ways.map(({ pushPullMs }) => pushPullMs);
    expect(Math.max(...times)).toBeGreaterThan(45_000);
    expect(Math.max(...times)).toBeLessThan(90_000);
    expect(Math.min(...times)).toBeLessThan(45_000);
  });
});
