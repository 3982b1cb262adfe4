/** Large messages that both sides agree to compress, and peers that abuse it. */
import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { Prng } from '@cluster/core';
import {
  encodeFrame,
  flagBits,
  frameTypes,
  headerBytes,
  TransportEngine,
  writeHeader,
} from '@cluster/transport';
import { nodeDeflate } from '@cluster/transport/node';
import { type Booted, type BootOptions, EngineWorld, number } from './engine-world.ts';
import { greeting } from './greeting.ts';

const type = 64;
const on = { compression: 'deflate' } as const;
const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

/** Every other KiB is noise: it shrinks by half. */
function mixed(length: number, seed = 1): Uint8Array {
  const prng = Prng.fromSeed(seed, 'mixed');
  return Uint8Array.from({ length }, (_, at) => (at & 1024 ? 7 : prng.below(256)));
}

interface Stage {
  readonly world: EngineWorld;
  readonly a: Booted;
  readonly b: Booted;
  readonly got: Uint8Array[];
}

const listen = ({ engine }: Booted, got: Uint8Array[], compress = false): void =>
  engine.handle(
    type,
    (bytes, _context, answer) => {
      got.push(bytes.slice());
      answer({ ok: true, value: bytes.slice() });
    },
    { compress },
  );

function stage(a: BootOptions = on, b: BootOptions = on, compressAnswers = false): Stage {
  const world = new EngineWorld(1);
  const nodes = { a: world.boot('a', a), b: world.boot('b', b) };
  const got: Uint8Array[] = [];
  listen(nodes.b, got, compressAnswers);
  return { world, ...nodes, got };
}

const same = (one: Uint8Array | undefined, other: Uint8Array): boolean =>
  one !== undefined && Buffer.compare(one, other) === 0;

