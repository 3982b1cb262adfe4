/** What outlives a restart, in the simulated world: the members known, the keys, and who may come back under a name. */
import { type Disk, type Outcome, toPromise } from '@cluster/core';
import { diskPeers, type KeyStore, type SavedPeer } from '@cluster/swim';
import { keyring } from '@cluster/swim/node';
import { describe, expect, it } from 'vitest';
import { GossipKeys } from '../src/engine/gossip-keys.ts';
import { Pool } from './pool.ts';

/** Members that keep who they know, and never join by seeds after their first life. */
function keeping(count: number, seed: number, config: ConstructorParameters<typeof Pool>[2] = {}): Pool {
  const pool = new Pool(0, seed, {}, {}, (_name, ports) => ({ peers: diskPeers(ports.disk, 'swim') }));
  const names = Array.from({ length: count }, (_, i) => `m${i + 1}`);
  for (const name of names) pool.spawn(name, config);
  pool.world.runFor(50);
  for (const name of names.slice(1)) pool.join(name, 'm1');
  expect(pool.world.runWhileNot(() => pool.converged(names), 40_000)).toBe(true);
  // The memory of the last arrival is written.
  pool.world.runFor(2000);
  return pool;
}

describe('a member that restarts', () => {
  it('finds the pool by those it knew, without seeds', () => {
    const pool = keeping(4, 1);
    pool.world.crash('m3');
    pool.world.runFor(20_000);
    pool.world.restart('m3');
    // Long before one of them tries it again.
    expect(pool.world.runWhileNot(() => pool.converged(['m1', 'm2', 'm3', 'm4']), 3000)).toBe(true);
  });

  it('finds the pool also when all that it knew had failed in its eyes, and when the whole pool was down', () => {
    const names = ['m1', 'm2', 'm3', 'm4'];
    const pool = keeping(4, 2);
    // Cut off, m4 sees the others fail; then all go down.
    pool.world.partition([['m4'], ['m1', 'm2', 'm3']]);
    expect(pool.world.runWhileNot(() => pool.agree(['m4'], ['m1', 'm2', 'm3'], 'Dead'), 40_000)).toBe(true);
    pool.world.runFor(2000);
    for (const name of names) pool.world.crash(name);
    pool.world.heal();
    pool.world.runFor(5000);
    pool.world.restart('m4');
    // Alone for a while: it goes on trying.
    pool.world.runFor(17_000);
    for (const name of names.slice(0, 3)) pool.world.restart(name);
    expect(pool.world.runWhileNot(() => pool.converged(names), 60_000)).toBe(true);
  });

  it('again and again while it is alone forgets nobody', () => {
    const pool = keeping(2, 12);
    for (const name of ['m1', 'm2']) pool.world.crash(name);
    for (const name of ['m1', 'm2', 'm1', 'm2']) {
      pool.world.restart(name);
      pool.world.runFor(3000);
      pool.world.crash(name);
      pool.world.runFor(100);
    }
    for (const name of ['m1', 'm2']) pool.world.restart(name);
    expect(pool.world.runWhileNot(() => pool.converged(['m1', 'm2']), 10_000)).toBe(true);
  });

  it('within a partition finds the other side again, also when all of both sides have, one by one', () => {
    const [left, right] = [
      ['m1', 'm2', 'm3'],
      ['m4', 'm5', 'm6'],
    ] as const;
    const pool = keeping(6, 9, { reconnectPeriodMs: 5000 });
    pool.world.partition([left, right]);
    expect(pool.world.runWhileNot(() => pool.agree(left, right, 'Dead'), 40_000)).toBe(true);
    for (const name of [...left, ...right]) {
      pool.world.crash(name);
      pool.world.runFor(1000);
      pool.world.restart(name);
      const side = [left, right].find((names) => names.some((one) => one === name)) ?? [];
      expect(pool.world.runWhileNot(() => pool.converged(side), 40_000)).toBe(true);
      pool.world.runFor(2000);
    }
    // Once more: whom it has not met since is remembered over the next restart too.
    for (const name of left) pool.world.crash(name);
    for (const name of left) pool.world.restart(name);
    expect(pool.world.runWhileNot(() => pool.converged(left), 40_000)).toBe(true);
    // Attempts of the search that are still under way must not be what brings them together.
    pool.world.runFor(15_000);
    pool.world.heal();
    expect(pool.world.runWhileNot(() => pool.converged([...left, ...right]), 60_000)).toBe(true);
  });

  it('does not look for those that left while it was down', () => {
    const pool = keeping(3, 10, { reconnectPeriodMs: 1000 });
    pool.world.crash('m3');
    pool.world.runFor(10_000);
    let left = false;
    pool.engine('m2').leave(() => (left = true));
    expect(pool.world.runWhileNot(() => left, 10_000)).toBe(true);
    pool.world.crash('m2');
    pool.world.restart('m3');
    expect(pool.world.runWhileNot(() => pool.converged(['m1', 'm3']), 10_000)).toBe(true);
    const exchanges = (): number => pool.metrics.get('m3')?.value('push_pull_count') ?? 0;
    const before = exchanges();
    pool.world.runFor(20_000);
    // No more than the period's with m1, and what comes of being found dead.
    expect(exchanges() - before).toBeLessThanOrEqual(2);
  });

  it('is not told again what was said before it went', () => {
    const names = ['m1', 'm2', 'm3'];
    const pool = keeping(3, 11);
    const heard: string[] = [];
    pool.engine('m1').sendEvent('before', new Uint8Array(0));
    pool.world.runFor(3000);
    pool.world.crash('m3');
    pool.world.runFor(1000);
    pool.world.restart('m3');
    pool.engine('m3').onUserEvent(({ name }) => heard.push(`m3 ${name}`));
    expect(pool.world.runWhileNot(() => pool.converged(names), 10_000)).toBe(true);
    pool.world.runFor(60_000);
    pool.engine('m1').sendEvent('after', new Uint8Array(0));
    pool.world.runFor(3000);
    expect(heard).toEqual(['m3 after']);
  });

  it('that was stopped knows also whom it met last', () => {
    const pool = new Pool(0, 4, {}, {}, (_name, ports) => ({ peers: diskPeers(ports.disk, 'swim') }));
    for (const name of ['m1', 'm2']) pool.spawn(name);
    pool.world.runFor(50);
    pool.join('m2', 'm1');
    expect(pool.world.runWhileNot(() => pool.converged(['m1', 'm2']), 400)).toBe(true);
    let kept = false;
    pool.engine('m2').stop(() => (kept = true));
    expect(kept).toBe(false);
    expect(pool.world.runWhileNot(() => kept, 1000)).toBe(true);
    pool.world.crash('m2', { keepsMemory: true });
    pool.world.runFor(10);
    pool.world.restart('m2');
    expect(pool.world.runWhileNot(() => pool.converged(['m1', 'm2']), 3000)).toBe(true);
  });

  it('survives power cuts while it writes: what it knows is the old or the new', () => {
    const names = ['m1', 'm2', 'm3'];
    const pool = keeping(3, 3);
    for (let i = 0; i < 20; i++) {
      const victim = names[i % 3] as string;
      pool.engine(victim).setTags({ round: String(i) });
      pool.world.runFor(500 + pool.world.prng.float() * 20);
      pool.world.crash(victim);
      pool.world.runFor(100);
      pool.world.restart(victim);
      expect(pool.world.runWhileNot(() => pool.converged(names), 60_000)).toBe(true);
    }
  });

  it.each([
    [false, 1],
    [true, 3],
  ])('after it left (rejoinAfterLeave: %s) knows of %i members', (rejoinAfterLeave, count) => {
    const pool = keeping(3, 4, { rejoinAfterLeave });
    let left = false;
    pool.engine('m3').leave(() => (left = true));
    expect(pool.world.runWhileNot(() => left, 10_000)).toBe(true);
    pool.world.runFor(2000);
    pool.world.crash('m3');
    pool.world.runFor(2000);
    expect(pool.stateOf('m1', 'm3')).toBe('Left');
    pool.world.restart('m3');
    pool.world.runFor(20_000);
    expect(pool.engine('m3').members()).toHaveLength(count);
    // Told to join again, it is a member as before (memberlist #140, #217).
    expect(pool.join('m3', 'm1')).toMatchObject({ ok: true, value: 1 });
    expect(pool.world.runWhileNot(() => pool.converged(['m1', 'm2', 'm3']), 40_000)).toBe(true);
  });

  it('goes on without a memory that is damaged', () => {
    const pool = new Pool(0, 5);
    let disk: Disk | null = null;
    pool.world.spawn('host', (ports) => {
      disk = ports.disk;
      return { stop: () => undefined };
    });
    const store = diskPeers(disk as unknown as Disk, 'swim');
    const peers: SavedPeer[] = [{ name: 'x', address: { host: '10.0.0.9', port: 1 }, alive: false }];
    const outcomes: Outcome<readonly SavedPeer[] | void>[] = [];
    const settle = (act: (done: (outcome: (typeof outcomes)[number]) => void) => void): void => {
      act((outcome) => outcomes.push(outcome));
      pool.world.runFor(1000);
    };
    settle((done) => store.load(done));
    settle((done) => store.store(peers, done));
    settle((done) => store.load(done));
    settle((done) =>
      (disk as unknown as Disk).open('swim/peers', { create: false }, (opened) => {
        if (opened.ok) opened.value.write(3, Uint8Array.of(0xff, 0xff), done);
      }),
    );
    settle((done) => store.load(done));
    expect(outcomes).toMatchObject([
      { ok: true, value: [] },
      { ok: true },
      { ok: true, value: peers },
      { ok: true },
      { ok: false, error: { code: 'SWIM_FILE_DAMAGED' } },
    ]);
    const damaged = outcomes.at(-1) as Outcome<readonly SavedPeer[]>;
    const alone = new Pool(0, 6, {}, {}, () => ({
      peers: { load: (done) => done(damaged), store: (_peers, done) => done({ ok: true, value: undefined }) },
    }));
    alone.spawn('alone');
    alone.world.runFor(100);
    expect(alone.engine('alone').agentState).toBe('running.settled');
  });

  it('by another address is taken back once the old one has been dead for a while', () => {
    const pool = new Pool(0, 7);
    for (const name of ['m1', 'm2', 'old']) pool.spawn(name, name === 'old' ? { name: 'mover' } : {});
    pool.world.runFor(50);
    for (const name of ['m2', 'old']) pool.join(name, 'm1');
    pool.world.runFor(3000);
    pool.world.crash('old');
    // At a new address under the old name, at once, and with no record of its former incarnation.
    pool.spawn('new', { name: 'mover' });
    pool.world.runFor(50);
    pool.join('new', 'm1');
    const addressAt = (on: string): string | undefined =>
      pool
        .engine(on)
        .members()
        .find(({ name, state }) => name === 'mover' && state === 'Alive')?.address.host;
    const moved = pool.world.addressOf('new');
    expect(pool.world.runWhileNot(() => ['m1', 'm2'].every((on) => addressAt(on) === moved), 90_000)).toBe(
      true,
    );
    // It was never in danger of its name: nobody answers at the old address.
    expect(pool.engine('new').agentState).toBe('running.settled');
  });
});

