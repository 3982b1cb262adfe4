import { describe, expect, it } from 'vitest';
import { type ClusterError, type Outcome, Prng } from '@cluster/core';
import { priorities } from '@cluster/transport';
import { type Booted, EngineWorld, number, toNumber } from './engine-world.ts';

const type = 64;
const answerType = 65;

/** Counts what a node receives, and answers requests with the number they carry. */
function listen({ engine }: Booted): { posts: Map<string, number[]>; requests: number[] } {
  const posts = new Map<string, number[]>();
  const requests: number[] = [];
  engine.handle(type, (bytes, { from, priority }, answer) => {
    const key = `${from} ${priority}`;
    const list = posts.get(key) ?? [];
    posts.set(key, list);
    list.push(toNumber(bytes));
    answer({ ok: true, value: undefined });
  });
  engine.handle(answerType, (bytes, _context, answer) => {
    requests.push(toNumber(bytes));
    answer({ ok: true, value: bytes.slice() });
  });
  return { posts, requests };
}

const count = (upTo: number): number[] => Array.from({ length: upTo }, (_, i) => i);
const patient = { retriesMax: 1000, dialAttemptsMax: 1000, backoffMaxMs: 200, requestTimeoutMs: 3_600_000 };

/** Two nodes talk while every connection between them is cut at random moments. Returns how many frames went twice. */
function talkOverCuts(seed: number): number {
  const world = new EngineWorld(seed);
  const prng = Prng.fromSeed(seed, 'cuts');
  const nodes = { a: world.boot('a', patient), b: world.boot('b', patient) };
  const heard = { a: listen(nodes.a), b: listen(nodes.b) };
  const answered: number[] = [];
  const failures: ClusterError[] = [];
  const rounds = 60;
  for (let round = 0; round < rounds; round++) {
    for (const priority of priorities) {
      expect(nodes.a.engine.post('b', type, number(round), priority)).toBe(true);
      expect(nodes.b.engine.post('a', type, number(round), priority)).toBe(true);
    }
    nodes.a.engine.call('b', answerType, number(round), {}, (outcome) => {
      if (outcome.ok) answered.push(toNumber(outcome.value));
      else failures.push(outcome.error);
    });
    world.run(prng.below(12));
    if (prng.chance(0.4)) world.network.cutAll();
  }
  world.run(60_000);
  for (const priority of priorities) {
    expect(heard.b.posts.get(`a ${priority}`), `seed ${seed}`).toEqual(count(rounds));
    expect(heard.a.posts.get(`b ${priority}`), `seed ${seed}`).toEqual(count(rounds));
  }
  expect(failures, `seed ${seed}`).toEqual([]);
  expect(heard.b.requests, `seed ${seed}`).toEqual(count(rounds));
  expect(
    answered.toSorted((x, y) => x - y),
    `seed ${seed}`,
  ).toEqual(count(rounds));
  expect(world.network.live, `seed ${seed}`).toBe(1);
  expect(nodes.a.engine.peers(), `seed ${seed}`).toMatchObject([
    { peer: 'b', session: 'up', queued: 0, unacknowledged: 0 },
  ]);
  return nodes.a.metrics.value('resends') + nodes.b.metrics.value('resends');
}

