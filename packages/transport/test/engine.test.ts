import { describe, expect, it } from 'vitest';
import { ListRecorder, type Outcome, replay, Tracer } from '@cluster/core';
import {
  encodeFrame,
  frameTypes,
  type RemoteHandlerError,
  TransportCore,
  writeHeader,
} from '@cluster/transport';
import { type Booted, type BootOptions, EngineWorld, number, toNumber } from './engine-world.ts';
import { greeting } from './greeting.ts';

const type = 64;

const pair = (a: BootOptions = {}, b: BootOptions = {}): { world: EngineWorld; a: Booted; b: Booted } => {
  const world = new EngineWorld(1);
  return { world, a: world.boot('a', a), b: world.boot('b', b) };
};
const echo = ({ engine }: Booted): void =>
  engine.handle(type, (bytes, _context, answer) => answer({ ok: true, value: bytes.slice() }));

/** Calls, and keeps what comes of it. */
function call({ engine }: Booted, to: string, bytes = number(1), options = {}): Outcome<Uint8Array>[] {
  const outcomes: Outcome<Uint8Array>[] = [];
  engine.call(to, type, bytes, options, (outcome) => void outcomes.push(outcome));
  return outcomes;
}
const failure = (code: string): object[] => [{ ok: false, error: { code } }];

describe('a handshake that is refused', () => {
  it.each<[string, BootOptions, string, string]>([
    [
      'another cluster name',
      { clusterName: 'test', certificate: { clusterName: 'prod' } },
      'TRANSPORT_CLUSTER_MISMATCH',
      'cluster_mismatch',
    ],
    [
      'a certificate of another cluster',
      { certificate: { clusterName: 'test' } },
      'TRANSPORT_CLUSTER_MISMATCH',
      'cluster_mismatch',
    ],
    [
      'a certificate of another node',
      { certificate: { id: 'c' } },
      'TRANSPORT_IDENTITY_MISMATCH',
      'identity_mismatch',
    ],
    [
      'a certificate of a client',
      { certificate: { role: 'client' } },
      'TRANSPORT_IDENTITY_MISMATCH',
      'identity_mismatch',
    ],
    ['another codec', { codecHashes: { raft: 'h2' } }, 'TRANSPORT_CODEC_MISMATCH', 'codec_mismatch'],
  ])('by %s is a clear error on both sides', (_what, options, code, label) => {
    const { world, a, b } = pair({ codecHashes: { raft: 'h1' } }, options);
    echo(b);
    const outcomes = call(a, 'b');
    world.run(5000);
    expect(outcomes).toMatchObject(failure(code));
    expect(a.logged).toContainEqual(expect.objectContaining({ message: 'a dial failed', code }));
    expect(b.logged).toContainEqual(expect.objectContaining({ message: 'a connection was rejected', code }));
    expect(b.metrics.value('connections_rejected', { reason: label })).toBeGreaterThan(0);
    expect([...a.events, ...b.events]).toEqual([]);
    expect(world.network.live).toBe(0);
  });

  it('tells the peer why its certificate was not taken', () => {
    const expired = { code: 'TRANSPORT_CERTIFICATE_EXPIRED', reason: 'expired yesterday' };
    const { world, a, b } = pair({}, { judge: () => expired });
    const outcomes = call(a, 'b');
    world.run(5000);
    expect(outcomes).toMatchObject(failure('TRANSPORT_CERTIFICATE_EXPIRED'));
    expect(b.metrics.value('connections_rejected', { reason: 'certificate_expired' })).toBe(1);
  });

  it('is not tried again at once: the caller learns the reason from the first dial', () => {
    const { world, a } = pair({}, { certificate: { id: 'c' } });
    call(a, 'b');
    world.run(5000);
    expect(world.network.dials).toBe(1);
    const later = call(a, 'b');
    world.run(1);
    expect(later.length + world.network.dials).toBeGreaterThan(1);
  });

  it('leaves codecs alone that only one side knows', () => {
    const { world, a, b } = pair({ codecHashes: { raft: 'h1' } }, { codecHashes: { sql: 'h2' } });
    echo(b);
    const outcomes = call(a, 'b');
    world.run(100);
    expect(outcomes).toMatchObject([{ ok: true }]);
  });

  it('ends in time when the peer says nothing', () => {
    const { world, b } = pair();
    const told: string[] = [];
    const silent = world.network.port({ clusterName: 'prod', role: 'node', id: 'x' });
    const handlers = {
      onData: () => undefined,
      onEnd: () => void told.push('end'),
      onClose: () => undefined,
    };
    silent.dial({ host: 'memory', port: world.portOf('b') }, handlers, 1000, () => undefined);
    world.run(2900);
    expect(told).toEqual([]);
    world.run(1200);
    expect(told).toEqual(['end']);
    expect(b.metrics.value('connections_rejected', { reason: 'handshake_timeout' })).toBe(1);
  });

  it('is not held against a peer that answers too late', () => {
    const world = new EngineWorld();
    const a = world.boot('a', { handshakeTimeoutMs: 100, dialAttemptsMax: 1 });
    const b = world.boot('b');
    echo(b);
    world.network.latencyMs = 80;
    expect(call(a, 'b')).toHaveLength(0);
    world.run(170);
    b.engine.post('a', type, number(1));
    world.run(2000);
    expect(a.metrics.value('frames_rejected', { reason: 'handshake' })).toBe(0);
    expect(a.metrics.value('dials_failed', { reason: 'handshake_timeout' })).toBeGreaterThan(0);
  });

  it('holds a bounded number of strangers', () => {
    const { world, a, b } = pair({}, { handshakesMax: 4 });
    echo(b);
    const stranger = world.network.port({ clusterName: 'prod', role: 'node', id: 'x' });
    const handlers = { onData: () => undefined, onEnd: () => undefined, onClose: () => undefined };
    for (let i = 0; i < 10; i++)
      stranger.dial({ host: 'memory', port: world.portOf('b') }, handlers, 1000, () => undefined);
    world.run(10);
    expect(b.metrics.value('connections_rejected', { reason: 'too_many_connections' })).toBe(6);
    // Their places are free again when their time is over.
    world.run(5000);
    const outcomes = call(a, 'b');
    world.run(100);
    expect(outcomes).toMatchObject([{ ok: true }]);
  });
});