describe('a member that left', () => {
  it('is taken back at another address as soon as nobody answers at the old one', () => {
    const others = Array.from({ length: 7 }, (_, i) => `m${i + 1}`);
    const pool = new Pool(0, 8);
    for (const name of others) pool.spawn(name);
    pool.spawn('old', { name: 'mover' });
    pool.world.runFor(50);
    for (const name of [...others.slice(1), 'old']) pool.join(name, 'm1');
    expect(pool.world.runWhileNot(() => pool.agree(others, [...others, 'mover'], 'Alive'), 40_000)).toBe(
      true,
    );
    let left = false;
    pool.engine('old').leave(() => (left = true));
    expect(pool.world.runWhileNot(() => left, 5000)).toBe(true);
    pool.world.crash('old');
    // With no record of its former incarnation.
    pool.spawn('new', { name: 'mover' });
    pool.world.runFor(50);
    pool.join('new', 'm1');
    const moved = pool.world.addressOf('new');
    const has = (on: string): boolean =>
      pool
        .engine(on)
        .members()
        .some(({ name, state, address }) => name === 'mover' && state === 'Alive' && address.host === moved);
    // Three pings of the old address, and the gossip.
    expect(pool.world.runWhileNot(() => others.every(has), 3000)).toBe(true);
    expect(pool.engine('new').agentState).toBe('running.settled');
  });
});

