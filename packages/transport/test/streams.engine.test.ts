import { describe, expect, it } from 'vitest';
import { type ClusterError, Prng } from '@cluster/core';
import {
  type ByteStream,
  encodeFrame,
  flagBits,
  frameTypes,
  type StreamHandlers,
  writeHeader,
} from '@cluster/transport';
import { type Booted, type BootOptions, EngineWorld } from './engine-world.ts';
import { greeting } from './greeting.ts';

const type = 70;
const patient = { retriesMax: 1000, dialAttemptsMax: 1000, backoffMaxMs: 200 };

const pattern = (length: number, salt: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) + salt) & 255);

/** One end: what it has heard, and whether it takes what comes. */
class End {
  readonly got: Uint8Array[] = [];
  stream: ByteStream | null = null;
  bytes = 0;
  held = 0;
  ended = false;
  drains = 0;
  error: ClusterError | null = null;
  reads = true;

  readonly handlers: StreamHandlers = {
    onData: (bytes) => {
      this.got.push(bytes.slice());
      this.bytes += bytes.length;
      if (this.reads) this.stream?.consume(bytes.length);
      else this.held += bytes.length;
    },
    onEnd: () => void (this.ended = true),
    onReset: (error) => void (this.error = error),
    onDrain: () => void this.drains++,
  };

  /** Writes piece by piece, as there is room, then ends. */
  send(bytes: Uint8Array, pieceBytes = 10_000): void {
    let at = 0;
    const more = (): void => {
      while (at < bytes.length) {
        const piece = bytes.subarray(at, at + pieceBytes);
        at += piece.length;
        if (this.stream?.write(piece) !== true) return;
      }
      this.stream?.end();
    };
    this.handlers.onDrain = more;
    more();
  }

  get whole(): Buffer {
    return Buffer.concat(this.got);
  }
}

interface Stage {
  readonly world: EngineWorld;
  readonly a: Booted;
  readonly b: Booted;
  readonly accepted: End[];
  readonly open: (priority?: 'Critical' | 'Low') => End;
}

function stage(options: { a?: BootOptions; b?: BootOptions; seed?: number } = {}): Stage {
  const world = new EngineWorld(options.seed ?? 1);
  const [a, b] = [world.boot('a', options.a), world.boot('b', options.b)];
  const accepted: End[] = [];
  b.engine.streams.handle(type, (stream) => {
    const end = new End();
    end.stream = stream;
    accepted.push(end);
    return end.handlers;
  });
  const open = (priority?: 'Critical' | 'Low'): End => {
    const end = new End();
    end.stream = a.engine.streams.open('b', type, end.handlers, priority);
    return end;
  };
  return { world, a, b, accepted, open };
}
const nth = (ends: readonly End[], index = 0): End => {
  const end = ends[index];
  if (end === undefined) throw new Error(`stream ${index} was not accepted`);
  return end;
};