describe('hostile frames', () => {
  /** A peer with a good certificate and a HELLO, then these bytes. */
  function attack(bytes: Uint8Array): { booted: Booted; world: EngineWorld } {
    const { world, b } = pair();
    echo(b);
    const received: Uint8Array[] = [];
    const port = world.network.port({ clusterName: 'prod', role: 'node', id: 'x' });
    const handlers = {
      onData: (chunk: Uint8Array) => void received.push(chunk),
      onEnd: () => undefined,
      onClose: () => undefined,
    };
    port.dial({ host: 'memory', port: world.portOf('b') }, handlers, 1000, (outcome) => {
      if (!outcome.ok) return;
      outcome.value.write(encodeFrame(frameTypes.hello, greeting()));
      outcome.value.write(bytes);
    });
    world.run(50);
    return { booted: b, world };
  }
  const frame = (
    length: number,
    frameType: number,
    sequence: number,
    stream = 1,
    flags = 0,
    typeId = type,
  ): Uint8Array => {
    const bytes = new Uint8Array(16);
    writeHeader(bytes, 0, length, frameType, flags, typeId, stream, sequence);
    return bytes;
  };
  /** With its header. */
  const chunkBytes = 16 + 65_536;
  const chunk = (total: number, sequence: number, priority = 2, length = 65_536): Uint8Array => {
    const bytes = new Uint8Array(16 + length);
    writeHeader(bytes, 0, length, frameTypes.chunk, priority, 0, total, sequence);
    return bytes;
  };
  /** Begins two large messages that together are over the window of Normal. */
  const overrun = (): Uint8Array => {
    const bytes = new Uint8Array(chunkBytes + 16);
    bytes.set(chunk(16 * 1024 * 1024, 1));
    writeHeader(bytes, chunkBytes, 0, frameTypes.message, 2, type, 0, 2);
    return bytes;
  };

  /** Begins a large message of each of High, Normal and Low: each within its window, together over that of the session. */
  const overrunOfAll = (): Uint8Array => {
    const total = 16 * 1024 * 1024 - 256;
    return Buffer.concat([1, 2, 3].map((priority) => chunk(total, priority, priority)));
  };

  it.each<[string, Uint8Array]>([
    ['oversized', frame(0xffff_ffff, frameTypes.message, 1)],
    ['type', frame(0, 99, 1)],
    ['sequence', frame(0, frameTypes.message, 2)],
    ['ack', frame(0, frameTypes.ack, 17)],
    ['out_of_place', encodeFrame(frameTypes.helloAck)],
    ['credit', encodeFrame(frameTypes.credit, undefined, 0, 1)],
    ['credit', overrun()],
    ['credit', overrunOfAll()],
    ['oversized', frame(0, frameTypes.chunk, 1, 0x7fff_ffff)],
    ['chunk', frame(0, frameTypes.chunk, 1, 100)],
    // Of a whole that changes; smaller or larger than chunks are; more than the whole.
    ['chunk', Buffer.concat([chunk(200_000, 1), chunk(200_001, 2)])],
    ['chunk', chunk(200_000, 1, 2, 65_535)],
    ['chunk', chunk(200_000, 1, 2, 65_537)],
    ['chunk', Buffer.concat([chunk(100_000, 1), chunk(100_000, 2)])],
    ['chunk', frame(0, frameTypes.message, 1, 0, 8)],
  ])('end their connection, and are counted as %s', (reason, bytes) => {
    const { booted, world } = attack(bytes);
    expect(booted.metrics.value('frames_rejected', { reason })).toBe(1);
    expect(booted.events.map((event) => event.type)).toEqual(['up', 'down']);
    world.run(2000);
    expect(booted.metrics.value('connections_open')).toBe(0);
  });

  it('sent twice are delivered once', () => {
    const { booted } = attack(
      Uint8Array.from([...frame(0, frameTypes.message, 1), ...frame(0, frameTypes.message, 1)]),
    );
    expect(booted.metrics.value('messages_received')).toBe(1);
    expect(booted.metrics.value('duplicates_dropped')).toBe(1);
    expect(booted.events).toMatchObject([{ type: 'up' }]);
  });

  it('of a type nobody handles change nothing but a counter', () => {
    const bytes = frame(0, frameTypes.message, 1);
    bytes[7] = 99;
    const { booted } = attack(bytes);
    expect(booted.metrics.value('frames_rejected', { reason: 'unknown_type' })).toBe(1);
    expect(booted.events).toMatchObject([{ type: 'up' }]);
  });

  it('in a flood of requests and cancels start a bounded number of handlers', () => {
    const world = new EngineWorld(1);
    const b = world.boot('b', { inboundCallsMax: 50 });
    let started = 0;
    let running = 0;
    let runningMax = 0;
    b.engine.handle(type, (_bytes, _context, answer) => {
      started++;
      runningMax = Math.max(runningMax, ++running);
      // It does not listen to cancels: 100 ms of work.
      world.clock.setTimer(100, () => {
        running--;
        answer({ ok: true, value: undefined });
      });
    });
    const port = world.network.port({ clusterName: 'prod', role: 'node', id: 'x' });
    const handlers = { onData: () => undefined, onEnd: () => undefined, onClose: () => undefined };
    const flood = Array.from({ length: 2000 }, (_, i) => [
      ...frame(0, frameTypes.request, 2 * i + 1, i + 1),
      ...frame(0, frameTypes.cancel, 2 * i + 2, i + 1),
    ]);
    port.dial({ host: 'memory', port: world.portOf('b') }, handlers, 1000, (outcome) => {
      if (!outcome.ok) return;
      outcome.value.write(encodeFrame(frameTypes.hello, greeting()));
      outcome.value.write(Uint8Array.from(flood.flat()));
    });
    world.run(50);
    expect(runningMax).toBe(50);
    expect(started).toBe(50);
    expect(b.metrics.value('frames_rejected', { reason: 'overloaded' })).toBe(1950);
    world.run(500);
    expect(running).toBe(0);
  });

  it('of requests and messages start no more handlers in other sessions, and leaving wins no others', () => {
    const world = new EngineWorld(1);
    const limits = { streamWindowBytes: 65_536, sessionWindowBytes: 65_536, messageBytesMax: 1024 };
    const b = world.boot('b', { inboundCallsMax: 10, ...limits });
    const answers: (() => void)[] = [];
    b.engine.handle(type, (_bytes, _context, answer) => {
      answers.push(() => answer({ ok: true, value: undefined }));
    });
    const port = world.network.port({ clusterName: 'prod', role: 'client', id: 'x' });
    const handlers = { onData: () => undefined, onEnd: () => undefined, onClose: () => undefined };
    const say = (round: number, frameType: number): void => {
      port.dial({ host: 'memory', port: world.portOf('b') }, handlers, 1000, (outcome) => {
        if (!outcome.ok) return;
        const hello = greeting({ proposedId: `p${round}`, bootId: `x${round}` });
        outcome.value.write(encodeFrame(frameTypes.hello, hello));
        for (let i = 1; i <= 255; i++) outcome.value.write(frame(0, frameType, i, i, 2));
      });
      world.run(100);
      // Every other time it is forgotten.
      if (round % 2 === 0) return;
      world.network.cutAll();
      world.run(60_000);
      expect(b.engine.peers()).toEqual([]);
    };
    for (let round = 1; round <= 3; round++) say(round, frameTypes.request);
    expect(answers).toHaveLength(10);
    // Messages are charged 256 bytes: two windows of them, less what the requests have.
    for (let round = 4; round <= 6; round++) say(round, frameTypes.message);
    expect(answers).toHaveLength(512);
    for (const answer of answers.splice(0)) answer();
    say(7, frameTypes.request);
    expect(answers).toHaveLength(10);
  });

  it('that ask whether we live, and are not read, end the connection', () => {
    const world = new EngineWorld(1);
    const b = world.boot('b', { controlFramesMax: 64 });
    const port = world.network.port({ clusterName: 'prod', role: 'node', id: 'x' });
    const handlers = { onData: () => undefined, onEnd: () => undefined, onClose: () => undefined };
    port.dial({ host: 'memory', port: world.portOf('b') }, handlers, 1000, (outcome) => {
      if (!outcome.ok) return;
      outcome.value.write(encodeFrame(frameTypes.hello, greeting()));
      world.network.stopReading();
      const pings = Array.from({ length: 20_000 }, (_, i) => [
        ...encodeFrame(frameTypes.ping, undefined, i + 1),
      ]);
      outcome.value.write(Uint8Array.from(pings.flat()));
    });
    world.run(200);
    expect(b.metrics.value('frames_rejected', { reason: 'control_flood' })).toBe(1);
    expect(b.events).toMatchObject([{ type: 'up' }, { type: 'down', reason: 'TRANSPORT_CONTROL_FLOOD' }]);
  });

  it('that come one byte at a time are read all the same', () => {
    const world = new EngineWorld(1);
    const b = world.boot('b');
    let handled = 0;
    b.engine.handle(type, (_bytes, _context, answer) => {
      handled++;
      answer({ ok: true, value: undefined });
    });
    const port = world.network.port({ clusterName: 'prod', role: 'node', id: 'x' });
    const handlers = { onData: () => undefined, onEnd: () => undefined, onClose: () => undefined };
    port.dial({ host: 'memory', port: world.portOf('b') }, handlers, 1000, (outcome) => {
      if (!outcome.ok) return;
      const messages = Array.from({ length: 20 }, (_, i) => [...frame(0, frameTypes.message, i + 1)]);
      for (const byte of [...encodeFrame(frameTypes.hello, greeting()), ...messages.flat()])
        outcome.value.write(Uint8Array.of(byte));
    });
    world.run(50);
    expect(handled).toBe(20);
    expect(b.events).toMatchObject([{ type: 'up' }]);
  });

  it('before the HELLO end the connection', () => {
    const { world, b } = pair();
    const port = world.network.port({ clusterName: 'prod', role: 'node', id: 'x' });
    const handlers = { onData: () => undefined, onEnd: () => undefined, onClose: () => undefined };
    port.dial({ host: 'memory', port: world.portOf('b') }, handlers, 1000, (outcome) => {
      if (outcome.ok) outcome.value.write(frame(0, frameTypes.message, 1));
    });
    world.run(50);
    expect(b.metrics.value('frames_rejected', { reason: 'handshake' })).toBe(1);
    expect(b.metrics.value('connections_rejected', { reason: 'protocol_error' })).toBe(1);
  });
});