describe('compression', () => {
  it('is for large messages, requests and answers of which it is asked, where both sides have it on', () => {
    const { world, a, b, got } = stage(on, on, true);
    const bytes = mixed(200_000);
    const answers: Uint8Array[] = [];
    a.engine.post('b', type, bytes, 'Normal', undefined, true);
    a.engine.call('b', type, bytes, { compress: true, priority: 'High' }, (outcome) => {
      if (outcome.ok) answers.push(outcome.value);
    });
    world.run(500);
    expect([got, answers].map((list) => list.map((one) => same(one, bytes)))).toEqual([[true, true], [true]]);
    expect(a.metrics.value('messages_compressed')).toBe(2);
    expect(b.metrics.value('messages_expanded')).toBe(2);
    expect([b.metrics.value('messages_compressed'), a.metrics.value('messages_expanded')]).toEqual([1, 1]);
    expect(a.metrics.value('compression_saved_bytes')).toBeGreaterThan(180_000);
    expect(a.metrics.value('bytes_sent')).toBeLessThan(220_000);
    const before = a.metrics.value('bytes_sent');
    a.engine.post('b', type, bytes);
    world.run(500);
    // Nobody asked.
    expect(a.metrics.value('bytes_sent') - before).toBeGreaterThan(200_000);
    expect(a.metrics.value('messages_compressed')).toBe(2);
  });

  it.each<[string, BootOptions, BootOptions]>([
    ['by default', {}, {}],
    ['with a peer that has it off', on, {}],
    ['where it is off and the peer has it on', {}, on],
  ])('is off %s: what asks for it goes as it is', (_when, optionsA, optionsB) => {
    const { world, a, b, got } = stage(optionsA, optionsB, true);
    const bytes = new Uint8Array(50_000);
    let answered = 0;
    a.engine.call('b', type, bytes, { compress: true }, ({ ok }) => void (answered += ok ? 1 : 0));
    world.run(200);
    expect([got.length, got[0]?.length, answered]).toEqual([1, 50_000, 1]);
    expect(a.metrics.value('messages_compressed') + b.metrics.value('messages_compressed')).toBe(0);
    expect(a.metrics.value('bytes_sent')).toBeGreaterThan(50_000);
  });

  it('cannot be on where nothing is there to do it', () => {
    const ports = { clock: new EngineWorld(1).clock, directory: { lookup: () => undefined } };
    const port = new EngineWorld(1).network.port({ clusterName: 'prod', role: 'node', id: 'a' });
    const make = (): TransportEngine =>
      new TransportEngine(
        { nodeId: 'a', clusterName: 'prod', bind: null, ...on },
        { ...ports, streams: port, seed: 1, bootId: 'a1' },
      );
    expect(make).toThrow(expect.objectContaining({ code: 'TRANSPORT_CONFIG_INVALID' }));
  });

  it('leaves alone what is small, what is very large, and what would not shrink', () => {
    const { world, a, got } = stage({ ...on, compressionBytesMin: 1000, compressionBytesMax: 100_000 });
    const noise = Prng.fromSeed(1);
    const bodies = [
      new Uint8Array(999),
      new Uint8Array(100_001),
      Uint8Array.from({ length: 50_000 }, () => noise.below(256)),
    ];
    for (const bytes of bodies) a.engine.post('b', type, bytes, 'Normal', undefined, true);
    world.run(200);
    expect(got.map((bytes, i) => same(bytes, bodies[i] as Uint8Array))).toEqual([true, true, true]);
    expect([a.metrics.value('messages_compressed'), a.metrics.value('compression_useless')]).toEqual([0, 1]);
    a.engine.post('b', type, new Uint8Array(1000), 'Normal', undefined, true);
    a.engine.post('b', type, new Uint8Array(100_000), 'Normal', undefined, true);
    world.run(200);
    expect(got.slice(3).map(({ length }) => length)).toEqual([1000, 100_000]);
    expect(a.metrics.value('messages_compressed')).toBe(2);
  });

  it('takes the trace context in', () => {
    const world = new EngineWorld(1);
    const [a, b] = [world.boot('a', on), world.boot('b', on)];
    const seen: unknown[] = [];
    b.engine.handle(type, (bytes, { traceparent: parent }, answer) => {
      seen.push(bytes.length, bytes[0], parent);
      answer({ ok: true, value: undefined });
    });
    a.engine.post('b', type, new Uint8Array(200_000).fill(3), 'Low', traceparent, true);
    world.run(200);
    expect(seen).toEqual([200_000, 3, traceparent]);
    expect(a.metrics.value('messages_compressed')).toBe(1);
  });

  it('gives a sender no more room: a message is charged for what it was', () => {
    const world = new EngineWorld(1);
    const window = { streamWindowBytes: 200_000, sessionWindowBytes: 300_000 };
    const [a, b] = [world.boot('a', on), world.boot('b', { ...on, ...window })];
    const held: (() => void)[] = [];
    b.engine.handle(type, (_bytes, _context, answer) => {
      held.push(() => answer({ ok: true, value: undefined }));
    });
    const used = (): number => a.engine.channels()[0]?.windowUsedBytes.Normal ?? -1;
    // More than the window by itself, in chunks and whole: it has room where nothing is.
    for (const bytes of [mixed(250_000), new Uint8Array(150_000), new Uint8Array(150_000)])
      a.engine.post('b', type, bytes, 'Normal', undefined, true);
    world.run(500);
    expect([held.length, used()]).toEqual([1, 250_256]);
    for (const charged of [150_256, 150_256, 0]) {
      held.shift()?.();
      world.run(500);
      expect([held.length, used()]).toEqual([charged > 0 ? 1 : 0, charged]);
    }
    expect(a.metrics.value('messages_compressed')).toBe(3);
    expect(b.metrics.value('frames_rejected', { reason: 'credit' })).toBe(0);
  });

  it('goes on after a reconnect, wherever in a message the connection broke', () => {
    const patient = { ...on, retriesMax: 1000, dialAttemptsMax: 1000, backoffMaxMs: 200 };
    const { world, a, b, got } = stage(patient, patient);
    const prng = Prng.fromSeed(3, 'cuts');
    world.network.latencyMs = 20;
    const bodies = Array.from({ length: 12 }, (_, i) => mixed(100_000 + prng.below(200_000), i));
    for (const bytes of bodies) {
      a.engine.post('b', type, bytes, 'Normal', undefined, true);
      world.run(prng.below(80));
      if (prng.chance(0.6)) world.network.cutAll();
    }
    world.run(20_000);
    expect(got.map((bytes, i) => same(bytes, bodies[i] as Uint8Array))).toEqual(bodies.map(() => true));
    expect(a.metrics.value('resends')).toBeGreaterThan(2);
    expect(a.metrics.value('messages_compressed')).toBe(12);
    expect(b.metrics.value('messages_expanded')).toBe(12);
  });

  it('of a message that was on its way to a process that has it on is undone for the next, which has it off', () => {
    const { world, a, b } = stage();
    const bytes = mixed(1_000_000);
    world.network.latencyMs = 50;
    a.engine.post('b', type, bytes, 'Normal', undefined, true);
    world.run(220);
    expect(a.metrics.value('messages_compressed')).toBe(1);
    // Of about half a megabyte as much has left as the socket takes.
    expect(a.metrics.value('bytes_sent')).toBeLessThan(400_000);
    b.kill();
    const got: Uint8Array[] = [];
    const next = world.boot('b');
    listen(next, got);
    world.run(10_000);
    expect(got.map((one) => same(one, bytes))).toEqual([true]);
    expect(next.metrics.value('messages_expanded')).toBe(0);
  });
});

