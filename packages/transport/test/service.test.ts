/** The promises around the engine, on a network in memory and in virtual time. */
import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import {
  type PeerIdentity,
  Transport,
  type TransportConfigInput,
  type TransportStream,
} from '@cluster/transport';
import { FakeClock, MemoryNetwork } from './memory-network.ts';

class Service {
  readonly clock = new FakeClock();
  readonly network = new MemoryNetwork(this.clock, 1);

  start(nodeId: 'a' | 'b', options: Partial<TransportConfigInput> = {}): Transport {
    const identity: PeerIdentity = { clusterName: 'prod', role: 'node', id: nodeId };
    const ports = { a: 7000, b: 7001 };
    const transport = new Transport(
      { nodeId, clusterName: 'prod', bind: { host: 'memory', port: ports[nodeId] }, ...options },
      {
        clock: this.clock,
        streams: this.network.port(identity),
        directory: { lookup: (id) => ({ host: 'memory', port: ports[id as 'a' | 'b'] }) },
        seed: 1,
        bootId: `boot-${nodeId}`,
      },
    );
    void transport.start();
    return transport;
  }

  /** Lets so much time pass, and what waits for promises go on in between. */
  async run(ms: number): Promise<void> {
    for (let i = 0; i < ms; i++) {
      this.clock.run(1);
      await Promise.resolve();
    }
  }
}

const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(1);
const codeOf = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'resolved',
    (error: unknown) => (error as { readonly code?: unknown }).code,
  );

describe('a signal', () => {
  const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

  it('is not listened to any more when what it was given to is over, however that came', async () => {
    const service = new Service();
    const [a, b] = [service.start('a'), service.start('b')];
    b.handle(64, (body) => body.slice());
    b.handle(65, () => new Promise(() => undefined));
    const { signal } = new AbortController();
    const outcomes = Promise.all([
      codeOf(a.request('b', 64, bytes(1), { signal })),
      codeOf(a.request('b', 65, bytes(1), { signal, timeoutMs: 50 })),
      codeOf(a.send('b', 64, bytes(1), { signal, ack: 'received' })),
      codeOf(a.ping('b', { signal })),
      codeOf(a.ready('b', { signal })),
      codeOf(a.request('b', 64, bytes(32 * 1024 * 1024), { signal })),
    ]);
    // Nothing waits yet, so ready() has answered; and what is too large was refused at once.
    expect(listeners(signal)).toBe(4);
    await service.run(100);
    expect(await outcomes).toEqual([
      'resolved',
      'TRANSPORT_TIMEOUT',
      'resolved',
      'resolved',
      'resolved',
      'TRANSPORT_MESSAGE_TOO_LARGE',
    ]);
    expect(listeners(signal)).toBe(0);
  });

  it('of a stream is listened to until both have ended and all is read, or it is reset', async () => {
    const service = new Service();
    const [a, b] = [service.start('a'), service.start('b')];
    b.handleStream(70, async (stream) => {
      await stream.write(bytes(10));
      stream.end();
    });
    b.handleStream(71, (stream) => stream.reset('NO', 'not today'));
    const { signal } = new AbortController();
    const ended = a.openStream('b', 70, { signal });
    const reset = a.openStream('b', 71, { signal });
    const given = a.openStream('b', 70, { signal });
    ended.end();
    given.reset();
    expect(listeners(signal)).toBe(2);
    await service.run(50);
    // All of it is here, and not read: to abort still gives its place free.
    expect(listeners(signal)).toBe(1);
    expect(await codeOf(reset.read())).toBe('NO');
    expect(await ended.read()).toHaveLength(10);
    expect(listeners(signal)).toBe(0);
    expect(a.peers()).toMatchObject([{ streams: 0 }]);
  });
});