describe('delivery over connections that break', () => {
  // Cuts fall anywhere: in a dial, in the handshake, in the middle of a frame, before an acknowledgement.
  it.each(count(10))(
    'loses nothing, delivers nothing twice and keeps the order, wherever the cuts fall (seeds from %i0)',
    (block) => {
      let resent = 0;
      for (const seed of count(10)) resent += talkOverCuts(block * 10 + seed);
      expect(resent).toBeGreaterThan(5);
    },
  );

  it('drops what arrives again, when only the acknowledgement was lost', () => {
    const world = new EngineWorld(3);
    const [a, b] = [
      world.boot('a', { ...patient, ackDelayMs: 1000 }),
      world.boot('b', { ...patient, ackDelayMs: 1000 }),
    ];
    const [back, heard] = [listen(a), listen(b)];
    a.engine.post('b', type, number(0));
    world.run(20);
    // They pass each other on the way, so that neither acknowledges the other.
    a.engine.post('b', type, number(1));
    b.engine.post('a', type, number(2));
    world.run(20);
    for (const { engine } of [a, b]) expect(engine.peers()).toMatchObject([{ unacknowledged: 1 }]);
    world.network.cutAll();
    world.run(500);
    a.engine.post('b', type, number(3));
    world.run(3000);
    expect(heard.posts.get('a Normal')).toEqual([0, 1, 3]);
    expect(back.posts.get('b Normal')).toEqual([2]);
    expect(a.events.map((event) => event.reason)).toEqual([
      'connected',
      'TRANSPORT_CONNECTION_LOST',
      'resumed',
    ]);
    // HELLO has already told what had arrived: nothing had to be sent again.
    expect([a, b].map(({ metrics }) => metrics.value('resends'))).toEqual([0, 0]);
    expect(a.metrics.value('reconnects')).toBe(1);
    expect(a.engine.peers()).toMatchObject([{ unacknowledged: 0 }]);
  });

  it('gives a message up after three more tries, says so, and goes on with the next', () => {
    const world = new EngineWorld(4);
    const [a, b] = [world.boot('a', { dialAttemptsMax: 1000, requestTimeoutMs: 600_000 }), world.boot('b')];
    const heard = listen(b);
    a.engine.post('b', type, number(0));
    world.run(100);
    const outcomes: Outcome<Uint8Array>[] = [];
    world.network.latencyMs = 50;
    a.engine.call('b', answerType, number(7), {}, (outcome) => void outcomes.push(outcome));
    const before = a.metrics.value('reconnects');
    for (let i = 0; i < 400 && outcomes.length === 0; i++) {
      // Breaks every connection shortly after the message has been written, before it arrives.
      world.run(1);
      const [peer] = a.engine.peers();
      if (peer?.session === 'up' && peer.unacknowledged > 0 && peer.queued === 0) {
        world.run(20);
        world.network.cutAll();
      } else world.run(30);
    }
    expect(outcomes).toMatchObject([
      { ok: false, error: { code: 'TRANSPORT_MAYBE_DELIVERED', retry: 'unsafe' } },
    ]);
    expect(a.metrics.value('reconnects') - before).toBeGreaterThanOrEqual(3);
    world.network.latencyMs = 1;
    a.engine.post('b', type, number(1));
    world.run(1000);
    expect(heard.posts.get('a Normal')).toEqual([0, 1]);
    expect(heard.requests).toEqual([]);
  });
});

