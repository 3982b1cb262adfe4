/** Connections as a pool has them: made when needed, closed when unused or stuck, and a breaker before peers that are dead. */
import { describe, expect, it } from 'vitest';
import type { Outcome } from '@cluster/core';
import { encodeFrame, frameTypes } from '@cluster/transport';
import { type Booted, type BootOptions, EngineWorld, number, toNumber } from './engine-world.ts';
import { greeting } from './greeting.ts';

const type = 64;
const idle = 'TRANSPORT_CONNECTION_IDLE';

const echo = ({ engine }: Booted): void =>
  engine.handle(type, (bytes, _context, answer) => answer({ ok: true, value: bytes.slice() }));

function call({ engine }: Booted, to: string, options = {}): Outcome<Uint8Array>[] {
  const outcomes: Outcome<Uint8Array>[] = [];
  engine.call(to, type, number(1), options, (outcome) => void outcomes.push(outcome));
  return outcomes;
}

const reasons = ({ events }: Booted): string[] => events.map(({ type: what, reason }) => `${what} ${reason}`);

/** Two nodes with a connection. */
function pair(options: BootOptions = {}): { world: EngineWorld; a: Booted; b: Booted } {
  const world = new EngineWorld(1);
  const a = world.boot('a', options);
  const b = world.boot('b', options);
  echo(a);
  echo(b);
  expect(call(a, 'b')).toHaveLength(0);
  world.run(100);
  expect(reasons(a)).toEqual(['up connected']);
  return { world, a, b };
}

