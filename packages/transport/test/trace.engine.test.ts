/** A message's place in a distributed trace, and the counters of what went where. */
import { describe, expect, it } from 'vitest';
import type { EngineContext } from '@cluster/transport';
import { readTrace, withTrace } from '../src/wire/trace-context.ts';
import { type Booted, EngineWorld, number, toNumber } from './engine-world.ts';

const type = 64;
const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

interface Seen {
  readonly body: number[];
  readonly traceparent: string | undefined;
}

function stage(): { world: EngineWorld; a: Booted; b: Booted; seen: Seen[] } {
  const world = new EngineWorld(1);
  const [a, b] = [
    world.boot('a', { messageBytesMax: 200_000 }),
    world.boot('b', { messageBytesMax: 200_000 }),
  ];
  const seen: Seen[] = [];
  b.engine.handle(type, (bytes, context: EngineContext, answer) => {
    seen.push({ body: [...bytes.subarray(0, 4)], traceparent: context.traceparent });
    answer({ ok: true, value: bytes.slice() });
  });
  return { world, a, b, seen };
}

describe('a trace context', () => {
  it('is written in 25 bytes and read back', () => {
    const bytes = withTrace(traceparent, Uint8Array.of(1, 2)) as Uint8Array;
    expect(bytes).toHaveLength(27);
    expect([...bytes.subarray(25)]).toEqual([1, 2]);
    expect(readTrace(bytes)).toBe(traceparent);
  });

  it.each([
    ['of another version', traceparent.replace('00-', '01-')],
    ['in capitals', traceparent.toUpperCase()],
    ['without a trace', traceparent.replace('4bf92f3577b34da6a3ce929d0e0e4736', '0'.repeat(32))],
    ['without a parent', traceparent.replace('00f067aa0ba902b7', '0'.repeat(16))],
    ['cut short', traceparent.slice(0, -1)],
    ['with more behind it', `${traceparent}-00`],
  ])('%s is none', (_what, text) => {
    expect(withTrace(text, new Uint8Array(0))).toBeNull();
  });

  it('of a peer that is not valid is none either', () => {
    expect(readTrace(new Uint8Array(25))).toBeUndefined();
  });

  it('comes with messages and requests, large ones too, and with no other', () => {
    const { world, a, seen } = stage();
    const large = new Uint8Array(150_000).fill(9);
    const answers: number[] = [];
    a.engine.post('b', type, number(1));
    a.engine.post('b', type, number(2), 'Normal', traceparent);
    a.engine.post('b', type, number(3));
    a.engine.post('b', type, number(4), 'Normal', 'nonsense');
    a.engine.post('b', type, large, 'Normal', traceparent);
    a.engine.call('b', type, number(5), { traceparent }, (outcome) => {
      if (outcome.ok) answers.push(toNumber(outcome.value));
    });
    world.run(1000);
    expect(seen).toEqual([
      { body: [0, 0, 0, 1], traceparent: undefined },
      { body: [0, 0, 0, 2], traceparent },
      { body: [0, 0, 0, 3], traceparent: undefined },
      { body: [0, 0, 0, 4], traceparent: undefined },
      { body: [9, 9, 9, 9], traceparent },
      { body: [0, 0, 0, 5], traceparent },
    ]);
    expect(answers).toEqual([5]);
  });

  it('comes with a stream, also one that is opened while there is no connection, and with no other', () => {
    const { world, a, b } = stage();
    const quiet = { onData: () => undefined, onEnd: () => undefined, onReset: () => undefined };
    const opened: (string | undefined)[] = [];
    b.engine.streams.handle(type, (stream) => {
      opened.push(stream.traceparent);
      return quiet;
    });
    a.engine.streams.open('b', type, quiet, 'High', traceparent).write(number(7));
    world.run(100);
    a.engine.streams.open('b', type, quiet, 'High');
    a.engine.streams.open('b', type, quiet, 'High', 'nonsense');
    world.network.cutAll();
    const ours = a.engine.streams.open('b', type, quiet, 'Low', traceparent);
    world.run(1000);
    expect(ours.traceparent).toBe(traceparent);
    expect(opened).toEqual([traceparent, undefined, undefined, traceparent]);
  });

  it('is counted with its message: what was charged for it is given back', () => {
    const { world, a } = stage();
    for (let i = 0; i < 2000; i++) {
      a.engine.post('b', type, number(i), 'Normal', traceparent);
      if (i % 100 === 0) world.run(50);
    }
    world.run(1000);
    expect(a.engine.channels()).toMatchObject([{ windowUsedBytes: { Normal: 0 } }]);
  });
});