describe('keys that were changed', () => {
  const [one, two, three] = [1, 2, 3].map((n) => Buffer.alloc(32, n).toString('base64')) as [
    string,
    string,
    string,
  ];
  const bytes = (key: string): Uint8Array => Buffer.from(key, 'base64');

  it('are in force again after a restart, in their order, unless others are configured by then', async () => {
    let saved: Parameters<KeyStore['store']>[0] | null = null;
    const store = {
      load: () => undefined,
      store: (value: NonNullable<typeof saved>, done: (outcome: Outcome<void>) => void) => {
        saved = value;
        done({ ok: true, value: undefined });
      },
    };
    const keys = new GossipKeys([one], keyring([one]).keys, store);
    const change = (what: 'install' | 'use' | 'remove', key: string): Promise<void> =>
      toPromise<void>((done) => keys.change(what, bytes(key), done));
    await change('install', two);
    await change('install', three);
    await change('use', three);
    await change('remove', one);
    expect(keys.list()).toEqual([three, two]);
    const restarted = (configured: string[]): readonly string[] | undefined => {
      const next = new GossipKeys(configured, keyring(configured).keys, undefined);
      next.restore(saved);
      return next.list();
    };
    expect(restarted([one])).toEqual([three, two]);
    expect(restarted([two])).toEqual([two]);
    expect(restarted([one, two])).toEqual([one, two]);
  });

  it('that cannot be stored are in force, and say so', async () => {
    const full = { ok: false, error: { line: 'no room' } } as unknown as Outcome<void>;
    const keys = new GossipKeys([one], keyring([one]).keys, {
      load: () => undefined,
      store: (_value, done) => done(full),
    });
    await expect(toPromise<void>((done) => keys.change('install', bytes(two), done))).rejects.toMatchObject({
      code: 'SWIM_KEYS_NOT_STORED',
    });
    expect(keys.list()).toEqual([one, two]);
  });
});
