import { describe, expect, it } from 'vitest';
import type { ByteStream, StreamHandlers } from '@cluster/transport';
import { type Booted, type BootOptions, EngineWorld } from './engine-world.ts';

const type = 70;
const piece = new Uint8Array(65_536);
const atFirst = 262_144;
const max = 8_388_608;

interface Reader {
  readonly stream: ByteStream;
  bytes: number;
  reads: boolean;
}

interface Path {
  readonly world: EngineWorld;
  readonly a: Booted;
  readonly b: Booted;
  readonly readers: Reader[];
  /** A stream from `a` to `b` whose writer never stops. */
  readonly flood: () => ByteStream;
}

/** From `a` to `b`, 60 ms there and back. */
function path(bytesPerMs: number, options: BootOptions = {}): Path {
  const world = new EngineWorld();
  Object.assign(world.network, { latencyMs: 30, isDeep: true, bytesPerMs });
  const nodes = { a: world.boot('a', options), b: world.boot('b', options) };
  const readers: Reader[] = [];
  nodes.b.engine.streams.handle(type, (stream) => {
    const reader = { stream, bytes: 0, reads: true };
    readers.push(reader);
    const onData = (bytes: Uint8Array): void => {
      reader.bytes += bytes.length;
      if (reader.reads) stream.consume(bytes.length);
    };
    return { onData, onEnd: () => undefined, onReset: () => undefined };
  });
  const flood = (): ByteStream => {
    const late: { stream: ByteStream | null } = { stream: null };
    const onDrain = (): void => {
      while (late.stream?.write(piece) === true);
    };
    const stream = nodes.a.engine.streams.open('b', type, { ...silent, onDrain });
    late.stream = stream;
    onDrain();
    return stream;
  };
  return { world, ...nodes, readers, flood };
}

const silent: StreamHandlers = { onData: () => undefined, onEnd: () => undefined, onReset: () => undefined };
const total = (readers: readonly Reader[]): number => readers.reduce((sum, { bytes }) => sum + bytes, 0);

/** MB/s over a time. */
function rate({ world, readers }: Path, ms: number): number {
  const before = total(readers);
  world.run(ms);
  return (total(readers) - before) / ms / 1000;
}

const windowsAt = ({ engine }: Booted): readonly number[] =>
  engine.channels()[0]?.streams.map(({ windowBytes }) => windowBytes) ?? [];

describe('one stream on a path of 60 ms that carries 50 MB/s', () => {
  it('fills it, because its window grows with what it carries in a round trip', () => {
    const stage = path(50_000);
    stage.flood();
    stage.world.run(2000);
    expect(rate(stage, 500)).toBeGreaterThan(48);
    expect(windowsAt(stage.b)[0]).toBeGreaterThan(4 * atFirst);
    expect(windowsAt(stage.b)[0]).toBeLessThanOrEqual(max);
    // Who only reads has measured it by what it grants.
    expect(stage.b.engine.channels()[0]?.roundTripMs).toBeCloseTo(60, -1);
  });

  it('carries a window each round trip where it may not grow', () => {
    const stage = path(50_000, { streamBufferBytesMax: atFirst });
    stage.flood();
    stage.world.run(1000);
    expect(rate(stage, 600)).toBeCloseTo(atFirst / 60_000, 0);
    expect(windowsAt(stage.b)).toEqual([atFirst]);
  });

  it('measures the other path after a reconnect, and fills that', () => {
    const stage = path(50_000);
    stage.world.network.latencyMs = 1;
    stage.flood();
    stage.world.run(100);
    expect(stage.b.engine.channels()[0]?.roundTripMs).toBeCloseTo(2, -1);
    stage.world.network.latencyMs = 30;
    stage.world.network.cutAll();
    stage.world.run(2000);
    expect(stage.b.engine.channels()[0]?.roundTripMs).toBeCloseTo(60, -1);
    expect(rate(stage, 500)).toBeGreaterThan(48);
  });
});