describe('calls', () => {
  it('to a type nobody handles are answered with an error', () => {
    const { world, a, b } = pair();
    const outcomes = call(a, 'b');
    world.run(100);
    expect(outcomes).toMatchObject([
      { ok: false, error: { code: 'TRANSPORT_REMOTE_ERROR', remoteCode: 'TRANSPORT_UNKNOWN_TYPE' } },
    ]);
    expect(b.metrics.value('frames_rejected', { reason: 'unknown_type' })).toBe(1);
  });

  it('carry the error of a handler that throws, with its code', () => {
    const { world, a, b } = pair();
    b.engine.handle(type, () => {
      throw Object.assign(new Error('disk full'), { code: 'ENOSPC' });
    });
    const outcomes = call(a, 'b');
    world.run(100);
    expect(outcomes).toMatchObject([
      {
        ok: false,
        error: { code: 'TRANSPORT_REMOTE_ERROR', remoteCode: 'ENOSPC', remoteMessage: 'disk full' },
      },
    ]);
    expect(b.metrics.value('handler_errors')).toBe(1);
  });

  it('meet their deadline, sent or not, and tell the handler', () => {
    const { world, a, b } = pair();
    const cancelled: number[] = [];
    b.engine.handle(type, (_bytes, { request }) => {
      if (request !== null) request.onCancel = () => void cancelled.push(request.stream);
    });
    const sent = call(a, 'b', number(1), { timeoutMs: 200 });
    world.run(195);
    expect(sent).toEqual([]);
    world.run(20);
    expect(sent).toMatchObject([{ ok: false, error: { code: 'TRANSPORT_TIMEOUT', retry: 'unsafe' } }]);
    expect(cancelled).toEqual([1]);
    world.network.latencyMs = 10_000;
    world.network.cutAll();
    const unsent = call(a, 'b', number(1), { timeoutMs: 200 });
    world.run(300);
    expect(unsent).toMatchObject([{ ok: false, error: { code: 'TRANSPORT_TIMEOUT', retry: 'safe' } }]);
    expect(a.engine.peers()[0]?.queued).toBe(0);
  });

  it('can be taken back', () => {
    const { world, a, b } = pair();
    let cancelled = false;
    b.engine.handle(type, (_bytes, { request }) => {
      if (request !== null) request.onCancel = () => void (cancelled = true);
    });
    const outcomes: Outcome<Uint8Array>[] = [];
    const first = a.engine.call('b', type, number(1), {}, (outcome) => void outcomes.push(outcome));
    world.run(50);
    if (first !== null) a.engine.cancel(first);
    world.run(50);
    expect(outcomes).toMatchObject(failure('TRANSPORT_ABORTED'));
    expect(cancelled).toBe(true);
    if (first !== null) a.engine.cancel(first);
    expect(outcomes).toHaveLength(1);
  });

  it('that only want to arrive do not wait for the handler', () => {
    const { world, a, b } = pair();
    b.engine.handle(type, () => undefined);
    const arrived = call(a, 'b', number(1), { until: 'arrival' });
    const handled = call(a, 'b', number(1));
    world.run(50);
    expect(arrived).toMatchObject([{ ok: true }]);
    expect(handled).toEqual([]);
  });

  it('of a role that may not are refused', () => {
    const { world, b } = pair();
    const client = world.boot('c', { role: 'client' });
    b.engine.handle(type, (_bytes, _context, answer) => answer({ ok: true, value: undefined }), {
      roles: ['node'],
    });
    const outcomes = call(client, 'b');
    world.run(100);
    expect(outcomes).toMatchObject([{ ok: false, error: { remoteCode: 'TRANSPORT_NOT_AUTHORIZED' } }]);
  });

  it('measure the round trip', () => {
    const { world, a } = pair();
    world.network.latencyMs = 20;
    const times: Outcome<number>[] = [];
    a.engine.ping('b', 1000, (outcome) => void times.push(outcome));
    world.run(500);
    a.engine.ping('b', 1000, (outcome) => void times.push(outcome));
    world.run(500);
    expect(times[1]).toEqual({ ok: true, value: 40 });
  });
});