describe('a stream', () => {
  it('carries bytes both ways, and each side ends its own half', () => {
    const { world, a, b, accepted, open } = stage();
    const near = open();
    near.send(pattern(700_000, 1));
    world.run(500);
    const far = nth(accepted);
    expect(Buffer.compare(far.whole, pattern(700_000, 1))).toBe(0);
    expect([far.ended, near.ended]).toEqual([true, false]);
    expect(a.metrics.value('streams_open')).toBe(1);
    far.send(pattern(300_000, 2));
    world.run(500);
    expect(Buffer.compare(near.whole, pattern(300_000, 2))).toBe(0);
    expect(near.ended).toBe(true);
    expect([a, b].map(({ metrics }) => metrics.value('streams_open'))).toEqual([0, 0]);
    expect(() => near.stream?.write(new Uint8Array(1))).toThrow(/has ended or was reset/);
  });

  it.each([1, 2, 3, 4])('survives its connections, and misses nothing (seed %i)', (seed) => {
    const { world, accepted, open } = stage({ a: patient, b: patient, seed });
    const prng = Prng.fromSeed(seed, 'cuts');
    const near = open();
    near.send(pattern(900_000, seed));
    for (let i = 0; i < 30; i++) {
      world.run(prng.below(20));
      world.network.cutAll();
    }
    world.run(5000);
    const far = nth(accepted);
    expect(Buffer.compare(far.whole, pattern(900_000, seed))).toBe(0);
    expect([far.ended, far.error, near.error]).toEqual([true, null, null]);
  });

  it('holds its writer back while nobody reads it, and no other stream', () => {
    const { world, a, accepted, open } = stage({ b: { streamBufferBytes: 65_536 } });
    const near = open();
    world.run(20);
    const far = nth(accepted);
    far.reads = false;
    expect(near.stream?.write(new Uint8Array(65_536))).toBe(true);
    expect(near.stream?.write(new Uint8Array(262_144))).toBe(false);
    expect(() => near.stream?.write(new Uint8Array(1))).toThrow(/bytes wait in the stream/);
    world.run(500);
    expect(far.bytes).toBe(65_536);
    expect(a.metrics.value('stream_window_stalls')).toBeGreaterThan(0);
    const other = open();
    other.send(pattern(300_000, 1));
    world.run(500);
    expect(nth(accepted, 1).bytes).toBe(300_000);
    expect(near.drains).toBe(0);
    far.reads = true;
    far.stream?.consume(far.held);
    world.run(500);
    expect(far.bytes).toBe(65_536 + 262_144);
    expect(near.drains).toBe(1);
  });

  it('shares a bound with all others of its peer', () => {
    const bounds = { streamBufferBytes: 65_536, streamsBufferBytes: 131_072 };
    const { world, accepted, open } = stage({ b: bounds });
    const near = [open(), open(), open(), open()];
    world.run(20);
    for (const end of accepted) end.reads = false;
    for (const { stream } of near) stream?.write(new Uint8Array(65_536));
    world.run(500);
    expect(accepted.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(131_072);
    for (const end of accepted) {
      end.reads = true;
      end.stream?.consume(end.held);
    }
    world.run(500);
    expect(accepted.map(({ bytes }) => bytes)).toEqual([65_536, 65_536, 65_536, 65_536]);
  });

  it('is one of at least a hundred by default; more than the peer takes are refused', () => {
    const { world, a, accepted, open } = stage();
    const near = Array.from({ length: 256 }, () => open());
    world.run(100);
    for (const end of near) end.send(pattern(5000, 7));
    expect(() => open()).toThrow(/takes no more/);
    world.run(500);
    expect(accepted).toHaveLength(256);
    for (const end of accepted) expect(Buffer.compare(end.whole, pattern(5000, 7))).toBe(0);
    // One ended on both sides makes room for another.
    nth(accepted).stream?.end();
    world.run(100);
    open();
    world.run(100);
    expect(accepted).toHaveLength(257);
    expect(a.engine.peers()).toMatchObject([{ streams: 256 }]);
  });

  it.each(['ended', 'reset'])('that is %s because its session is over says nothing to the next', (how) => {
    const { world, a, b, accepted, open } = stage();
    const near = open();
    near.stream?.write(pattern(1000, 1));
    world.run(100);
    // A call hears of it before the stream does, and its caller gives up both.
    a.engine.call('b', type, new Uint8Array(1), { timeoutMs: 60_000 }, () => {
      if (how === 'ended') near.stream?.end();
      else near.stream?.reset();
    });
    b.engine.handle(type, () => undefined);
    world.run(1);
    b.kill();
    const next = world.boot('b');
    next.engine.streams.handle(type, () => new End().handlers);
    world.run(5000);
    expect(accepted).toHaveLength(1);
    expect(near.error?.code).toBe(how === 'ended' ? 'TRANSPORT_SESSION_LOST' : undefined);
    expect(a.events.map(({ type: what }) => what)).toEqual(['up', 'down', 'up']);
    expect(next.metrics.value('frames_rejected', { reason: 'stream' })).toBe(0);
  });

  it('is one of 65,535 where both sides allow so many, and each carries bytes', () => {
    const world = new EngineWorld(1);
    const streamsMax = 65_535;
    const [a, b] = [world.boot('a', { streamsMax }), world.boot('b', { streamsMax })];
    const silent = { onData: () => undefined, onEnd: () => undefined, onReset: () => undefined };
    let heard = 0;
    b.engine.streams.handle(type, () => ({ ...silent, onData: ({ length }) => void (heard += length) }));
    const streams = Array.from({ length: streamsMax }, () => a.engine.streams.open('b', type, silent));
    world.run(1000);
    for (const stream of streams) stream.write(Uint8Array.of(1));
    world.run(1000);
    expect(heard).toBe(streamsMax);
    expect(b.engine.peers()).toMatchObject([{ streams: streamsMax }]);
    expect(() => a.engine.streams.open('b', type, silent)).toThrow(/takes no more/);
  });

  it('is refused by a peer that takes fewer than this side could know', () => {
    const { world, b, accepted, open } = stage({ b: { streamsMax: 2 } });
    const near = [open(), open(), open()];
    world.run(100);
    expect(accepted).toHaveLength(2);
    expect(near.map(({ error }) => error?.code)).toEqual([
      undefined,
      undefined,
      'TRANSPORT_TOO_MANY_STREAMS',
    ]);
    expect(b.metrics.value('streams_refused', { reason: 'too_many_streams' })).toBe(1);
  });

  it('that is over keeps its place until it has been read', () => {
    const { world, accepted, open } = stage({ b: { streamsMax: 1 } });
    open().send(pattern(1000, 1));
    world.run(2);
    const near = open;
    world.run(100);
    const far = nth(accepted);
    expect(far.ended).toBe(true);
    far.reads = false;
    far.stream?.end();
    world.run(100);
    near().send(pattern(10, 1));
    world.run(100);
    expect(accepted).toHaveLength(2);
  });

  it('is reset from either side, and the other learns the reason', () => {
    const { world, a, b, accepted, open } = stage();
    const near = [open(), open()];
    world.run(20);
    near[0]?.stream?.write(new Uint8Array(200_000));
    near[0]?.stream?.reset('MINE', 'no longer needed');
    nth(accepted, 1).stream?.write(new Uint8Array(200_000));
    nth(accepted, 1).stream?.reset('THEIRS', 'will not do');
    near[1]?.stream?.write(new Uint8Array(200_000));
    world.run(100);
    expect(nth(accepted).error?.code).toBe('MINE');
    expect(near[1]?.error).toMatchObject({ code: 'THEIRS', retry: 'unsafe' });
    expect([a, b].map(({ metrics }) => metrics.value('streams_open'))).toEqual([0, 0]);
    // What was on its way when it was reset breaks nothing.
    expect([a, b].flatMap(({ events }) => events.map((event) => event.type))).toEqual(['up', 'up']);
    expect(() => near[0]?.stream?.write(new Uint8Array(1))).toThrow(/has ended or was reset/);
  });

  it('of a type that nobody takes, or of a role that may not, is refused by name', () => {
    const { world, a, b } = stage();
    b.engine.streams.handle(71, () => new End().handlers, { roles: ['client'] });
    b.engine.streams.handle(72, () => new End().handlers, { limit: { perSecond: 1, burst: 1 } });
    b.engine.streams.handle(73, () => {
      throw new Error('no');
    });
    const codes = [99, 71, 72, 72, 73].map((wanted) => {
      const end = new End();
      end.stream = a.engine.streams.open('b', wanted, end.handlers);
      return end;
    });
    world.run(100);
    expect(codes.map(({ error }) => error?.code)).toEqual([
      'TRANSPORT_UNKNOWN_TYPE',
      'TRANSPORT_NOT_AUTHORIZED',
      undefined,
      'TRANSPORT_RATE_LIMITED',
      'HANDLER_FAILED',
    ]);
  });

  it('ends with its session, and what it had queued goes to no other', () => {
    const { world, a, b, accepted, open } = stage({ a: patient });
    const near = open();
    world.run(20);
    b.kill();
    near.stream?.write(new Uint8Array(500_000));
    near.stream?.end();
    const again = world.boot('b');
    const seen: number[] = [];
    again.engine.streams.handle(type, (stream) => {
      seen.push(stream.id);
      return new End().handlers;
    });
    world.run(1000);
    expect(near.error?.code).toBe('TRANSPORT_SESSION_LOST');
    expect(nth(accepted).bytes).toBe(0);
    open();
    world.run(1000);
    expect(seen).toEqual([6]);
    expect(a.events.at(-1)?.type).toBe('up');
  });

  it('whose handler throws is reset, and nothing else suffers', () => {
    const { world, a, b, open } = stage();
    b.engine.streams.handle(74, (stream) => ({
      onData: () => {
        throw new Error('no');
      },
      onEnd: () => stream.end(),
      onReset: () => undefined,
    }));
    const other = open();
    const end = new End();
    end.stream = a.engine.streams.open('b', 74, end.handlers);
    end.stream.write(new Uint8Array(10));
    other.send(pattern(1000, 1));
    world.run(100);
    expect(end.error?.code).toBe('HANDLER_FAILED');
    expect([other.error, b.events.length]).toEqual([null, 1]);
  });

  it('is opened in its own priority: one of another may overtake it', () => {
    const { world, accepted, a } = stage();
    for (const priority of ['Low', 'Normal', 'High', 'Critical'] as const) {
      const end = new End();
      end.stream = a.engine.streams.open('b', type, end.handlers, priority);
      end.send(pattern(100, 1));
    }
    world.run(100);
    expect(accepted.map(({ stream, bytes }) => `${stream?.priority} ${bytes}`)).toEqual([
      'Critical 100',
      'High 100',
      'Normal 100',
      'Low 100',
    ]);
  });

  it('to a peer that cannot be reached fails with the reason', () => {
    const { world, b, open } = stage();
    b.kill();
    const near = open();
    near.stream?.write(new Uint8Array(10));
    for (let i = 0; i < 5000 && near.error === null; i++) world.run(1);
    expect(near.error?.code).toBe('TRANSPORT_CONNECT_FAILED');
    expect(() => open()).toThrow(/No connection to b/);
  });
});

describe('a peer that says goodbye', () => {
  it('finishes the streams it has taken, and takes no more', () => {
    const { world, a, b, accepted, open } = stage();
    const taken = open();
    world.run(20);
    b.engine.close(() => undefined);
    const tooLate = open();
    taken.send(pattern(400_000, 3));
    nth(accepted).send(pattern(300_000, 4));
    world.run(300);
    expect(tooLate.error?.code).toBe('TRANSPORT_PEER_LEFT');
    expect(accepted).toHaveLength(1);
    expect([nth(accepted).ended, taken.ended]).toEqual([true, true]);
    expect(taken.bytes).toBe(300_000);
    expect(a.events.at(-1)).toMatchObject({ type: 'down', reason: 'TRANSPORT_PEER_LEFT' });
  });

  it('says which it has not taken, and does not wait for one that is on its way', () => {
    const { world, a, b, accepted, open } = stage();
    const taken = open();
    world.run(20);
    const tooLate = open();
    nth(accepted).stream?.end();
    taken.stream?.end();
    b.engine.close(() => undefined);
    world.run(1);
    expect(tooLate.error?.code).toBe('TRANSPORT_PEER_LEFT');
    expect(accepted).toHaveLength(1);
    world.run(100);
    expect([taken.ended, taken.error]).toEqual([true, null]);
    expect(a.events.at(-1)).toMatchObject({ type: 'down', reason: 'TRANSPORT_PEER_LEFT' });
  });

  it('waits for them until its deadline and no longer', () => {
    const { world, b, accepted, open } = stage({ b: { drainTimeoutMs: 500 } });
    const near = open();
    world.run(20);
    let closed = false;
    b.engine.close(() => void (closed = true));
    world.run(450);
    expect(closed).toBe(false);
    world.run(100);
    expect(closed).toBe(true);
    world.run(100);
    expect([near.error?.code, nth(accepted).error?.code]).toEqual([
      'TRANSPORT_SESSION_LOST',
      'TRANSPORT_CLOSED',
    ]);
  });
});

describe('hostile frames of streams', () => {
  const bounds = { streamBufferBytes: 2048, streamsMax: 4 };
  const frame = (
    frameType: number,
    sequence: number,
    typeId: number,
    stream: number,
    payload = 0,
  ): Uint8Array => {
    const bytes = new Uint8Array(16 + payload);
    // Numbers end in their priority: Normal.
    writeHeader(bytes, 0, payload, frameType, 2, typeId, stream * 4 + 2, sequence);
    return bytes;
  };

  const traced = (bytes: Uint8Array): Uint8Array => {
    bytes[5] = (bytes[5] as number) | flagBits.traced;
    return bytes;
  };

  /** `x` says this to `b`, and acknowledges nothing. */
  function say(
    { world }: Pick<Stage, 'world'>,
    frames: readonly Uint8Array[],
    changes = {},
    role: 'node' | 'client' = 'node',
  ): void {
    const port = world.network.port({ clusterName: 'prod', role, id: 'x' });
    const handlers = { onData: () => undefined, onEnd: () => undefined, onClose: () => undefined };
    port.dial({ host: 'memory', port: world.portOf('b') }, handlers, 1000, (outcome) => {
      if (!outcome.ok) return;
      outcome.value.write(encodeFrame(frameTypes.hello, greeting(changes)));
      for (const bytes of frames) outcome.value.write(bytes);
    });
    world.run(200);
  }

  function attack(...frames: Uint8Array[]): Booted {
    const staged = stage({ b: bounds });
    say(staged, frames);
    return staged.b;
  }
  const { open, data, end, reset, window } = frameTypes;

  it.each<[string, string, Uint8Array[]]>([
    ['bytes of a stream that was never opened', 'stream', [frame(data, 1, 1, 5, 10)]],
    ['the end of a stream of ours that there is not', 'stream', [frame(end, 1, 0, 1)]],
    ['a stream opened twice', 'stream', [frame(open, 1, type, 3), frame(open, 2, type, 3)]],
    ['a stream with no number', 'stream', [frame(open, 1, type, 0)]],
    ['a stream whose number is of another priority', 'stream', [frame(open, 1, type, 1.25)]],
    ['more bytes than it has room for', 'credit', [frame(open, 1, type, 1), frame(data, 2, 1, 1, 2049)]],
    [
      'room for bytes that were never sent',
      'credit',
      [frame(open, 1, type, 1), withNumbers(frame(window, 2, 1, 1, 8), 9, 9)],
    ],
    [
      'room for nothing, which would cost nothing',
      'credit',
      [frame(open, 1, type, 1), withNumbers(frame(window, 2, 1, 1, 8), 0, 9)],
    ],
    [
      'bytes after the end',
      'stream',
      [frame(open, 1, type, 1), frame(end, 2, 1, 1), frame(data, 3, 1, 1, 9)],
    ],
    ['a second end', 'stream', [frame(open, 1, type, 1), frame(end, 2, 1, 1), frame(end, 3, 1, 1)]],
    ['a grant that is no number', 'credit', [frame(open, 1, type, 1), frame(window, 2, 1, 1, 3)]],
    ['a stream opened with half a trace context', 'trace', [traced(frame(open, 1, type, 1, 24))]],
    [
      'a frame of no bytes, which would cost nothing',
      'stream',
      [frame(open, 1, type, 1), frame(data, 2, 1, 1)],
    ],
  ])('%s: ends the connection, counted as %s', (_what, reason, frames) => {
    const b = attack(...frames);
    expect(b.metrics.value('frames_rejected', { reason })).toBe(1);
    expect(b.events.map((event) => event.type)).toEqual(['up', 'down']);
    expect(b.metrics.value('streams_open')).toBe(0);
  });

  it('a flood of opens and resets: no more are open than may be, and the connection stays', () => {
    const frames: Uint8Array[] = [];
    for (let i = 1; i <= 2000; i++) {
      frames.push(frame(open, frames.length + 1, type, i));
      if (i > 10) frames.push(frame(reset, frames.length + 1, 1, i));
    }
    const b = attack(...frames);
    expect(b.events.map((event) => event.type)).toEqual(['up']);
    expect(b.metrics.value('streams_open')).toBe(4);
    expect(b.metrics.value('streams_refused', { reason: 'too_many_streams' })).toBe(1996);
  });

  it('a flood of opens whose resets are never acknowledged ends the connection and its session', () => {
    const staged = stage({ b: { ...bounds, controlFramesMax: 64 } });
    const { world, b } = staged;
    const flood = Array.from({ length: 2000 }, (_, i) => frame(open, i + 1, type, i + 1));
    say(staged, flood);
    expect(b.events.map(({ type: what, reason }) => `${what} ${reason}`)).toEqual([
      'up connected',
      'down TRANSPORT_CONTROL_FLOOD',
    ]);
    expect(b.metrics.value('frames_rejected', { reason: 'control_flood' })).toBe(1);
    expect(b.logged).toContainEqual(
      expect.objectContaining({ message: 'a peer broke the protocol', code: 'TRANSPORT_CONTROL_FLOOD' }),
    );
    // Four are open; each of the others is a reset, up to the bound and one more.
    expect(b.metrics.value('streams_refused', { reason: 'too_many_streams' })).toBe(64 + 6 * 4 + 1);
    const waiting = (): number =>
      b.engine.peers().reduce((sum, { queued, unacknowledged }) => sum + queued + unacknowledged, 0);
    expect(waiting()).toBe(0);
    // Going on with the session is not to be had: what comes is of another, and nothing of the last one waits.
    for (let round = 0; round < 5; round++) {
      say(staged, flood, { sessionId: 'p1', proposedId: `p${round + 2}` });
      expect(waiting()).toBe(0);
    }
    expect(b.metrics.value('reconnects')).toBe(0);
    world.run(60_000);
    expect(b.metrics.value('streams_open')).toBe(0);
  });

  it('a flood of ends and grants of room that are never acknowledged, too', () => {
    const staged = stage({ b: { ...bounds, controlFramesMax: 64 } });
    const { b } = staged;
    // Answers the end with its own.
    b.engine.streams.handle(71, (stream) => ({
      onData: (bytes) => stream.consume(bytes.length),
      onEnd: () => stream.end(),
      onReset: () => undefined,
    }));
    const ended: Uint8Array[] = [];
    const granted: Uint8Array[] = [frame(open, 1, 71, 1)];
    for (let i = 1; i <= 200; i++) {
      ended.push(frame(open, 2 * i - 1, 71, i), frame(end, 2 * i, 1, i));
      granted.push(frame(data, i + 1, 1, 1, 1024));
    }
    for (const [round, frames] of [ended, granted].entries()) {
      say(staged, frames, { proposedId: `p${round}` });
      expect(b.events.at(-1)).toMatchObject({ type: 'down', reason: 'TRANSPORT_CONTROL_FLOOD' });
    }
    expect(b.metrics.value('frames_rejected', { reason: 'control_flood' })).toBe(2);
  });

  it('a flood of opens and resets starts no more handlers than streams may be open, and leaving wins no others', () => {
    const staged = stage({ b: bounds });
    const { world, b } = staged;
    const running = new Set<ByteStream>();
    let started = 0;
    b.engine.streams.handle(71, (stream) => {
      started++;
      stream.attended();
      running.add(stream);
      // It does not listen to resets.
      return new End().handlers;
    });
    for (let round = 1; round <= 5; round++) {
      const frames: Uint8Array[] = [];
      for (let i = 1; i <= 100; i++) frames.push(frame(open, 2 * i - 1, 71, i), frame(reset, 2 * i, 1, i));
      say(staged, frames, { proposedId: `p${round}`, bootId: `x${round}` }, 'client');
      expect([started, running.size]).toEqual([4, 4]);
      // The first two sessions are followed by others at once; after the others it is forgotten.
      if (round < 3) continue;
      world.network.cutAll();
      world.run(60_000);
      expect(b.engine.peers()).toEqual([]);
    }
    expect(b.metrics.value('streams_open')).toBe(0);
    // As soon as they have finished there is room again.
    for (const stream of running) stream.released();
    say(staged, [frame(open, 1, 71, 1)], { proposedId: 'p9', bootId: 'x9' }, 'client');
    expect(started).toBe(5);
  });

  it('bytes over the bound of all streams end the connection, whatever each of them may have', () => {
    const staged = stage({ b: { ...bounds, streamsBufferBytes: 4096 } });
    staged.b.engine.streams.handle(71, () => new End().handlers);
    const opens = [1, 2, 3].map((id) => frame(open, id, 71, id));
    const full = [1, 2].map((id) => frame(data, id + 3, 1, id, 2048));
    say(staged, [...opens, ...full]);
    expect(staged.b.events.map((event) => event.type)).toEqual(['up']);
    say(staged, [...opens, ...full, frame(data, 6, 1, 3, 1)], { sessionId: 'p1' });
    expect(staged.b.metrics.value('frames_rejected', { reason: 'credit' })).toBe(1);
    expect(staged.b.events.at(-1)?.type).toBe('down');
  });

  it('bytes of streams that are over and not read keep others out when they are as many as all may have', () => {
    const staged = stage({ b: { ...bounds, streamsBufferBytes: 4096 } });
    const held: ByteStream[] = [];
    staged.b.engine.streams.handle(71, (stream) => {
      held.push(stream);
      stream.end();
      return new End().handlers;
    });
    const full = [1, 2].flatMap((id) => [
      frame(open, 3 * id - 2, 71, id),
      frame(data, 3 * id - 1, 1, id, 2048),
      frame(end, 3 * id, 1, id),
    ]);
    say(staged, [...full, frame(open, 7, 71, 3)]);
    expect(held).toHaveLength(2);
    expect(staged.b.metrics.value('streams_refused', { reason: 'too_many_streams' })).toBe(1);
    held[0]?.consume(2048);
    say(staged, [...full, frame(open, 7, 71, 3), frame(open, 8, 71, 4)], { sessionId: 'p1' });
    expect(held).toHaveLength(3);
  });
});

function withNumbers(bytes: Uint8Array, ...values: number[]): Uint8Array {
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => view.setUint32(16 + 4 * i, value));
  return bytes;
}