describe('a peer that starts anew', () => {
  it('fails what was in flight as perhaps delivered, and takes what was never sent', () => {
    const world = new EngineWorld(5);
    const a = world.boot('a', patient);
    const first = world.boot('b');
    first.engine.handle(answerType, () => undefined);
    const outcomes: Outcome<Uint8Array>[] = [];
    a.engine.call('b', answerType, number(1), {}, (outcome) => void outcomes.push(outcome));
    world.run(100);
    expect(a.engine.peers()).toMatchObject([{ session: 'up', unacknowledged: 0 }]);
    first.kill();
    a.engine.call('b', answerType, number(2), {}, (outcome) => void outcomes.push(outcome));
    world.run(100);
    const second = world.boot('b');
    const heard = listen(second);
    world.run(2000);
    expect(outcomes[0]).toMatchObject({ ok: false, error: { code: 'TRANSPORT_MAYBE_DELIVERED' } });
    expect(outcomes[1]).toMatchObject({ ok: true });
    expect(heard.requests).toEqual([2]);
  });

  it('is given up after a first dial and three more: callers learn what is certain and what is not', () => {
    const world = new EngineWorld(6);
    const a = world.boot('a');
    const b = world.boot('b');
    b.engine.handle(answerType, () => undefined);
    const outcomes: Outcome<Uint8Array>[] = [];
    a.engine.call('b', answerType, number(1), {}, (outcome) => void outcomes.push(outcome));
    world.run(100);
    const dials = world.network.dials;
    world.network.down.add(world.portOf('b'));
    world.network.down.add(world.portOf('a'));
    world.network.cutAll();
    a.engine.call('b', answerType, number(2), {}, (outcome) => void outcomes.push(outcome));
    expect(a.engine.post('b', type, number(3))).toBe(true);
    world.run(1200);
    expect(outcomes).toMatchObject([
      { ok: false, error: { code: 'TRANSPORT_MAYBE_DELIVERED', retry: 'unsafe' } },
      { ok: false, error: { code: 'TRANSPORT_CONNECT_FAILED', retry: 'safe' } },
    ]);
    // Both sides dial: four times each.
    expect(world.network.dials - dials).toBeLessThanOrEqual(8);
    expect(a.metrics.value('messages_dropped')).toBe(1);
  });

  it('and a message that was resent three times is given up: whoever sent it one way finds it counted and in the log', () => {
    const world = new EngineWorld(8);
    const [a, b] = [world.boot('a'), world.boot('b')];
    b.engine.handle(type, () => undefined);
    a.engine.post('b', type, number(1));
    world.run(100);
    const outcomes: Outcome<Uint8Array>[] = [];
    for (let sent = 0; sent < 5; sent++) {
      // What leaves on a connection is lost with it.
      world.network.swallowAll();
      if (sent === 0) {
        a.engine.post('b', type, number(2));
        a.engine.call(
          'b',
          type,
          number(3),
          { until: 'arrival', timeoutMs: 60_000 },
          (outcome) => void outcomes.push(outcome),
        );
      }
      world.run(5);
      world.network.cutAll();
      for (let i = 0; i < 2000 && a.engine.channels()[0]?.connection == null; i++) world.run(1);
    }
    world.run(100);
    expect(outcomes).toMatchObject([{ ok: false, error: { code: 'TRANSPORT_MAYBE_DELIVERED' } }]);
    expect(a.metrics.value('messages_dropped')).toBe(1);
    expect(a.logged).toContainEqual(
      expect.objectContaining({
        message: 'one-way messages were given up',
        code: 'TRANSPORT_MAYBE_DELIVERED',
      }),
    );
  });

  it('is told apart from a peer that is merely unknown', () => {
    const world = new EngineWorld(7);
    const a = world.boot('a');
    const outcomes: Outcome<Uint8Array>[] = [];
    a.engine.call('z', type, number(1), {}, (outcome) => void outcomes.push(outcome));
    expect(outcomes).toMatchObject([{ ok: false, error: { code: 'TRANSPORT_PEER_UNKNOWN', retry: 'safe' } }]);
    expect(a.engine.post('z', type, number(1))).toBe(false);
    expect(a.metrics.value('messages_dropped')).toBe(1);
  });
});

describe('two nodes that dial each other at once', () => {
  it.each(count(60))('settle on one connection, without losing a message (seed %i)', (seed) => {
    const world = new EngineWorld(seed);
    world.network.latencyMs = 1 + (seed % 7);
    const [a, b] = [world.boot('a', patient), world.boot('b', patient)];
    const [atA, atB] = [listen(a), listen(b)];
    const prng = Prng.fromSeed(seed, 'start');
    const [delayA, delayB] = [prng.below(12), prng.below(12)];
    world.clock.setTimer(delayA, () => void a.engine.post('b', type, number(0)));
    world.clock.setTimer(delayB, () => void b.engine.post('a', type, number(0)));
    world.run(3000);
    expect(atB.posts.get('a Normal')).toEqual([0]);
    expect(atA.posts.get('b Normal')).toEqual([0]);
    expect(world.network.live).toBe(1);
    expect(a.metrics.value('connections_open')).toBe(1);
    expect(b.metrics.value('connections_open')).toBe(1);
  });
});