describe('a client', () => {
  it('is answered and posted to over its own connection, and cannot pass for a node of its name', () => {
    const { world, a, b } = pair();
    const client = world.boot('a', { role: 'client' });
    const got: number[] = [];
    client.engine.handle(type, (bytes) => void got.push(toNumber(bytes)));
    const from: string[] = [];
    b.engine.handle(type, (_bytes, context, answer) => {
      from.push(`${context.role} ${context.from}`);
      b.engine.post(context.from, type, number(5));
      answer({ ok: true, value: undefined });
    });
    const outcomes = call(client, 'b');
    world.run(100);
    expect(outcomes).toMatchObject([{ ok: true }]);
    expect(from).toEqual(['client client/a']);
    expect(got).toEqual([5]);
    expect(call(a, 'b')).toEqual([]);
    world.run(100);
    expect(from[1]).toBe('node a');
    // Nobody dials a client.
    world.network.cutAll();
    client.kill();
    world.run(40_000);
    expect(b.engine.peers().map(({ peer }) => peer)).toEqual(['a']);
  });
});

describe('a connection that goes quiet', () => {
  it('is pinged, kept while anything comes back, and dead when nothing does', () => {
    const { world, a, b } = pair();
    echo(b);
    call(a, 'b');
    world.run(60_000);
    expect(a.events).toMatchObject([{ type: 'up' }]);
    world.network.swallowAll();
    world.network.down.add(world.portOf('a'));
    world.network.down.add(world.portOf('b'));
    world.run(6000);
    expect(a.events).toMatchObject([{ type: 'up' }, { type: 'down', reason: 'TRANSPORT_PEER_SILENT' }]);
    expect(b.events).toMatchObject([{ type: 'up' }, { type: 'down', reason: 'TRANSPORT_PEER_SILENT' }]);
  });

  it('costs no traffic while there is other traffic', () => {
    const { world, a, b } = pair();
    const before = (): number => a.metrics.value('bytes_sent');
    b.engine.handle(type, () => undefined);
    a.engine.post('b', type, number(0));
    world.run(100);
    const start = before();
    for (let i = 0; i < 100; i++) {
      a.engine.post('b', type, number(i));
      world.run(100);
    }
    expect(before() - start).toBe(100 * 20);
  });
});