describe('a connection that nobody uses', () => {
  it('is closed after a while by whoever notices first, and made again for the next message', () => {
    const { world, a, b } = pair({ idleCloseMs: 20_000 });
    world.run(19_000);
    expect(world.network.live).toBe(1);
    world.run(3000);
    expect(world.network.live).toBe(0);
    expect(reasons(a)).toEqual(['up connected', `down ${idle}`]);
    expect(reasons(b)).toEqual(['up connected', `down ${idle}`]);
    expect(a.engine.peers()).toMatchObject([
      { pool: 'idle', breaker: 'closed', session: 'interrupted', lastFailure: null },
    ]);
    const dials = world.network.dials;
    const outcomes = call(b, 'a');
    world.run(100);
    expect(outcomes).toMatchObject([{ ok: true }]);
    expect(world.network.dials).toBe(dials + 1);
    expect(reasons(a).at(-1)).toBe('up resumed');
    expect(a.logged).toEqual([]);
  });

  it('is not dialled again, and its peer is forgotten with its session', () => {
    const { world, a } = pair({ idleCloseMs: 20_000, resumeTimeoutMs: 10_000 });
    const { dials } = world.network;
    world.run(60_000);
    expect(world.network.dials).toBe(dials);
    expect(a.engine.peers()).toEqual([]);
    expect(a.metrics.value('messages_dropped')).toBe(0);
  });

  it('is made again for what is given in the moment in which its session ends', () => {
    const { world, a, b } = pair({ idleCloseMs: 20_000, resumeTimeoutMs: 10_000 });
    world.network.latencyMs = 50;
    let ended = false;
    // By steps, until the next would be too late: the dial is under way when the session ends.
    for (let at = 0; at < 60_000 && !ended; at += 20) {
      world.run(20);
      const [peer] = a.engine.peers();
      if (peer?.session !== 'interrupted') continue;
      world.run(9960);
      const outcomes = call(a, 'b');
      const posted = a.engine.post('b', type, number(1));
      world.run(2000);
      expect([outcomes, posted]).toMatchObject([[{ ok: true }], true]);
      ended = true;
    }
    expect(ended).toBe(true);
    expect(reasons(a).slice(-1)).toEqual(['up connected']);
    expect(b.metrics.value('messages_received')).toBe(3);
  });

  it('loses nothing that the other side was just sending', () => {
    const { world, a, b } = pair({ idleCloseMs: 20_000 });
    world.network.latencyMs = 700;
    world.run(19_900);
    // It comes after a has closed.
    const outcomes = call(b, 'a');
    world.run(8000);
    expect(reasons(b)).toEqual(['up connected', `down ${idle}`, 'up resumed']);
    expect(outcomes).toMatchObject([{ ok: true }]);
    // With the answer that it got before.
    expect(a.metrics.value('messages_received')).toBe(2);
    expect(b.metrics.value('resends')).toBeGreaterThan(0);
  });

  it.each<[string, (b: Booted) => void]>([
    ['messages', ({ engine }) => void engine.post('a', type, number(1))],
    ['pings that somebody waits for', ({ engine }) => void engine.ping('a', 1000, () => undefined)],
  ])('is one without %s', (_what, use) => {
    const { world, a, b } = pair({ idleCloseMs: 20_000 });
    for (let i = 0; i < 10; i++) {
      world.run(10_000);
      use(b);
    }
    expect(reasons(a)).toEqual(['up connected']);
    expect(reasons(b)).toEqual(['up connected']);
  });

  it('is one without a call or a stream that is under way', () => {
    const { world, a, b } = pair({ idleCloseMs: 20_000 });
    b.engine.handle(65, (_bytes, _context, answer) => {
      world.clock.setTimer(50_000, () => answer({ ok: true, value: undefined }));
    });
    const outcomes: Outcome<Uint8Array>[] = [];
    a.engine.call('b', 65, number(1), { timeoutMs: 60_000 }, (outcome) => void outcomes.push(outcome));
    world.run(60_000);
    expect(outcomes).toMatchObject([{ ok: true }]);
    expect(reasons(a)).toEqual(['up connected']);
    const listens = { onData: () => undefined, onEnd: () => undefined, onReset: () => undefined };
    b.engine.streams.handle(type, () => listens);
    const stream = a.engine.streams.open('b', type, listens);
    world.run(60_000);
    expect(reasons(a)).toEqual(['up connected']);
    stream.reset('DONE', 'done');
    world.run(60_000);
    expect(reasons(a)).toEqual(['up connected', `down ${idle}`]);
  });

  it('stays where it is of a client, whom nobody can dial, and where that is configured', () => {
    const world = new EngineWorld(1);
    const b = world.boot('b', { idleCloseMs: 20_000 });
    echo(b);
    const client = world.boot('shell', { role: 'client', idleCloseMs: 20_000 });
    call(client, 'b');
    world.run(120_000);
    expect(reasons(b)).toEqual(['up connected']);
    const { world: other, a } = pair({ idleCloseMs: 0 });
    other.run(3_600_000);
    expect(reasons(a)).toEqual(['up connected']);
  });
});