describe('large messages', () => {
  const pattern = (length: number, salt: number): Uint8Array =>
    Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) + salt) & 255);

  it.each(count(6))('come whole and in order over connections that break anywhere (seed %i)', (seed) => {
    const world = new EngineWorld(seed);
    const prng = Prng.fromSeed(seed, 'large');
    const [a, b] = [world.boot('a', patient), world.boot('b', patient)];
    const sizes = [100, 73_728, 73_729, 131_072, 300_000, 5];
    const got: Uint8Array[] = [];
    b.engine.handle(type, (bytes, _context, answer) => {
      got.push(bytes.slice());
      answer({ ok: true, value: undefined });
    });
    b.engine.handle(answerType, (bytes, _context, answer) => answer({ ok: true, value: bytes.slice() }));
    const answers: (Uint8Array | null)[] = [];
    for (const [i, size] of sizes.entries()) {
      a.engine.post('b', type, pattern(size, i));
      a.engine.call('b', answerType, pattern(size, i + 100), {}, (outcome) => {
        answers.push(outcome.ok ? outcome.value.slice() : null);
      });
      world.run(prng.below(8));
      if (prng.chance(0.5)) world.network.cutAll();
    }
    for (let i = 0; i < 10; i++) {
      world.run(prng.below(30));
      world.network.cutAll();
    }
    world.run(60_000);
    expect(got.map((bytes) => bytes.length)).toEqual(sizes);
    for (const [i, bytes] of got.entries()) expect(Buffer.compare(bytes, pattern(bytes.length, i))).toBe(0);
    // Large answers go beside the small ones.
    const ascending = (x: number, y: number): number => x - y;
    expect(answers.map((bytes) => bytes?.length ?? -1).toSorted(ascending)).toEqual(
      sizes.toSorted(ascending),
    );
  });

  it('let a more urgent message through between their pieces', () => {
    const world = new EngineWorld(1);
    const [a, b] = [world.boot('a'), world.boot('b')];
    const order: string[] = [];
    b.engine.handle(type, (bytes, { priority }, answer) => {
      order.push(`${priority} ${bytes.length}`);
      answer({ ok: true, value: undefined });
    });
    a.engine.post('b', type, new Uint8Array(2_000_000), 'Normal');
    world.run(5);
    a.engine.post('b', type, number(1), 'Critical');
    a.engine.post('b', type, number(1), 'High');
    world.run(5000);
    expect(order).toEqual(['Critical 4', 'High 4', 'Normal 2000000']);
  });

  it('do not fill the buffers of systems: more leaves when the peer acknowledges, and Critical waits for nothing', () => {
    const world = new EngineWorld(1);
    const [a, b] = [world.boot('a'), world.boot('b')];
    world.network.latencyMs = 10;
    world.network.isDeep = true;
    const heard: [number, string][] = [];
    b.engine.handle(type, (_bytes, { priority }, answer) => {
      heard.push([world.clock.nowMs(), priority]);
      answer({ ok: true, value: undefined });
    });
    a.engine.post('b', type, number(0));
    world.run(100);
    const [startMs, before] = [world.clock.nowMs(), heard.length];
    a.engine.post('b', type, new Uint8Array(8_000_000), 'Low');
    world.run(5);
    const [channel] = a.engine.channels();
    expect(channel).toMatchObject({ inFlightBytesMax: 262_144, roundTripMs: null });
    expect(channel?.inFlightBytes).toBeGreaterThanOrEqual(262_144);
    expect(channel?.inFlightBytes).toBeLessThan(262_144 + 65_552);
    a.engine.post('b', type, number(1), 'Critical');
    world.run(11);
    expect(heard.slice(before)).toEqual([[startMs + 15, 'Critical']]);
    world.run(300);
    expect(heard.slice(before).map(([, priority]) => priority)).toEqual(['Critical', 'Low']);
    // It took 600 ms at the minimum.
    expect((heard.at(-1)?.[0] ?? 0) - startMs).toBeLessThan(220);
    expect(a.engine.channels()).toMatchObject([{ inFlightBytes: 0, roundTripMs: 20 }]);
  });

  it('wait with what is Critical, too, when much of that is under way', () => {
    const world = new EngineWorld(1);
    const [a] = [world.boot('a'), world.boot('b')];
    world.network.latencyMs = 10;
    a.engine.post('b', type, number(0));
    world.run(100);
    world.network.isDeep = true;
    a.engine.post('b', type, new Uint8Array(2_000_000), 'Low');
    world.run(2);
    const under = (): number => a.engine.channels()[0]?.inFlightBytes ?? 0;
    const before = under();
    for (let i = 0; i < 200; i++) a.engine.post('b', type, new Uint8Array(1000), 'Critical');
    world.run(2);
    expect(before).toBeGreaterThanOrEqual(262_144);
    expect(under()).toBeGreaterThan(before);
    expect(under()).toBeGreaterThanOrEqual(262_144 + 65_536);
    expect(under()).toBeLessThan(262_144 + 65_536 + 1100);
    world.run(1000);
    expect(a.engine.channels()).toMatchObject([{ inFlightBytes: 0 }]);
    expect(a.engine.peers()).toMatchObject([{ queued: 0 }]);
  });

  it('stop in the middle when their caller gives up, and leave room for the next', () => {
    const world = new EngineWorld(1);
    const [a, b] = [world.boot('a'), world.boot('b')];
    const heard: number[] = [];
    b.engine.handle(type, (bytes, _context, answer) => {
      heard.push(bytes.length);
      answer({ ok: true, value: undefined });
    });
    const ends: unknown[] = [];
    const call = a.engine.call(
      'b',
      type,
      new Uint8Array(4_000_000),
      {},
      (outcome) => void ends.push(outcome),
    );
    world.run(20);
    if (call !== null) a.engine.cancel(call);
    expect(ends).toMatchObject([{ ok: false, error: { code: 'TRANSPORT_ABORTED', retry: 'safe' } }]);
    a.engine.post('b', type, new Uint8Array(4_000_000));
    world.run(60_000);
    expect(heard).toEqual([4_000_000]);
    expect(a.events.map((event) => event.type)).toEqual(['up']);
    expect(a.engine.peers()).toMatchObject([{ queued: 0, unacknowledged: 0 }]);
  });
});