describe('a node that is dead', () => {
  it('costs its peers a dial now and then: one a wait, and the waits grow', () => {
    const world = new EngineWorld(2);
    const a = world.boot('a');
    world.portOf('b');
    const dialsPerMinute = [0, 0, 0].map(() => {
      const before = world.network.dials;
      // Somebody wants to talk to it all the time.
      for (let i = 0; i < 1200; i++) {
        a.engine.post('b', type, number(i));
        world.run(50);
      }
      return world.network.dials - before;
    });
    expect(dialsPerMinute[2]).toBeLessThan(30);
    expect(dialsPerMinute[2]).toBeGreaterThan(3);
    expect(a.engine.peers()[0]?.lastFailure).toBe('TRANSPORT_CONNECT_FAILED');
    // It answers as soon as it is there and the wait is over.
    const b = world.boot('b');
    echo(b);
    const outcomes: Outcome<Uint8Array>[] = [];
    for (let i = 0; i < 250; i++) {
      outcomes.push(...call(a, 'b'));
      world.run(50);
    }
    expect(a.events).toMatchObject([{ type: 'up', peer: 'b' }]);
    expect(b.metrics.value('messages_received')).toBeGreaterThan(0);
  });

  it('makes room for others when the table is full', () => {
    const world = new EngineWorld(2);
    const a = world.boot('a', { peersMax: 2 });
    for (const dead of ['x', 'y', 'z']) {
      world.portOf(dead);
      a.engine.post(dead, type, number(0));
      world.run(60_000);
    }
    const b = world.boot('b');
    echo(b);
    const outcomes = call(a, 'b');
    world.run(100);
    expect(outcomes).toMatchObject([{ ok: true }]);
    expect(a.engine.peers().length).toBeLessThanOrEqual(2);
  });
});

describe('answers', () => {
  it('too large for the caller become an error, and the connection stays', () => {
    const { world, a, b } = pair({ messageBytesMax: 2048 });
    b.engine.handle(type, (_bytes, _context, answer) => answer({ ok: true, value: new Uint8Array(4096) }));
    const outcomes = call(a, 'b');
    world.run(100);
    expect(outcomes).toMatchObject([{ ok: false, error: { remoteCode: 'TRANSPORT_MESSAGE_TOO_LARGE' } }]);
    expect(a.events).toMatchObject([{ type: 'up' }]);
  });

  it('that nobody reads end the connection before they fill the memory', () => {
    const limits = { queueBytesMax: 131_072, messageBytesMax: 65_536, queueMessagesMax: 1000 };
    const { world, b } = pair({}, limits);
    b.engine.handle(type, (_bytes, _context, answer) => answer({ ok: true, value: new Uint8Array(1000) }));
    const port = world.network.port({ clusterName: 'prod', role: 'node', id: 'x' });
    const handlers = { onData: () => undefined, onEnd: () => undefined, onClose: () => undefined };
    port.dial({ host: 'memory', port: world.portOf('b') }, handlers, 1000, (outcome) => {
      if (!outcome.ok) return;
      const stream = outcome.value;
      stream.write(encodeFrame(frameTypes.hello, greeting()));
      // Never acknowledges anything.
      for (let i = 1; i <= 5000; i++) {
        const request = new Uint8Array(16);
        writeHeader(request, 0, 0, frameTypes.request, 0, type, i, i);
        stream.write(request);
      }
    });
    world.run(200);
    expect(b.events.map((event) => event.type)).toEqual(['up', 'down']);
    expect(b.metrics.value('frames_rejected', { reason: 'backpressure' })).toBe(1);
    expect(b.logged).toContainEqual(
      expect.objectContaining({ message: 'a peer does not read answers', code: 'TRANSPORT_BACKPRESSURE' }),
    );
    const [peer] = b.engine.peers();
    expect((peer?.queued ?? 0) + (peer?.unacknowledged ?? 0)).toBeLessThanOrEqual(1000);
  });
});

describe('a listener', () => {
  it('of peers that throws disturbs nobody', () => {
    const { world, a, b } = pair();
    echo(b);
    a.engine.onPeer(() => {
      throw new Error('mine');
    });
    const outcomes = call(a, 'b');
    world.run(100);
    expect(outcomes).toMatchObject([{ ok: true }]);
    expect(a.logged.map(({ message }) => message)).toEqual(['a peer listener threw']);
  });
});

describe('a peer that does not read', () => {
  it('fills a bounded queue, and what is refused is said', () => {
    const { world, a, b } = pair({ queueBytesMax: 131_072, messageBytesMax: 65_536 });
    b.engine.handle(type, () => undefined);
    a.engine.post('b', type, number(0));
    world.run(50);
    world.network.swallowAll();
    const big = new Uint8Array(10_000);
    let taken = 0;
    while (a.engine.post('b', type, big) && taken < 1000) taken++;
    expect(taken).toBe(13);
    expect(call(a, 'b', big)).toMatchObject(failure('TRANSPORT_BACKPRESSURE'));
    expect(a.metrics.value('messages_dropped')).toBe(1);
    expect(call(a, 'b', new Uint8Array(65_537))).toMatchObject(failure('TRANSPORT_MESSAGE_TOO_LARGE'));
  });

  it('is sent no more than it takes', () => {
    const { world, a } = pair({}, { messageBytesMax: 2048 });
    call(a, 'b');
    world.run(50);
    expect(call(a, 'b', new Uint8Array(3000))).toMatchObject(failure('TRANSPORT_MESSAGE_TOO_LARGE'));
    expect(a.engine.post('b', type, new Uint8Array(3000))).toBe(false);
  });
});

