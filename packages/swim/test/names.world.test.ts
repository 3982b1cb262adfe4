/** Who is let in, and who keeps a name, in the simulated world. */
import { describe, expect, it } from 'vitest';
import { decodeNameAnswer, encodeNameAnswer } from '../src/wire.ts';
import { Pool } from './pool.ts';

function pooled(names: readonly string[], seed: number): Pool {
  const pool = new Pool(0, seed);
  for (const name of names) pool.spawn(name);
  pool.world.runFor(50);
  for (const name of names.slice(1)) pool.join(name, names[0] as string);
  expect(pool.world.runWhileNot(() => pool.converged(names), 40_000)).toBe(true);
  return pool;
}

const namesAt = (pool: Pool, on: string): string[] =>
  pool
    .engine(on)
    .members()
    .map(({ name }) => name)
    .sort();

describe('a newcomer', () => {
  it('that does not answer where it says it is, is refused with the reason and known to nobody', () => {
    const pool = pooled(['a', 'b'], 1);
    // Its packets leave, but answers go where nobody listens: a wrong advertise, as behind a NAT.
    pool.spawn('lost', { advertise: { host: '10.0.0.77', port: 7946 } });
    pool.world.runFor(50);
    const joined = pool.join('lost', 'a');
    expect(joined).toMatchObject({ ok: false, error: { code: 'SWIM_JOIN_FAILED' } });
    expect(joined?.ok === false && joined.error.message).toMatch(/does not answer over UDP/);
    pool.world.runFor(5000);
    for (const on of ['a', 'b']) expect(namesAt(pool, on)).toEqual(['a', 'b']);
    expect(pool.metrics.get('a')?.value('streams_rejected', { reason: 'unreachable' })).toBe(1);
  });

  it('that is slow to answer is asked again, and let in', () => {
    const pool = pooled(['a', 'b'], 2);
    pool.spawn('slow');
    pool.world.runFor(50);
    pool.world.setNetwork({ lossRate: 0.5, delayMeanMs: 5 });
    let joined = 0;
    for (let i = 0; i < 20 && joined === 0; i++) if (pool.join('slow', 'a')?.ok) joined++;
    pool.world.setNetwork({});
    expect(pool.world.runWhileNot(() => pool.converged(['a', 'b', 'slow']), 60_000)).toBe(true);
  });

  it('is let in unchecked where that is configured', () => {
    const pool = new Pool(0, 3);
    pool.spawn('a', { verifyJoiners: false });
    pool.spawn('lost', { advertise: { host: '10.0.0.77', port: 7946 } });
    pool.world.runFor(50);
    expect(pool.join('lost', 'a')).toMatchObject({ ok: true });
    expect(namesAt(pool, 'a')).toEqual(['a', 'lost']);
  });
});

describe('two members of one name', () => {
  const twice = (seed: number, nameConflict: 'resolve' | 'report'): Pool => {
    const pool = pooled(['a', 'b', 'c', 'd'], seed);
    pool.spawn('twin', { name: 'b', nameConflict });
    pool.world.runFor(50);
    pool.join('twin', 'a');
    return pool;
  };

  it('are told, and the one that the pool does not know there stops; the other is never in danger', () => {
    const pool = twice(4, 'resolve');
    expect(pool.world.runWhileNot(() => pool.engine('twin').agentState === 'stopped', 20_000)).toBe(true);
    const conflicts = pool.seen.filter(({ type }) => type === 'Conflict');
    expect(conflicts.filter(({ on, lost }) => on === 'twin' && lost)).toHaveLength(1);
    expect(conflicts.some(({ on }) => on !== 'twin')).toBe(true);
    pool.world.runFor(60_000);
    expect(pool.converged(['a', 'b', 'c', 'd'])).toBe(true);
    expect(pool.engine('b').agentState).toBe('running.settled');
    expect(pool.seen.filter(({ type }) => type === 'Dead')).toEqual([]);
  });

  it('both stay where conflicts are only reported, and the pool keeps the first', () => {
    const pool = twice(5, 'report');
    pool.world.runFor(60_000);
    expect(pool.engine('twin').agentState).toBe('running.settled');
    expect(pool.seen.some(({ on, type }) => on === 'twin' && type === 'Conflict')).toBe(true);
    const { host } = pool
      .engine('a')
      .members()
      .find(({ name }) => name === 'b')?.address ?? { host: '' };
    expect(host).toBe(pool.world.addressOf('b'));
  });

  it("answer each other as Serf does: a member's address under Go's names", () => {
    const address = { host: '10.0.0.9', port: 7946 };
    expect(decodeNameAnswer(encodeNameAnswer('b', address, 1))).toEqual(address);
    // Cut short: no answer.
    const serfs = Buffer.from('068ba4416464727fa40000', 'hex');
    expect(decodeNameAnswer(serfs)).toBeNull();
    // Serf says nil of a name that it does not know.
    expect(decodeNameAnswer(Uint8Array.of(6, 0xc0))).toBeNull();
    expect(decodeNameAnswer(Uint8Array.of(3, 0x80))).toBeNull();
  });
});