describe('a reader that stops consuming', () => {
  it('costs its caller nothing of what it has, and hears when the caller gives up', () => {
    const world = new EngineWorld(1);
    const [a, b] = [world.boot('a', patient), world.boot('b', patient)];
    let cancelled = 0;
    b.engine.handle(type, (_bytes, { request }) => {
      if (request !== null) request.onCancel = () => void cancelled++;
    });
    const outcomes: unknown[] = [];
    const call = a.engine.call('b', type, new Uint8Array(744), { priority: 'Low' }, (outcome) =>
      outcomes.push(outcome.ok || outcome.error.code),
    );
    expect(call).toMatchObject({ outgoing: { length: 744 }, sent: false });
    world.run(100);
    expect(call).toMatchObject({ outgoing: null, sent: true, settled: false });
    if (call !== null) a.engine.cancel(call);
    world.run(100);
    expect([outcomes, cancelled]).toEqual([['TRANSPORT_ABORTED'], 1]);
  });

  it('holds the sender back by the window, not the other priorities, and all goes on when it goes on', () => {
    const world = new EngineWorld(1);
    const windows = { streamWindowBytes: 100_000, sessionWindowBytes: 200_000 };
    const [a, b] = [world.boot('a', patient), world.boot('b', { ...patient, ...windows })];
    const held: (() => void)[] = [];
    const heard: string[] = [];
    let reading = false;
    b.engine.handle(type, (_bytes, { priority }, answer) => {
      heard.push(priority);
      const finish = (): void => answer({ ok: true, value: undefined });
      if (reading || priority !== 'Normal') finish();
      else held.push(finish);
    });
    for (let i = 0; i < 1000; i++) expect(a.engine.post('b', type, new Uint8Array(744))).toBe(true);
    world.run(1000);
    expect(heard).toHaveLength(100);
    for (const priority of ['Critical', 'High', 'Low'] as const) {
      for (let i = 0; i < 300; i++) a.engine.post('b', type, new Uint8Array(744), priority);
    }
    world.run(5000);
    expect(heard).toHaveLength(1000);
    // The window survives a reconnect.
    world.network.cutAll();
    world.run(5000);
    expect(heard).toHaveLength(1000);
    reading = true;
    for (const finish of held) finish();
    world.run(5000);
    expect(heard).toHaveLength(1900);
    expect(a.engine.peers()).toMatchObject([{ queued: 0, unacknowledged: 0 }]);
  });
});