describe('priorities', () => {
  it('count when the socket is full: Critical first, then by weight, nothing starves', () => {
    const { world, a, b } = pair();
    const order: string[] = [];
    b.engine.handle(type, (_bytes, { priority }) => void order.push(priority));
    a.engine.post('b', type, number(0));
    world.run(50);
    order.length = 0;
    const body = new Uint8Array(4000);
    for (let i = 0; i < 100; i++) a.engine.post('b', type, body, 'Low');
    world.run(0);
    for (let i = 0; i < 100; i++) {
      for (const priority of ['Normal', 'High', 'Critical'] as const)
        a.engine.post('b', type, body, priority);
    }
    world.run(2000);
    const firstCritical = order.indexOf('Critical');
    // What is in the socket cannot be overtaken: at most 128 KiB of it.
    expect(firstCritical * 4016).toBeLessThanOrEqual(131_072);
    // Four fifths at most, once the others have waited for a while.
    expect(new Set(order.slice(firstCritical, firstCritical + 60))).toEqual(new Set(['Critical']));
    const lastCritical = order.lastIndexOf('Critical');
    expect(lastCritical - firstCritical).toBeLessThan(120);
    const after = order.slice(lastCritical + 1, lastCritical + 101);
    const share = (priority: string): number => after.filter((one) => one === priority).length;
    expect(share('High')).toBeGreaterThan(share('Normal') * 1.5);
    expect(share('Normal')).toBeGreaterThan(share('Low') * 2);
    expect(share('Low')).toBeGreaterThan(0);
    expect(order).toHaveLength(400);
  });
});

describe('closing', () => {
  it('lets handlers finish, tells the peers, and takes nothing new', () => {
    const { world, a, b } = pair();
    b.engine.handle(type, (bytes, _context, answer) => {
      world.clock.setTimer(300, () => answer({ ok: true, value: bytes.slice() }));
    });
    const outcomes = call(a, 'b');
    world.run(50);
    let closed = 0;
    b.engine.close(() => closed++);
    world.run(100);
    expect(call(b, 'a')).toMatchObject(failure('TRANSPORT_CLOSED'));
    expect(call(a, 'b')).toMatchObject(failure('TRANSPORT_PEER_LEFT'));
    expect(closed).toBe(0);
    world.run(300);
    expect(outcomes).toMatchObject([{ ok: true }]);
    expect(closed).toBe(1);
    world.run(100);
    expect(a.events).toMatchObject([{ type: 'up' }, { type: 'down', reason: 'TRANSPORT_PEER_LEFT' }]);
    b.engine.close(() => closed++);
    expect(closed).toBe(2);
  });

  it('sends nothing more of what it has called safe to repeat', () => {
    const { world, a, b } = pair();
    let handled = 0;
    b.engine.handle(type, (_bytes, _context, answer) => {
      handled++;
      answer({ ok: true, value: undefined });
    });
    call(a, 'b');
    world.run(50);
    const outcomes = call(a, 'b');
    a.engine.close(() => undefined);
    expect(outcomes).toMatchObject([{ ok: false, error: { code: 'TRANSPORT_CLOSED', retry: 'safe' } }]);
    world.run(3000);
    expect(handled).toBe(1);
  });

  it('ends the dials under way, and makes no more', () => {
    const { world, a } = pair();
    a.engine.ping('b', 100_000, () => undefined);
    let closed = false;
    a.engine.close(() => void (closed = true));
    expect(closed).toBe(true);
    world.run(30_000);
    expect(world.network.dials).toBe(1);
  });

  it('does not wait for ever', () => {
    const { world, a, b } = pair();
    b.engine.handle(type, () => undefined);
    const outcomes = call(a, 'b');
    world.run(50);
    let closed = false;
    b.engine.close(() => void (closed = true));
    world.run(2500);
    expect(closed).toBe(true);
    world.run(2500);
    expect(outcomes).toHaveLength(1);
    expect(world.network.live).toBe(0);
  });
});

describe('the control core', () => {
  it('can be replayed from its record, checkpoints included', () => {
    const recorder = new ListRecorder();
    const world = new EngineWorld(9);
    const a = world.boot('a', { tracer: new Tracer({ sink: recorder, checkpointEvery: 5 }) });
    const b = world.boot('b');
    echo(b);
    for (let round = 0; round < 60; round++) {
      call(a, 'b');
      world.run(100);
      world.network.cutAll();
      world.run(300);
    }
    const config = {
      ...a.engine.config,
      seed: 1,
      bootId: 'boot-1',
      capabilities: [],
      limits: a.engine.limits,
      lingerMs: 1000,
      yieldTimeoutMs: 1000,
    };
    const { steps, divergence } = replay(recorder.records, 'a', 'transport', () => new TransportCore(config));
    expect(divergence).toBeNull();
    expect(steps).toBeGreaterThan(20);
    const checkpoints = recorder.records.filter((record) => record.kind === 'checkpoint');
    expect(checkpoints.length).toBeGreaterThan(3);
    for (const checkpoint of checkpoints) {
      const later = [
        checkpoint,
        ...recorder.records.filter((r) => r.kind === 'step' && r.seq > checkpoint.seq),
      ];
      expect(replay(later, 'a', 'transport', () => new TransportCore(config)).divergence).toBeNull();
    }
  });
});