describe('compressed bytes of a peer', () => {
  const body = (claimed: number, packed: Uint8Array): Uint8Array =>
    Uint8Array.from([...number(claimed), ...packed]);
  const deflated = (length: number): Uint8Array => deflateRawSync(new Uint8Array(length));

  function frame(payload: Uint8Array, sequence = 1, flags = 2 | flagBits.compressed): Uint8Array {
    const bytes = new Uint8Array(headerBytes + payload.length);
    writeHeader(bytes, 0, payload.length, frameTypes.message, flags, type, 0, sequence);
    bytes.set(payload, headerBytes);
    return bytes;
  }

  /** `x` says this to `b`, whose reading of it is what is asked. */
  function attack(
    said: readonly Uint8Array[],
    options: BootOptions = on,
    capabilities = ['deflate'],
  ): { readonly b: Booted; readonly got: Uint8Array[]; readonly heard: string } {
    const world = new EngineWorld(1);
    const b = world.boot('b', { messageBytesMax: 65_536, streamWindowBytes: 65_536, ...options });
    const got: Uint8Array[] = [];
    listen(b, got);
    const heard: Uint8Array[] = [];
    const port = world.network.port({ clusterName: 'prod', role: 'node', id: 'x' });
    const handlers = {
      onData: (bytes: Uint8Array) => void heard.push(bytes.slice()),
      onEnd: () => undefined,
      onClose: () => undefined,
    };
    port.dial({ host: 'memory', port: world.portOf('b') }, handlers, 1000, (outcome) => {
      if (!outcome.ok) return;
      outcome.value.write(encodeFrame(frameTypes.hello, greeting({ capabilities })));
      for (const bytes of said) outcome.value.write(bytes);
    });
    world.run(200);
    return { b, got, heard: Buffer.concat(heard).toString('latin1') };
  }

  it('that are what they say are taken', () => {
    const { b, got } = attack([frame(body(60_000, deflated(60_000)))]);
    expect(got).toEqual([new Uint8Array(60_000)]);
    expect(b.metrics.value('messages_expanded')).toBe(1);
  });

  it('that are said to be an answer are not expanded, when nobody waits for it', () => {
    const answer = frame(body(60_000, deflated(60_000)));
    answer[4] = frameTypes.response;
    const { b, got, heard } = attack([answer, frame(body(60_000, deflated(60_000)), 2)]);
    expect(b.metrics.value('messages_expanded')).toBe(1);
    expect(got).toHaveLength(1);
    expect(heard).not.toContain('TRANSPORT_');
    expect(attack([answer], { ...on, compression: 'off' }).heard).toContain('COMPRESSION_REFUSED');
  });

  it.each<[string, string, Uint8Array]>([
    [
      'are a bomb: 10 MB for the thousand announced',
      'compression',
      body(1000, deflated(10_000_000).subarray(0, 900)),
    ],
    ['become more than they say', 'compression', body(59_999, deflated(60_000))],
    ['become less than they say', 'compression', body(60_001, deflated(60_000))],
    ['end in the middle', 'compression', body(60_000, deflated(60_000).subarray(0, 30))],
    ['go on behind their end', 'compression', body(60_000, Uint8Array.from([...deflated(60_000), 0]))],
    ['are noise', 'compression', body(60_000, mixed(1000))],
    ['have not shrunk', 'compression', body(20, deflated(60_000))],
    ['are too short to say how long they were', 'compression', number(5)],
    ['say that they were larger than a message may be', 'expanded_oversized', body(65_537, deflated(65_537))],
    ['say that they were 4 GiB', 'expanded_oversized', body(0xffff_ffff, deflated(65_537))],
  ])('that %s end its connection, counted as %s, and it is told why', (_what, reason, payload) => {
    const { b, got, heard } = attack([frame(payload)]);
    expect(b.metrics.value('frames_rejected', { reason })).toBe(1);
    expect(got).toEqual([]);
    expect(heard).toContain('TRANSPORT_COMPRESSION_REFUSED');
    expect(b.logged).toContainEqual(expect.objectContaining({ code: 'TRANSPORT_COMPRESSION_REFUSED' }));
  });

  it.each<[string, BootOptions, string[]]>([
    ['this node has it off', {}, ['deflate']],
    ['the peer has not said that it does that', on, []],
  ])('are refused where it was not agreed on: %s', (_why, options, capabilities) => {
    const { b, got } = attack([frame(body(60_000, deflated(60_000)))], options, capabilities);
    expect(b.metrics.value('frames_rejected', { reason: 'compression' })).toBe(1);
    expect(got).toEqual([]);
  });

  it('count for what they become: a window is not overrun by what is small on the wire', () => {
    const world = new EngineWorld(1);
    const window = { messageBytesMax: 65_536, streamWindowBytes: 70_000, sessionWindowBytes: 70_000 };
    const b = world.boot('b', { ...on, ...window });
    let handled = 0;
    b.engine.handle(type, () => void handled++);
    const port = world.network.port({ clusterName: 'prod', role: 'node', id: 'x' });
    const deaf = { onData: () => undefined, onEnd: () => undefined, onClose: () => undefined };
    port.dial({ host: 'memory', port: world.portOf('b') }, deaf, 1000, (outcome) => {
      if (!outcome.ok) return;
      outcome.value.write(encodeFrame(frameTypes.hello, greeting({ capabilities: ['deflate'] })));
      for (const sequence of [1, 2]) outcome.value.write(frame(body(60_000, deflated(60_000)), sequence));
    });
    world.run(200);
    expect(handled).toBe(1);
    expect(b.metrics.value('frames_rejected', { reason: 'credit' })).toBe(1);
  });
});

