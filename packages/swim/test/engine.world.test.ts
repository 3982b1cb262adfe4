/** Whole members in the simulated world: sockets, packets and time are virtual, all else is what production runs. */
import type { Address, ClusterError, Outcome } from '@cluster/core';
import { parseSwimConfig, SwimEngine } from '@cluster/swim';
import { describe, expect, it } from 'vitest';
import { Pool } from './pool.ts';

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1] as number;

describe('a pool', () => {
  it('of five comes together in a second, and stays quiet', () => {
    const pool = new Pool(5, 1);
    expect(pool.world.runWhileNot(() => pool.converged(), 1000)).toBe(true);
    pool.world.runFor(120_000);
    expect(pool.converged()).toBe(true);
    expect(pool.seen.filter(({ type }) => type !== 'Joined')).toEqual([]);
  });

  it('comes together and holds together over a network that loses a tenth of all packets', () => {
    const pool = new Pool(
      7,
      2,
      {},
      { network: { lossRate: 0.1, delayMeanMs: 20, duplicateRate: 0.05, reorderRate: 0.1 } },
    );
    expect(pool.world.runWhileNot(() => pool.converged(), 60_000)).toBe(true);
    pool.world.runFor(300_000);
    expect(pool.seen.filter(({ type }) => type === 'Dead')).toEqual([]);
  });

  it('with the defaults suspects a killed member within 4 s and agrees on its death within 10 s, over forty kills', () => {
    const [suspected, agreed] = [[] as number[], [] as number[]];
    for (let seed = 1; seed <= 40; seed++) {
      const pool = new Pool(5, seed);
      pool.world.runFor(3000 + pool.world.prng.below(4000));
      // Where gossip has missed a newcomer, push/pull brings it.
      expect(pool.world.runWhileNot(() => pool.converged(), 60_000)).toBe(true);
      const victim = pool.names[seed % 5] as string;
      const survivors = pool.names.filter((name) => name !== victim);
      const killedMs = pool.world.nowMs;
      pool.world.crash(victim);
      expect(pool.world.runWhileNot(() => pool.agree(survivors, [victim], 'Dead'), 20_000)).toBe(true);
      agreed.push(pool.world.nowMs - killedMs);
      const first = pool.seen.find(({ type, member }) => type === 'Suspect' && member.name === victim);
      suspected.push((first?.worldMs ?? Infinity) - killedMs);
      expect(pool.converged(survivors)).toBe(true);
    }
    expect(median(suspected)).toBeLessThan(2000);
    // One kill in a hundred meets four survivors that all have the victim at the far ends of their rounds.
    expect(suspected.filter((ms) => ms > 4000).length).toBeLessThanOrEqual(2);
    expect(Math.max(...agreed)).toBeLessThan(10_000);
    expect(median(agreed)).toBeLessThan(5000);
  });

  it('takes a restarted member back at once, above its old incarnation', () => {
    const pool = new Pool(4, 3);
    pool.world.runFor(3000);
    const before = pool.engine('n2').self().incarnation;
    pool.world.crash('n2');
    pool.world.runFor(15_000);
    expect(pool.stateOf('n1', 'n2')).toBe('Dead');
    pool.world.restart('n2');
    expect(pool.world.runWhileNot(() => pool.converged(), 1000)).toBe(true);
    expect(pool.engine('n2').self().incarnation).toBeGreaterThan(before);
    expect(
      pool.seen
        .filter(({ on, type }) => on === 'n1' && type === 'Joined')
        .map(({ member }) => member.name)
        .sort(),
    ).toEqual([...pool.names, 'n2'].sort());
  });

  it('lets a member that stood still for 2 s refute, and does not lose it', () => {
    const pool = new Pool(5, 4);
    pool.world.runFor(3000);
    pool.world.pause('n3');
    pool.world.runFor(2000);
    pool.world.resume('n3');
    pool.world.runFor(20_000);
    expect(pool.converged()).toBe(true);
  });

  it('finds together again after a partition of ten minutes', () => {
    const pool = new Pool(6, 5);
    pool.world.runFor(3000);
    const [left, right] = [pool.names.slice(0, 4), pool.names.slice(4)];
    pool.world.partition([left, right]);
    pool.world.runFor(600_000);
    expect(pool.agree(left, right, 'Dead')).toBe(true);
    expect(pool.agree(right, left, 'Dead')).toBe(true);
    expect(pool.converged(left)).toBe(true);
    pool.world.heal();
    expect(pool.world.runWhileNot(() => pool.converged(), 60_000)).toBe(true);
  });

  it('finds together again after a partition in which both sides have forgotten each other', () => {
    const pool = new Pool(6, 5, { reapAfterMs: 60_000, reconnectPeriodMs: 5000 });
    pool.world.runFor(3000);
    const [left, right] = [pool.names.slice(0, 4), pool.names.slice(4)];
    pool.world.partition([left, right]);
    pool.world.runFor(120_000);
    expect(
      pool
        .engine('n1')
        .members()
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(left);
    expect(
      pool
        .engine('n6')
        .members()
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(right);
    pool.world.heal();
    expect(pool.world.runWhileNot(() => pool.converged(), 60_000)).toBe(true);
  });

  it('does not look for whom it has forgotten where it is told not to, nor for those that left', () => {
    const pool = new Pool(4, 5, { reapAfterMs: 40_000, reconnectPeriodMs: 2000, forgottenMax: 0 });
    pool.world.runFor(3000);
    pool.world.partition([
      ['n1', 'n2'],
      ['n3', 'n4'],
    ]);
    pool.world.runFor(90_000);
    pool.world.heal();
    pool.world.runFor(60_000);
    expect(pool.engine('n1').members()).toHaveLength(2);
    const leaving = new Pool(3, 6, { reapAfterMs: 30_000, reconnectPeriodMs: 1000 });
    leaving.world.runFor(3000);
    leaving.engine('n3').leave(() => undefined);
    leaving.world.runFor(60_000);
    expect(leaving.engine('n1').members()).toHaveLength(2);
  });

  it('sees a graceful leave as left, everywhere, within a second', () => {
    const pool = new Pool(5, 6);
    pool.world.runFor(3000);
    const outcomes: boolean[] = [];
    pool.engine('n4').leave(({ ok }) => outcomes.push(ok));
    const others = pool.names.filter((name) => name !== 'n4');
    expect(pool.world.runWhileNot(() => pool.agree(others, ['n4'], 'Left'), 1000)).toBe(true);
    pool.world.runFor(60_000);
    expect(outcomes).toEqual([true]);
    expect(pool.seen.filter(({ type }) => type === 'Suspect' || type === 'Dead')).toEqual([]);
  });

  it('spreads new tags to everybody', () => {
    const pool = new Pool(5, 7, { tags: { dc: 'eu' } });
    pool.world.runFor(3000);
    pool.engine('n2').setTags({ dc: 'eu', rack: 'r7' });
    pool.world.runFor(1000);
    for (const name of pool.names) {
      const member = pool
        .engine(name)
        .members()
        .find((one) => one.name === 'n2');
      expect(member?.tags).toEqual({ dc: 'eu', rack: 'r7' });
    }
  });

  it('costs each member a constant number of packets, whatever its size', () => {
    const perPeriod = [4, 8, 16, 32].map((count) => {
      const pool = new Pool(count, count, { pushPullPeriodMs: 0 });
      pool.world.runFor(10_000);
      const sent = (): number =>
        [...pool.metrics.values()].reduce((sum, registry) => sum + registry.value('messages_sent'), 0);
      const before = sent();
      pool.world.runFor(60_000);
      return (sent() - before) / 60 / count;
    });
    // A ping and an answer a period.
    for (const packets of perPeriod) expect(packets).toBeCloseTo(2, 1);
  });

  it('runs the same for the same seed', () => {
    const digests = [1, 2].map(() => {
      const pool = new Pool(5, 8, {}, { network: { lossRate: 0.2 } });
      pool.world.runFor(20_000);
      return pool.world.digest;
    });
    expect(digests[0]).toBe(digests[1]);
  });
});

describe('a join', () => {
  const outcomeOf = (pool: Pool, seeds: readonly Address[], runMs = 15_000): Outcome<number> => {
    const outcomes: Outcome<number>[] = [];
    pool.engine('n1').join(seeds, (joined) => outcomes.push(joined));
    pool.world.runFor(runMs);
    expect(outcomes).toHaveLength(1);
    return outcomes[0] as Outcome<number>;
  };
  const errorOf = (outcome: Outcome<number>): ClusterError => {
    if (outcome.ok) throw new Error('it joined');
    return outcome.error;
  };

  it('that reaches some seeds says how many', () => {
    const pool = new Pool(3, 11);
    pool.world.runFor(1000);
    const seeds = [pool.seedsFor('n1'), { host: '10.99.0.1', port: 7946 }].flat();
    expect(outcomeOf(pool, seeds)).toEqual({ ok: true, value: 2 });
  });

  it('that reaches none names each seed and why', () => {
    const pool = new Pool(1, 12);
    pool.world.runFor(1000);
    const error = errorOf(
      outcomeOf(
        pool,
        [
          { host: '10.99.0.1', port: 7946 },
          { host: '10.99.0.2', port: 1 },
        ],
        60_000,
      ),
    );
    expect(error.code).toBe('SWIM_JOIN_FAILED');
    expect(error.message).toContain('10.99.0.1:7946: ');
    expect(error.message).toContain('10.99.0.2:1: ');
  });

  it('through ourselves is no join, and no failure', () => {
    const pool = new Pool(1, 13);
    pool.world.runFor(1000);
    expect(outcomeOf(pool, [{ host: pool.world.addressOf('n1'), port: 7946 }])).toEqual({
      ok: true,
      value: 0,
    });
  });

  it('of a host name tries all its addresses, and names what cannot be resolved', () => {
    const pool = new Pool(3, 14);
    pool.world.runFor(1000);
    const asked: string[] = [];
    pool.world.spawn('late', (ports) => {
      const engine = new SwimEngine(
        parseSwimConfig({ name: 'late', bind: { host: ports.host, port: 7946 } }),
        {
          ...ports,
          resolver: {
            resolve: (host, done) => {
              asked.push(host);
              done({ ok: true, value: ['n2', 'n3'].map((name) => pool.world.addressOf(name)) });
            },
          },
        },
      );
      engine.start(() =>
        engine.join([{ host: 'pool.internal', port: 7946 }], (joined) => pool.joins.push(joined)),
      );
      return {};
    });
    pool.world.runFor(2000);
    expect(asked).toEqual(['pool.internal']);
    expect(pool.joins.at(-1)).toEqual({ ok: true, value: 2 });
  });

  it('can be given up, and so it is when the member stops', () => {
    const pool = new Pool(1, 15);
    pool.world.runFor(1000);
    const codes: string[] = [];
    const note = (joined: Outcome<number>): void => void codes.push(joined.ok ? 'ok' : joined.error.code);
    const nowhere = [{ host: '10.99.0.1', port: 7946 }];
    const abort = pool.engine('n1').join(nowhere, note);
    abort();
    abort();
    pool.engine('n1').join(nowhere, note);
    pool.engine('n1').join(nowhere, note);
    pool.engine('n1').stop();
    pool.engine('n1').join(nowhere, note);
    expect(codes).toEqual(['SWIM_JOIN_ABORTED', 'SWIM_JOIN_BUSY', 'SWIM_STOPPED', 'SWIM_NOT_RUNNING']);
  });
});

describe('messages of a delegate', () => {
  const text = (payload: Uint8Array): string => new TextDecoder().decode(payload);
  const bytes = (size: number, start: string): Uint8Array =>
    Uint8Array.from({ length: size }, (_, i) => start.charCodeAt(i) || 0x2e);
  const talking = (): { pool: Pool; heard: Map<string, string[]> } => {
    const heard = new Map<string, string[]>();
    const pool = new Pool(5, 17, {}, {}, (name) => {
      heard.set(name, []);
      const onUserMessage = (payload: Uint8Array): void => {
        const said = text(payload);
        // Passed on when it is new, as a layer does whose news are to reach all.
        if (said.startsWith('news') && !heard.get(name)?.includes(said))
          pool.engine(name).messages.broadcast(said, payload);
        heard.get(name)?.push(said);
      };
      return { delegate: { onUserMessage } };
    });
    pool.world.runFor(3000);
    return { pool, heard };
  };

  it('reach all others by gossip, the latest of a name, and one by a packet or a stream', () => {
    const { pool, heard } = talking();
    const { messages } = pool.engine('n1');
    messages.broadcast('color', bytes(8, 'news red'));
    messages.broadcast('color', bytes(10, 'news green'));
    messages.broadcast('shape', bytes(10, 'news round'));
    pool.world.runFor(3000);
    for (const name of ['n2', 'n3', 'n4', 'n5'])
      expect([...new Set(heard.get(name))].sort()).toEqual(['news green', 'news round']);
    const { address } = pool.engine('n2').self();
    messages.sendTo(address, bytes(6, 'packet'));
    messages.sendTo(address, bytes(100_000, 'stream'));
    pool.world.runFor(1000);
    const last = heard.get('n2')?.slice(-2) ?? [];
    expect(last.map((one) => one.slice(0, 6)).sort()).toEqual(['packet', 'stream']);
    expect(last.map(({ length }) => length).sort((a, b) => a - b)).toEqual([6, 100_000]);
    expect(heard.get('n3')?.some((one) => one.startsWith('packet'))).toBe(false);
  });

  it('are refused when they are too large, fill a packet up to that, and need a delegate', () => {
    const { pool, heard } = talking();
    const { messages } = pool.engine('n1');
    // Of the default packet: a checksum, a compound of one, and the type of the message.
    const bound = 1400 - 5 - 4 - 1;
    expect(() => messages.broadcast('a', bytes(bound + 1, ''))).toThrow(/SWIM_MESSAGE_TOO_LARGE|bytes/);
    expect(() => messages.sendTo({ host: '10.0.0.1', port: 1 }, bytes(2 << 20, ''))).toThrow(/bytes/);
    messages.broadcast('a', bytes(bound, 'full'));
    pool.world.runFor(1000);
    expect([...heard.values()].flat().map(({ length }) => length)).toContain(bound);
    pool.engine('n1').stop();
    expect(() => messages.broadcast('a', bytes(1, ''))).toThrow(/not running/);
    const plain = new Pool(1, 18);
    plain.world.runFor(1000);
    expect(() => plain.engine('n1').messages.broadcast('a', bytes(1, ''))).toThrow(/delegate/);
  });
});

describe('a member that has left', () => {
  it('joins no more, and says that waiting does not help', () => {
    const pool = new Pool(3, 16);
    pool.world.runFor(3000);
    const errors: unknown[] = [];
    const join = (): void =>
      void pool.engine('n3').join(pool.seedsFor('n3'), (joined) => errors.push(joined.ok || joined.error));
    pool.engine('n3').leave(() => undefined);
    // The goodbye is on its way, and then is said.
    expect(pool.world.runWhileNot(() => pool.engine('n3').agentState === 'leaving', 5000)).toBe(true);
    join();
    expect(pool.world.runWhileNot(() => pool.engine('n3').agentState === 'left', 5000)).toBe(true);
    join();
    pool.world.runFor(1000);
    const left = { code: 'SWIM_LEFT', fault: 'caller', retry: 'useless' };
    expect(errors).toMatchObject([left, left]);
  });
});

describe('the bounds of streams', () => {
  it('refuses more peers at a time than configured, counts them, and lets go of silent ones', () => {
    const pool = new Pool(1, 21, { inboundStreamsMax: 2, streamTimeoutMs: 1000 });
    pool.world.runFor(1000);
    let closed = 0;
    pool.world.spawn('idler', (ports) => {
      const handlers = { onData: () => undefined, onEnd: () => undefined, onClose: () => void closed++ };
      for (let i = 0; i < 5; i++)
        ports.streams.dial({ host: pool.world.addressOf('n1'), port: 7946 }, handlers, 1000, () => undefined);
      return {};
    });
    pool.world.runFor(500);
    const rejected = (reason: string): number =>
      pool.metrics.get('n1')?.value('streams_rejected', { reason }) ?? 0;
    expect(rejected('streams')).toBe(3);
    expect(closed).toBe(3);
    pool.world.runFor(1500);
    expect(rejected('timeout')).toBe(2);
    expect(closed).toBe(5);
  });

  it('keeps no more unfinished bytes than configured, of all peers together', () => {
    const pool = new Pool(1, 23, { pushPullBytesMax: 100_000, inboundBytesMax: 150_000 });
    pool.world.runFor(1000);
    pool.world.spawn('flooder', (ports) => {
      const handlers = { onData: () => undefined, onEnd: () => undefined, onClose: () => undefined };
      // The beginning of a user message that never ends: 60 kB each, and each alone would be allowed.
      const begun = new Uint8Array(60_000);
      begun.set([8, 0x81, 0xaa, ...Buffer.from('UserMsgLen'), 0xce, 0, 1, 0x40, 0]);
      for (let i = 0; i < 4; i++)
        ports.streams.dial({ host: pool.world.addressOf('n1'), port: 7946 }, handlers, 1000, (dialled) => {
          if (dialled.ok) dialled.value.write(begun);
        });
      return {};
    });
    pool.world.runFor(2000);
    expect(pool.metrics.get('n1')?.value('streams_rejected', { reason: 'too_large' })).toBe(2);
    pool.world.runFor(10_000);
    expect(pool.metrics.get('n1')?.value('streams_rejected', { reason: 'timeout' })).toBe(2);
  });

  it('refuses a push/pull state that is too large, and the member stays as it was', () => {
    const pool = new Pool(1, 22, { pushPullBytesMax: 65_536 });
    pool.world.runFor(1000);
    pool.world.spawn('flooder', (ports) => {
      const handlers = { onData: () => undefined, onEnd: () => undefined, onClose: () => undefined };
      ports.streams.dial({ host: pool.world.addressOf('n1'), port: 7946 }, handlers, 1000, (dialled) => {
        if (dialled.ok) dialled.value.write(new Uint8Array(200_000).fill(6));
      });
      return {};
    });
    pool.world.runFor(2000);
    expect(pool.engine('n1').members()).toHaveLength(1);
    const snapshot = pool.metrics.get('n1')?.snapshot() ?? {};
    expect(
      Object.entries(snapshot)
        .filter(([key]) => key.startsWith('streams_rejected'))
        .map(([, n]) => n),
    ).toEqual([1]);
  });
});