describe('backpressure', () => {
  it('shows in ready(): it waits while the peer takes nothing, and goes on when it does', () => {
    const { world, a, b } = pair({ readyBytes: 100_000 });
    let received = 0;
    b.engine.handle(type, () => void received++);
    const told: Outcome<void>[] = [];
    a.engine.ready('b', (outcome) => void told.push(outcome));
    expect(told).toMatchObject([{ ok: true }]);
    for (let i = 0; i < 200; i++) a.engine.post('b', type, new Uint8Array(1000));
    a.engine.ready('b', (outcome) => void told.push(outcome));
    const cancel = a.engine.ready('b', () => expect.unreachable());
    cancel();
    expect(told).toHaveLength(1);
    world.run(100);
    expect(told).toMatchObject([{ ok: true }, { ok: true }]);
    expect(received).toBe(200);
  });

  it('ends with the reason when the peer cannot be reached, is unknown, or the transport closes', () => {
    const world = new EngineWorld(2);
    const a = world.boot('a', { readyBytes: 1024 });
    world.portOf('b');
    const told: Outcome<void>[] = [];
    const wait = (to: string): void => void a.engine.ready(to, (outcome) => void told.push(outcome));
    wait('z');
    expect(told).toMatchObject(failure('TRANSPORT_PEER_UNKNOWN'));
    a.engine.post('b', type, new Uint8Array(2000));
    wait('b');
    expect(told).toHaveLength(1);
    world.run(5000);
    expect(told[1]).toMatchObject({ ok: false, error: { code: 'TRANSPORT_CONNECT_FAILED' } });
    world.run(20_000);
    a.engine.post('b', type, new Uint8Array(2000));
    wait('b');
    a.engine.close(() => undefined);
    expect(told[2]).toMatchObject({ ok: false, error: { code: 'TRANSPORT_CLOSED' } });
  });
});

describe('a lone message', () => {
  it('leaves at the end of the callback; what follows in the same turn leaves together at its end', () => {
    const world = new EngineWorld(1);
    const soon: (() => void)[] = [];
    const a = world.boot('a', { soon: (run) => void soon.push(run) });
    const b = world.boot('b');
    echo(b);
    call(a, 'b');
    world.run(50);
    soon.length = 0;
    const sent = (): number => a.metrics.value('messages_sent');
    const before = sent();
    a.engine.post('b', type, number(1));
    expect(soon).toHaveLength(1);
    soon.shift()?.();
    expect(sent() - before).toBe(1);
    a.engine.post('b', type, number(3));
    a.engine.post('b', type, number(4));
    expect(soon).toHaveLength(0);
    expect(sent() - before).toBe(1);
    world.run(0);
    expect(sent() - before).toBe(3);
    world.run(10);
    a.engine.post('b', type, number(5));
    a.engine.post('b', type, number(6));
    expect(soon).toHaveLength(1);
    soon.shift()?.();
    expect(sent() - before).toBe(3);
    world.run(0);
    expect(sent() - before).toBe(5);
  });

  it('does not wait for the end of a turn when it is Critical, whatever else is queued', () => {
    const world = new EngineWorld(1);
    const soon: (() => void)[] = [];
    const a = world.boot('a', { soon: (run) => void soon.push(run) });
    const b = world.boot('b');
    const heard: Uint8Array[] = [];
    b.engine.handle(type, (bytes) => void heard.push(bytes.slice()));
    call(a, 'b');
    world.run(50);
    heard.length = 0;
    soon.length = 0;
    const sent = (): number => a.metrics.value('messages_sent');
    const before = sent();
    const endCallback = (): void => {
      for (const run of soon.splice(0)) run();
    };
    for (const [n, priority] of [
      [1, 'Low'],
      [2, 'Normal'],
    ] as const)
      a.engine.post('b', type, number(n), priority);
    endCallback();
    expect(sent() - before).toBe(0);
    a.engine.post('b', type, number(3), 'Critical');
    a.engine.post('b', type, number(4), 'Critical');
    // Once for all of a callback.
    expect(soon).toHaveLength(1);
    endCallback();
    expect(sent() - before).toBe(4);
    a.engine.post('b', type, number(5), 'Critical');
    endCallback();
    expect(sent() - before).toBe(5);
    world.run(10);
    expect(heard.map((bytes) => bytes.join())).toEqual([3, 4, 2, 1, 5].map((n) => number(n).join()));
    expect(sent() - before).toBe(5);
  });
});

describe('much for one peer', () => {
  it('begins to leave before the turn is over, if nothing of it waits in the socket', () => {
    const { world, a, b } = pair();
    echo(b);
    call(a, 'b');
    world.run(50);
    const sent = (): number => a.metrics.value('messages_sent');
    const before = sent();
    const post = (count: number): void => {
      for (let i = 0; i < count; i++) a.engine.post('b', type, new Uint8Array(984));
    };
    post(4);
    expect(sent() - before).toBe(0);
    post(6);
    // Five are enough for a part; the rest leaves together.
    expect(sent() - before).toBe(5);
    world.run(0);
    expect(sent() - before).toBe(10);
    post(10);
    expect(sent() - before).toBe(10);
    world.run(0);
    expect(sent() - before).toBe(20);
  });
});