describe('a peer that never reads', () => {
  /** A peer with a good certificate that keeps telling that it lives. */
  function deaf(options: BootOptions): { world: EngineWorld; b: Booted } {
    const world = new EngineWorld(1);
    const b = world.boot('b', options);
    echo(b);
    const port = world.network.port({ clusterName: 'prod', role: 'node', id: 'x' });
    const handlers = { onData: () => undefined, onEnd: () => undefined, onClose: () => undefined };
    port.dial({ host: 'memory', port: world.portOf('b') }, handlers, 1000, (outcome) => {
      if (!outcome.ok) return;
      outcome.value.write(
        encodeFrame(
          frameTypes.hello,
          greeting({ limits: { streamWindowBytes: 1 << 24, sessionWindowBytes: 1 << 24 } }),
        ),
      );
      const alive = (): void => {
        outcome.value.write(encodeFrame(frameTypes.pong));
        world.clock.setTimer(500, alive);
      };
      alive();
    });
    world.run(100);
    expect(reasons(b)).toEqual(['up connected']);
    world.network.stopReading();
    return { world, b };
  }

  it('is cut off when bytes have waited for it too long, though it is not silent', () => {
    const { world, b } = deaf({ writeTimeoutMs: 6000 });
    world.run(30_000);
    // Nothing waits for it: it may be as deaf as it likes.
    expect(reasons(b)).toEqual(['up connected']);
    for (let i = 0; i < 20; i++) b.engine.post('x', type, new Uint8Array(8000));
    world.run(5500);
    expect(reasons(b)).toEqual(['up connected']);
    world.run(2000);
    expect(reasons(b)).toEqual(['up connected', 'down TRANSPORT_WRITE_STALLED']);
  });

  it('is cut off, too, when what it should have acknowledged is all in the buffers of systems', () => {
    const { world, b } = deaf({ writeTimeoutMs: 6000 });
    world.network.isDeep = true;
    for (let i = 0; i < 30; i++) b.engine.post('x', type, new Uint8Array(8000));
    world.run(10_000);
    // All of it is on its way, and nothing waits.
    expect(reasons(b)).toEqual(['up connected']);
    for (let i = 0; i < 10; i++) b.engine.post('x', type, new Uint8Array(8000));
    world.run(5500);
    expect(reasons(b)).toEqual(['up connected']);
    world.run(2000);
    expect(reasons(b)).toEqual(['up connected', 'down TRANSPORT_WRITE_STALLED']);
  });

  it('is not one that reads slowly', () => {
    const { world, a, b } = pair({ writeTimeoutMs: 6000, keepaliveIdleMs: 60_000 });
    world.network.latencyMs = 4000;
    for (let i = 0; i < 50; i++) a.engine.post('b', type, new Uint8Array(8000));
    world.run(60_000);
    expect(b.metrics.value('messages_received')).toBeGreaterThan(50);
    expect([...reasons(a), ...reasons(b)].filter((reason) => reason.includes('STALLED'))).toEqual([]);
  });
});

describe('a peer that is dead', () => {
  /** `a` has found out that `b` is dead. */
  function dead(): { world: EngineWorld; a: Booted } {
    const world = new EngineWorld(3);
    const a = world.boot('a', { backoffMinMs: 1000, backoffMaxMs: 20_000 });
    world.portOf('b');
    call(a, 'b', { timeoutMs: 60_000 });
    world.run(30_000);
    expect(a.engine.peers()).toMatchObject([{ pool: 'idle', breaker: 'halfOpen.ready' }]);
    return { world, a };
  }

  it('makes one caller wait, then tells all at once until its wait is over', () => {
    const { world, a } = dead();
    const { dials } = world.network;
    const first = call(a, 'b');
    expect(first).toEqual([]);
    expect(a.engine.peers()).toMatchObject([{ pool: 'dialing', breaker: 'halfOpen.trying' }]);
    world.run(10);
    expect(first).toMatchObject([{ ok: false, error: { code: 'TRANSPORT_CONNECT_FAILED', retry: 'safe' } }]);
    expect(a.engine.peers()).toMatchObject([{ breaker: 'open' }]);
    expect(call(a, 'b')).toMatchObject([{ ok: false, error: { code: 'TRANSPORT_CONNECT_FAILED' } }]);
    expect(a.engine.post('b', type, number(1))).toBe(false);
    expect(world.network.dials).toBe(dials + 1);
  });

  it('is probed when its wait is over, because somebody has asked; nobody waits for that', () => {
    const { world, a } = dead();
    call(a, 'b');
    world.run(10);
    call(a, 'b');
    const { dials } = world.network;
    world.network.latencyMs = 30;
    let probes = 0;
    for (let i = 0; i < 4000 && probes < 3; i++) {
      world.run(10);
      if (a.engine.peers()[0]?.breaker !== 'halfOpen.probing') continue;
      probes++;
      expect(call(a, 'b')).toMatchObject([{ ok: false, error: { code: 'TRANSPORT_CONNECT_FAILED' } }]);
      world.run(40);
      // It has failed. Somebody has to ask again.
      expect(a.engine.peers()).toMatchObject([{ breaker: 'open' }]);
      call(a, 'b');
    }
    expect(probes).toBe(3);
    expect(world.network.dials).toBe(dials + 3);
  });

  it('is not dialled while nobody asks', () => {
    const { world } = dead();
    const { dials } = world.network;
    world.run(3_600_000);
    expect(world.network.dials).toBe(dials);
  });

  it('is reached again by the first probe after it has come back, and by its own dial before', () => {
    const { world, a } = dead();
    call(a, 'b');
    world.run(10);
    call(a, 'b');
    const b = world.boot('b');
    echo(b);
    world.run(21_000);
    expect(reasons(a)).toEqual(['up connected']);
    const other = dead();
    call(other.a, 'b');
    other.world.run(10);
    expect(other.a.engine.peers()).toMatchObject([{ breaker: 'open' }]);
    echo(other.a);
    const outcomes = call(other.world.boot('b'), 'a');
    other.world.run(100);
    expect(outcomes).toMatchObject([{ ok: true }]);
    expect(other.a.engine.peers()).toMatchObject([{ pool: 'connected', breaker: 'closed' }]);
  });
});