describe('a window', () => {
  it('stays as it is where less is sent than it carries', () => {
    const { world, a, b, readers } = path(50_000);
    const stream = a.engine.streams.open('b', type, silent);
    for (let i = 0; i < 30; i++) {
      stream.write(piece);
      world.run(90);
    }
    expect(total(readers)).toBe(30 * piece.length);
    expect(windowsAt(b)).toEqual([atFirst]);
    // A grant is acknowledged at once, though nothing else is to be said.
    expect(b.engine.channels()[0]?.roundTripMs).toBeCloseTo(60, -1);
  });

  it('does not grow of a stream that nobody reads, and one that has grown leaves half of all room to others', () => {
    const stage = path(50_000);
    const { world, b, readers, flood } = stage;
    flood();
    world.run(1500);
    const [first] = readers;
    if (first !== undefined) first.reads = false;
    flood();
    world.run(1000);
    const unread = b.engine.channels()[0]?.streams[0]?.unreadBytes ?? 0;
    expect(unread).toBeGreaterThan(atFirst);
    expect(unread).toBeLessThanOrEqual(max);
    const before = first?.bytes ?? 0;
    expect(rate(stage, 500)).toBeGreaterThan(atFirst / 60_000);
    expect(first?.bytes).toBe(before);
    const grown = windowsAt(b).reduce((sum, bytes) => sum + bytes - atFirst, 0);
    expect(grown).toBeLessThanOrEqual(max);
  });

  it('of each stream is as large where several want more than there is, and nobody is passed over', () => {
    const stage = path(50_000);
    const { world, b, readers, flood } = stage;
    flood();
    world.run(1000);
    for (let i = 0; i < 4; i++) flood();
    world.run(2000);
    const before = readers.map(({ bytes }) => bytes);
    expect(rate(stage, 1000)).toBeGreaterThan(45);
    const each = readers.map(({ bytes }, i) => bytes - (before[i] ?? 0));
    expect(Math.min(...each) * 2).toBeGreaterThan(Math.max(...each));
    const grown = windowsAt(b).reduce((sum, bytes) => sum + bytes - atFirst, 0);
    expect(grown).toBeLessThanOrEqual(max);
  });
});

describe('the room of all streams', () => {
  it('comes back though none of them has read half of its own', () => {
    const { world, a, readers } = path(Infinity);
    for (let i = 0; i < 200; i++) a.engine.streams.open('b', type, silent).write(new Uint8Array(120_000));
    world.run(1000);
    expect(total(readers)).toBe(200 * 120_000);
  });
});

describe('streams that have much to send', () => {
  /** Twenty of them, and what `begin` makes of the time. */
  function behindTwenty(begin: (stage: Path) => void): number {
    const stage = path(5000);
    for (let i = 0; i < 20; i++) stage.flood();
    stage.world.run(2000);
    const startedMs = stage.world.clock.nowMs();
    let ms = Infinity;
    const arrived = (): void => void (ms = stage.world.clock.nowMs() - startedMs);
    stage.b.engine.handle(64, arrived);
    stage.b.engine.streams.handle(71, () => ({ ...silent, onEnd: arrived }));
    begin(stage);
    stage.world.run(2000);
    return ms;
  }
  /** Of the queue, what is under way, and the way. */
  const aheadMs = 524_288 / 5000 + 2 * 60 + 40;

  it('wait outside the queue, so that a message of their priority is behind little of them', () => {
    const ms = behindTwenty(({ a }) => void a.engine.post('b', 64, new Uint8Array(10), 'Normal'));
    expect(ms).toBeLessThan(aheadMs);
  });

  it('send a piece each in turn, so that another is behind a few of them', () => {
    const ms = behindTwenty(({ a }) => {
      const stream = a.engine.streams.open('b', 71, silent);
      stream.write(new Uint8Array(40_000));
      stream.end();
    });
    // Its two pieces wait for a turn each.
    expect(ms).toBeLessThan(aheadMs + (2 * 21 * 32_768) / 5000);
  });

  it.each<['Critical' | 'Normal', string]>([
    ['Critical', 'messages'],
    ['Normal', 'messages'],
    ['Critical', 'streams'],
  ])('do not wait for what is less urgent: %s, behind %s of Low', (priority, what) => {
    const { world, a, b } = path(5000);
    let ms = Infinity;
    b.engine.handle(64, (_bytes, _context, done) => done({ ok: true, value: undefined }));
    b.engine.streams.handle(type, (stream) => ({
      ...silent,
      onData: ({ length }) => stream.consume(length),
    }));
    b.engine.streams.handle(71, () => ({ ...silent, onEnd: () => void (ms = world.clock.nowMs()) }));
    a.engine.post('b', 64, piece);
    world.run(200);
    for (let i = 0; i < 128; i++) {
      if (what === 'messages') a.engine.post('b', 64, piece, 'Low');
      else a.engine.streams.open('b', type, silent, 'Low').write(piece);
    }
    world.run(500);
    const startedMs = world.clock.nowMs();
    const stream = a.engine.streams.open('b', 71, silent, priority);
    for (let i = 0; i < 4; i++) stream.write(piece);
    stream.end();
    world.run(5000);
    // Twice what its window lets it: the first half, and what follows when that has been read.
    expect(ms - startedMs).toBeLessThan(600);
  });

  it('are never passed over, though more than fit into the queue', () => {
    const { world, readers, flood } = path(5000);
    for (let i = 0; i < 60; i++) flood();
    world.run(5000);
    const each = readers.map(({ bytes }) => bytes);
    expect(Math.min(...each) * 2).toBeGreaterThan(Math.max(...each));
  });
});