describe('what a peer gives up', () => {
  const frame = (
    frameType: number,
    flags: number,
    stream: number,
    sequence: number,
    length = 0,
  ): Uint8Array => {
    const bytes = new Uint8Array(headerBytes + length);
    const typeId = frameType === frameTypes.message ? type : 0;
    writeHeader(bytes, 0, length, frameType, flags, typeId, stream, sequence);
    return bytes;
  };

  function credit(...frames: Uint8Array[]): { readonly handled: number; readonly rejected: number } {
    const world = new EngineWorld(1);
    const b = world.boot('b', { streamWindowBytes: 131_072, sessionWindowBytes: 131_072 });
    let handled = 0;
    b.engine.handle(type, () => void handled++);
    const port = world.network.port({ clusterName: 'prod', role: 'node', id: 'x' });
    const deaf = { onData: () => undefined, onEnd: () => undefined, onClose: () => undefined };
    port.dial({ host: 'memory', port: world.portOf('b') }, deaf, 1000, (outcome) => {
      if (!outcome.ok) return;
      outcome.value.write(encodeFrame(frameTypes.hello, greeting()));
      for (const bytes of frames) outcome.value.write(bytes);
    });
    world.run(200);
    return { handled, rejected: b.metrics.value('frames_rejected', { reason: 'credit' }) };
  }

  const begun = frame(frameTypes.chunk, 2, 70_000, 1, 65_536);
  const message = (sequence: number): Uint8Array => frame(frameTypes.message, 2, 0, sequence, 73_000);

  it('wins it no room: a message given up for more than it was charged lets nothing over the window', () => {
    const more = frame(frameTypes.void, 2 | flagBits.completes, 0x3000_0000, 2);
    expect(credit(begun, more, message(3), message(4))).toEqual({ handled: 1, rejected: 1 });
  });

  it('is no less than what it has begun', () => {
    const less = frame(frameTypes.void, 2 | flagBits.completes, 70_255, 2);
    expect(credit(begun, less)).toEqual({ handled: 0, rejected: 1 });
    const all = frame(frameTypes.void, 2 | flagBits.completes, 70_256, 2);
    expect(credit(begun, all, message(3))).toEqual({ handled: 1, rejected: 0 });
  });

  it('of an answer wins it nothing either', () => {
    const answer = frame(frameTypes.chunk, 2, 70_000, 1, 65_536);
    answer[7] = 1;
    const given = frame(frameTypes.void, 2 | flagBits.completes, 0x3000_0000, 2);
    given[7] = 1;
    expect(credit(answer, given, message(3), message(4))).toEqual({ handled: 1, rejected: 1 });
  });
});

describe('DEFLATE by zlib', () => {
  const zlib = nodeDeflate(1);
  const bytes = mixed(100_000);
  const packed = zlib.deflate(bytes, 100_000) as Uint8Array;

  it('gives back what it was given', () => {
    expect(packed.length).toBeLessThan(60_000);
    expect(same(zlib.inflate(packed, bytes.length) ?? undefined, bytes)).toBe(true);
  });

  it('makes no more than it may', () => {
    expect(zlib.deflate(bytes, packed.length)?.length).toBe(packed.length);
    expect(zlib.deflate(bytes, packed.length - 1)).toBeNull();
    expect(zlib.deflate(bytes, 0)).toBeNull();
    for (const length of [99_999, 100_001]) expect(zlib.inflate(packed, length)).toBeNull();
  });
});