describe('connections altogether', () => {
  it('are bounded for who dials, too: the next call is told why it cannot be made', () => {
    const world = new EngineWorld(1);
    const a = world.boot('a', { connectionsMax: 2, dialAttemptsMax: 1 });
    for (const id of ['b', 'c', 'd']) echo(world.boot(id));
    const outcomes = ['b', 'c', 'd'].map((id) => {
      const [told, what] = [call(a, id), id];
      world.run(100);
      return `${what} ${told.map((one) => (one.ok ? 'ok' : one.error.code)).join(' ')}`;
    });
    expect(outcomes).toEqual(['b ok', 'c ok', 'd TRANSPORT_TOO_MANY_CONNECTIONS']);
    expect(world.network.dials).toBe(2);
    expect(a.metrics.value('dials_failed', { reason: 'too_many_connections' })).toBe(1);
  });
});

describe('renewing all connections', () => {
  const opened = ({ engine }: Booted): readonly number[] =>
    engine.channels().map(({ connectionsOpened }) => connectionsOpened);

  it.each(['a', 'b'] as const)('by %s, whoever has dialled, ends no session', (by) => {
    const { world, a, b } = pair({ idleCloseMs: 0 });
    const got: number[] = [];
    b.engine.streams.handle(type, (stream) => ({
      onData: (bytes) => {
        got.push(...bytes);
        stream.consume(bytes.length);
      },
      onEnd: () => stream.end(),
      onReset: () => expect.unreachable(),
    }));
    let isEnded = false;
    const stream = a.engine.streams.open('b', type, {
      onData: () => undefined,
      onEnd: () => void (isEnded = true),
      onReset: () => expect.unreachable(),
    });
    for (let i = 0; i < 100; i++) {
      // Twice in a row: what is under way then may not have seen what came with the second.
      if (i === 30 || i === 31) (by === 'a' ? a : b).engine.renew();
      stream.write(Uint8Array.of(i));
      world.run(2);
    }
    stream.end();
    world.run(11_000);
    expect(got).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect([isEnded, world.network.live]).toEqual([true, 1]);
    expect([opened(a)[0], opened(b)[0]].every((times) => times === 2 || times === 3)).toBe(true);
    expect([...reasons(a), ...reasons(b)]).toEqual(['up connected', 'up connected']);
  });

  it('leaves those of clients to them, who make them anew themselves', () => {
    const world = new EngineWorld(1);
    const [b, client] = [world.boot('b'), world.boot('c', { role: 'client' })];
    echo(b);
    call(client, 'b');
    world.run(50);
    b.engine.renew();
    world.run(3000);
    expect(opened(client)).toEqual([1]);
    client.engine.renew();
    world.run(1000);
    expect(opened(client)).toEqual([2]);
    expect(reasons(client)).toEqual(['up connected']);
  });
});