describe('the counters of a peer', () => {
  it('say what has gone each way, when, and how often it was connected', () => {
    const { world, a, b } = stage();
    a.engine.call('b', type, number(1), {}, () => undefined);
    world.run(100);
    a.engine.post('b', type, number(2));
    world.run(900);
    const [channel] = a.engine.channels();
    expect(channel).toMatchObject({
      peer: 'b',
      connectionsOpened: 1,
      connectionsClosed: 0,
      sessionsBegun: 1,
      framesSent: 2,
      framesReceived: 1,
      lastSentMs: 100,
      streamsOpened: 0,
      callsStarted: 1,
      callsSucceeded: 1,
      callsFailed: 0,
      lastCallStartedMs: 0,
      connection: { dialled: true, framesSent: 2, framesReceived: 1, remote: { host: 'memory' } },
      streams: [],
    });
    expect(channel?.lastReceivedMs).toBeLessThan(100);
    // Two messages of 4 bytes, and an acknowledgement or two with its credit.
    expect(channel?.bytesSent).toBeGreaterThanOrEqual(2 * 20);
    expect(channel?.bytesSent).toBeLessThan(2 * 20 + 4 * 16 + 1);
    expect(channel?.connection?.bytesSent).toBe(channel?.bytesSent);
    expect(b.engine.channels()).toMatchObject([
      { framesReceived: 2, framesSent: 1, connection: { dialled: false } },
    ]);
    world.network.cutAll();
    world.run(1000);
    a.engine.post('b', type, number(3));
    world.run(100);
    expect(a.engine.channels()).toMatchObject([
      {
        connectionsOpened: 2,
        connectionsClosed: 1,
        sessionsBegun: 1,
        framesSent: 3,
        connection: { framesSent: 1 },
      },
    ]);
  });

  it('show what is not read: of a priority, and of a stream', () => {
    const { world, a, b } = stage();
    b.engine.handle(65, () => undefined);
    a.engine.post('b', 65, new Uint8Array(1000), 'Low');
    const quiet = { onData: () => undefined, onEnd: () => undefined, onReset: () => undefined };
    b.engine.streams.handle(type, () => quiet);
    const stream = a.engine.streams.open('b', type, quiet, 'High');
    stream.write(new Uint8Array(500));
    world.run(200);
    expect(a.engine.channels()).toMatchObject([
      {
        streamsOpened: 1,
        streamsClosed: 0,
        windowUsedBytes: { Critical: 0, High: 0, Normal: 0, Low: 1256 },
        streams: [
          {
            ours: true,
            typeId: type,
            priority: 'High',
            bytesSent: 500,
            framesSent: 1,
            outstandingBytes: 500,
          },
        ],
      },
    ]);
    expect(a.engine.channels()[0]?.streams[0]?.roomBytes).toBe(262_144 - 500);
    expect(b.engine.channels()).toMatchObject([
      { streams: [{ ours: false, bytesReceived: 500, framesReceived: 1, unreadBytes: 500 }] },
    ]);
    stream.reset('DONE', 'done');
    world.run(200);
    const over = { streamsOpened: 1, streamsClosed: 1, streamsBroken: 1, streams: [] };
    expect([a, b].map(({ engine }) => engine.channels())).toMatchObject([[over], [over]]);
    const other = a.engine.streams.open('b', 71, quiet);
    b.engine.streams.handle(71, (stream) => ({ ...quiet, onEnd: () => stream.end() }));
    other.end();
    world.run(200);
    expect(a.engine.channels()).toMatchObject([{ streamsOpened: 2, streamsClosed: 2, streamsBroken: 1 }]);
  });

  it('say what became of calls, and how often a silent connection was asked whether it lives', () => {
    const { world, a, b } = stage();
    b.engine.handle(65, () => undefined);
    a.engine.call('b', type, number(1), {}, () => undefined);
    a.engine.call('b', 65, number(1), { timeoutMs: 50 }, () => undefined);
    const lost = a.engine.call('b', 65, number(1), {}, () => undefined);
    a.engine.call('b', 65, number(1), { until: 'arrival' }, () => undefined);
    a.engine.ping('b', 100, () => undefined);
    world.run(200);
    const calls = { callsStarted: 5, callsSucceeded: 3, callsFailed: 1, lastCallStartedMs: 0 };
    expect(a.engine.channels()).toMatchObject([{ ...calls, connection: { keepalivesSent: 0 } }]);
    a.engine.call('b', 66, number(1), {}, () => undefined);
    world.run(100);
    const served = { requestsReceived: 4, requestsSucceeded: 1, requestsFailed: 1 };
    expect(b.engine.channels()).toMatchObject([served]);
    if (lost !== null) a.engine.cancel(lost);
    world.run(10_000);
    expect(a.engine.channels()).toMatchObject([{ callsStarted: 6, callsFailed: 3, lastCallStartedMs: 200 }]);
    const asked = [a, b].map(({ engine }) => engine.channels()[0]?.connection?.keepalivesSent ?? 0);
    // By whoever has heard nothing for three seconds.
    expect(Math.max(...asked)).toBeGreaterThanOrEqual(2);
    expect(Math.max(...asked)).toBeLessThanOrEqual(4);
  });
});