describe('a stream', () => {
  const silent = (): Promise<void> => new Promise(() => undefined);

  it('is reset by its signal, or when its time is over: whoever reads or writes hears why, and so does the peer', async () => {
    const service = new Service();
    const [a, b] = [service.start('a'), service.start('b')];
    const heard: unknown[] = [];
    b.handleStream(70, (stream, { signal }) => {
      signal.addEventListener('abort', () => heard.push((signal.reason as { code: string }).code));
      void stream.read().then((bytes) => bytes === null && stream.end(), silent);
      // It hears of that by the signal alone.
      return silent();
    });
    const abort = new AbortController();
    const given = a.openStream('b', 70, { signal: abort.signal });
    const late = a.openStream('b', 70, { timeoutMs: 40 });
    const good = a.openStream('b', 70, { timeoutMs: 40 });
    const reads = Promise.all([given, late].map((stream) => codeOf(stream.read())));
    await service.run(10);
    good.end();
    await service.run(20);
    expect(await good.read()).toBeNull();
    expect(heard).toEqual([]);
    abort.abort();
    await service.run(20);
    expect(await reads).toEqual(['TRANSPORT_ABORTED', 'TRANSPORT_TIMEOUT']);
    expect(await codeOf(given.write(bytes(1)))).toBe('TRANSPORT_ABORTED');
    expect(heard).toEqual(['TRANSPORT_STREAM_CANCELLED', 'TRANSPORT_TIMEOUT']);
    expect([given, late, good].map(({ signal }) => signal.aborted)).toEqual([true, true, false]);
  });

  it('is reset by who leaves its loop, cancels its reader or aborts its writer', async () => {
    const service = new Service();
    const [a, b] = [service.start('a'), service.start('b')];
    const heard: string[] = [];
    b.handleStream(70, async (stream, { signal }) => {
      signal.addEventListener('abort', () => heard.push((signal.reason as { code: string }).code));
      await stream.write(bytes(1));
      return silent();
    });
    const [left, cancelled, aborted] = [1, 2, 3].map(() => a.openStream('b', 70));
    const leaving = (async () => {
      for await (const piece of left ?? []) if (piece.length > 0) break;
    })();
    await service.run(20);
    await leaving;
    await service.run(20);
    expect(heard).toEqual(['TRANSPORT_STREAM_CANCELLED']);
    await cancelled?.readable.cancel();
    await service.run(20);
    expect(heard).toHaveLength(2);
    await aborted?.writable.abort();
    await service.run(20);
    expect(heard).toEqual(Array.from({ length: 3 }, () => 'TRANSPORT_STREAM_CANCELLED'));
    expect(a.channels()).toMatchObject([{ streamsOpened: 3, streamsClosed: 3 }]);
  });

  it('goes on when one read or write has waited long enough, and loses nothing', async () => {
    const service = new Service();
    const [a, b] = [service.start('a'), service.start('b', { streamBufferBytes: 1024 })];
    let other: TransportStream | null = null;
    b.handleStream(70, (stream) => {
      other = stream;
      return silent();
    });
    const stream = a.openStream('b', 70);
    const abort = new AbortController();
    const { signal } = abort;
    const waits = [
      codeOf(stream.read({ timeoutMs: 30 })),
      // Taken: it goes all the same.
      stream.write(bytes(2000), { timeoutMs: 30 }).catch((error: unknown) => error),
      // Behind it, and not taken.
      stream.write(bytes(1), { signal }).catch((error: unknown) => error),
    ];
    await service.run(20);
    abort.abort();
    await service.run(20);
    expect(await Promise.all(waits)).toMatchObject([
      'TRANSPORT_TIMEOUT',
      { code: 'TRANSPORT_TIMEOUT', retry: 'useless' },
      { code: 'TRANSPORT_ABORTED', retry: 'safe' },
    ]);
    expect(await codeOf(stream.read({ signal }))).toBe('TRANSPORT_ABORTED');
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    const far = other as unknown as TransportStream;
    let got = 0;
    const reading = (async () => {
      while (got < 2000)
        got += (await far.read({ signal: new AbortController().signal, timeoutMs: 1000 }))?.length ?? 0;
    })();
    await service.run(50);
    await reading;
    expect(got).toBe(2000);
    await far.write(bytes(3));
    await service.run(20);
    expect(await stream.read()).toHaveLength(3);
  });
});

describe('ready()', () => {
  it('ends at its deadline, and with its signal, and nothing of it is left', async () => {
    const service = new Service();
    const [a, b] = [service.start('a', { readyBytes: 1024 }), service.start('b')];
    b.handle(64, () => undefined);
    void a.send('b', 64, bytes(1));
    await service.run(20);
    service.network.swallowAll();
    a.post('b', 64, bytes(400_000));
    const abort = new AbortController();
    const told = Promise.all([
      codeOf(a.ready('b', { timeoutMs: 100 })),
      codeOf(a.ready('b', { signal: abort.signal, timeoutMs: 1000 })),
    ]);
    await service.run(101);
    abort.abort();
    expect(await told).toEqual(['TRANSPORT_TIMEOUT', 'TRANSPORT_ABORTED']);
  });
});

describe('what a reader has not taken', () => {
  it('is gathered: a thousand pieces of a byte are a few, in order', async () => {
    const service = new Service();
    const [a, b] = [service.start('a'), service.start('b')];
    const got: Uint8Array[] = [];
    let read: () => void = () => undefined;
    b.handleStream(70, async (stream) => {
      await new Promise<void>((resolve) => (read = resolve));
      for await (const piece of stream) got.push(piece);
    });
    const stream = a.openStream('b', 70);
    await service.run(20);
    for (let i = 0; i < 1000; i++) void stream.write(Uint8Array.of(i & 255));
    void stream.write(bytes(20_000));
    void stream.write(bytes(1));
    stream.end();
    await service.run(100);
    read();
    await service.run(100);
    const whole = Buffer.concat(got);
    expect(whole).toHaveLength(21_001);
    expect([...whole.subarray(0, 1000)]).toEqual(Array.from({ length: 1000 }, (_, i) => i & 255));
    expect(got.length).toBeLessThan(12);
  });
});