describe('a connection that has been used enough', () => {
  it('is followed by another before it is closed, and nothing is lost, comes twice or changes places', () => {
    const world = new EngineWorld(5);
    const options = { renewAfterRecords: 40 };
    const [a, b] = [world.boot('a', options), world.boot('b', options)];
    const handled: number[] = [];
    b.engine.handle(type, (bytes, _context, answer) => {
      handled.push(toNumber(bytes));
      answer({ ok: true, value: undefined });
    });
    const live: number[] = [];
    for (let i = 0; i < 3000; i++) {
      a.engine.post('b', type, number(i));
      world.run(5);
      live.push(world.network.live);
    }
    world.run(5000);
    expect(handled).toEqual(Array.from({ length: 3000 }, (_, i) => i));
    expect(world.network.dials).toBeGreaterThan(10);
    // One on the way and one in use at most, and never none.
    expect(new Set(live.slice(10))).toEqual(new Set([1, 2]));
    expect([...reasons(a), ...reasons(b)]).toEqual(['up connected', 'up connected']);
    expect(b.engine.peers()).toMatchObject([{ pool: 'connected', breaker: 'closed' }]);
  });

  it('goes on when the next cannot be made, and nobody is told', () => {
    const { world, a } = pair({ renewAfterRecords: 400, idleCloseMs: 0 });
    world.network.down.add(world.portOf('b'));
    for (let i = 0; world.network.dials < 6; i++) {
      a.engine.post('b', type, number(i));
      world.run(50);
    }
    expect(call(a, 'b')).toEqual([]);
    world.run(100);
    expect(reasons(a)).toEqual(['up connected']);
    expect(a.engine.peers()).toMatchObject([{ breaker: 'closed', queued: 0 }]);
    world.network.down.clear();
    world.run(1000);
    expect(a.engine.channels()).toMatchObject([
      { connectionsOpened: 2, connectionsClosed: 1, sessionsBegun: 1 },
    ]);
  });

  it.each<[string, BootOptions, BootOptions]>([
    ['who has dialled it cannot make the next', { renewAfterRecords: 40 }, {}],
    ['who has dialled it does not make the next', {}, { renewAfterRecords: 40 }],
  ])('ends before its keys have protected more than they may, where %s', (_where, ofA, ofB) => {
    const world = new EngineWorld(5);
    const [a, b] = [world.boot('a', { ...ofA, retriesMax: 1000 }), world.boot('b', ofB)];
    const handled: number[] = [];
    b.engine.handle(type, (bytes, _context, answer) => {
      handled.push(toNumber(bytes));
      answer({ ok: true, value: undefined });
    });
    a.engine.post('b', type, number(0));
    world.run(50);
    for (const id of ['a', 'b']) world.network.down.add(world.portOf(id));
    let sent = 1;
    for (; reasons(a).length === 1 && sent < 1000; sent++) {
      a.engine.post('b', type, number(sent));
      world.run(20);
    }
    world.run(5);
    // Looked at twice a second: no more than so many records beyond the bound.
    expect(sent).toBeLessThan(40 * 1.25 + 256 + 50);
    expect(reasons(a).at(-1)).toBe('down TRANSPORT_KEYS_EXHAUSTED');
    expect(reasons(b).at(-1)).toBe('down TRANSPORT_KEYS_EXHAUSTED');
    world.network.down.clear();
    world.run(1000);
    expect(reasons(a).at(-1)).toBe('up resumed');
    expect(handled).toEqual(Array.from({ length: sent }, (_, i) => i));
  });

  it('is noticed to be dead all the same, when no other can be made', () => {
    const { world, a } = pair({ renewAfterRecords: 16, idleCloseMs: 0 });
    for (let i = 0; i < 20; i++) {
      a.engine.post('b', type, number(i));
      world.run(5);
    }
    for (const id of ['a', 'b']) world.network.down.add(world.portOf(id));
    world.network.swallowAll();
    world.run(8000);
    expect(reasons(a).at(-1)).toBe('down TRANSPORT_PEER_SILENT');
  });
});