describe('what a peer may send', () => {
  it('is limited by type: more is counted, answered with an error, and reaches no handler', () => {
    const { world, a, b } = pair();
    let handled = 0;
    const handler = (
      _bytes: unknown,
      _context: unknown,
      answer: (outcome: Outcome<undefined>) => void,
    ): void => {
      handled++;
      answer({ ok: true, value: undefined });
    };
    b.engine.handle(type, handler, { limit: { perSecond: 10, burst: 5 } });
    b.engine.handle(type + 1, handler);
    const outcomes = Array.from({ length: 8 }, () => call(a, 'b')).flat();
    const late = Array.from({ length: 8 }, () => call(a, 'b'));
    world.run(100);
    expect(outcomes).toEqual([]);
    expect(handled).toBe(5);
    expect(b.metrics.value('frames_rejected', { reason: 'rate_limited' })).toBe(11);
    expect(late.at(-1)).toMatchObject([
      { ok: false, error: { remoteCode: 'TRANSPORT_RATE_LIMITED', code: 'TRANSPORT_REMOTE_ERROR' } },
    ]);
    // Other types and peers are not concerned; a reconnect refills nothing.
    a.engine.post('b', type + 1, number(1));
    const c = world.boot('c');
    call(c, 'b');
    world.network.cutAll();
    a.engine.post('b', type, number(1));
    world.run(100);
    expect(handled).toBeGreaterThanOrEqual(7);
    world.run(10_000);
    const before = handled;
    for (let i = 0; i < 20; i++) a.engine.post('b', type, number(i));
    world.run(100);
    expect(handled - before).toBe(5);
  });

  it('is limited by who it is: leaving and coming again, or another process of the name, refills nothing', () => {
    const world = new EngineWorld(1);
    const b = world.boot('b', { peersMax: 2, pastSessionsMax: 16 });
    let handled = 0;
    let opened = 0;
    const accept = { onData: () => undefined, onEnd: () => undefined, onReset: () => undefined };
    b.engine.handle(
      type,
      (_bytes, _context, answer) => {
        handled++;
        answer({ ok: true, value: undefined });
      },
      { limit: { perSecond: 0.1, burst: 5 } },
    );
    const acceptor = (): typeof accept => (opened++, accept);
    b.engine.streams.handle(type, acceptor, { limit: { perSecond: 0.1, burst: 3 } });
    /** One process of this name from its first word to its farewell: at once forgotten. */
    const visit = (role: 'node' | 'client', id: string): readonly [number, number] => {
      [handled, opened] = [0, 0];
      const visitor = world.boot(id, { role });
      for (let i = 0; i < 10; i++) visitor.engine.post('b', type, number(i));
      for (let i = 0; i < 10; i++) visitor.engine.streams.open('b', type, accept).reset();
      world.run(100);
      visitor.engine.close(() => undefined);
      world.run(10);
      expect(b.engine.peers()).toEqual([]);
      return [handled, opened];
    };
    expect(visit('node', 'a')).toEqual([5, 3]);
    expect(visit('node', 'a')).toEqual([0, 0]);
    // A client of the name is somebody else.
    expect(visit('client', 'a')).toEqual([5, 3]);
    world.run(20_000);
    expect(visit('node', 'a')).toEqual([2, 2]);
    // So many are remembered, here 18: then who was there longest ago is forgotten first.
    for (let i = 0; i < 17; i++) visit('client', `c${i}`);
    expect(visit('client', 'c16')).toEqual([0, 0]);
    expect(visit('node', 'a')).toEqual([0, 0]);
    expect(visit('client', 'a')).toEqual([5, 3]);
  });

  it('follows from the role in its certificate, for one-way messages too', () => {
    const { world, a, b } = pair();
    const heard: string[] = [];
    const client = world.boot('c', { role: 'client' });
    b.engine.handle(
      type,
      (_bytes, { from }, answer) => {
        heard.push(from);
        answer({ ok: true, value: undefined });
      },
      { roles: ['node'] },
    );
    client.engine.post('b', type, number(1));
    a.engine.post('b', type, number(1));
    world.run(100);
    expect(heard).toEqual(['a']);
    expect(b.metrics.value('frames_rejected', { reason: 'not_authorized' })).toBe(1);
    // Its sender finds that counted, and in the log.
    expect(client.metrics.value('posts_refused', { reason: 'not_authorized' })).toBe(1);
    expect(client.logged).toContainEqual(
      expect.objectContaining({
        message: 'a peer refused a one-way message',
        code: 'TRANSPORT_NOT_AUTHORIZED',
      }),
    );
    expect(a.metrics.value('posts_refused', { reason: 'not_authorized' })).toBe(0);
  });

  it('and reaches no handler is an error for whoever waits for its arrival, and not before it is one', () => {
    const { world, a, b } = pair();
    b.engine.handle(type, () => undefined, { roles: ['client'] });
    b.engine.handle(type + 1, () => undefined, { limit: { perSecond: 1, burst: 2 } });
    const codes: string[] = [];
    const wanted = [
      [type, 1],
      [type, 200_000],
      [type + 1, 1],
      [type + 1, 200_000],
      [type + 1, 1],
      [type + 2, 1],
    ] as const;
    for (const [i, [typeId, size]] of wanted.entries())
      a.engine.call('b', typeId, new Uint8Array(size), { until: 'arrival' }, (outcome) => {
        codes[i] = outcome.ok ? 'arrived' : (outcome.error as RemoteHandlerError).remoteCode;
      });
    world.run(200);
    expect(codes).toEqual([
      'TRANSPORT_NOT_AUTHORIZED',
      'TRANSPORT_NOT_AUTHORIZED',
      'arrived',
      'arrived',
      'TRANSPORT_RATE_LIMITED',
      'TRANSPORT_UNKNOWN_TYPE',
    ]);
    expect(a.metrics.value('posts_refused', { reason: 'not_authorized' })).toBe(0);
  });
});
