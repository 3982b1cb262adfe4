import { afterEach, describe, expect, it } from 'vitest';
import {
  type Address,
  type ClusterError,
  type DatagramSocket,
  type Duplex,
  type DuplexHandlers,
  type DuplexListener,
  formatAddress,
  toPromise,
} from '@cluster/core';
import { resolveAddress, tcpStreams, udpDatagrams } from '@cluster/core/node';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const untext = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

interface Received {
  readonly text: string;
  readonly from: Address;
}

class Mailbox<T> {
  readonly #items: T[] = [];
  readonly #readers: ((item: T) => void)[] = [];
  put(item: T): void {
    const reader = this.#readers.shift();
    if (reader) reader(item);
    else this.#items.push(item);
  }
  take(): Promise<T> {
    const item = this.#items.shift();
    return item === undefined ? new Promise((resolve) => this.#readers.push(resolve)) : Promise.resolve(item);
  }
}

async function udp(host: string, port = 0) {
  const messages = new Mailbox<Received>();
  const errors = new Mailbox<ClusterError>();
  const socket = await toPromise<DatagramSocket>((done) =>
    udpDatagrams().bind(
      { host, port },
      {
        onMessage: (bytes, from) => messages.put({ text: untext(bytes), from }),
        onError: (error) => errors.put(error),
      },
      done,
    ),
  );
  closing.push(() => socket.close());
  return { socket, messages, errors };
}

describe('UDP datagrams', () => {
  it.each(['127.0.0.1', '::1'])('travel over %s and name their sender', async (host) => {
    const [a, b] = [await udp(host), await udp(host)];
    a.socket.send(text('ping'), b.socket.local);
    expect(await b.messages.take()).toEqual({ text: 'ping', from: a.socket.local });
    expect(a.socket.local.host).toBe(host);
  });

  it('of IPv4 peers reach a socket bound to ::, and are answered, under their plain address', async () => {
    const [four, both] = [await udp('127.0.0.1'), await udp('::')];
    four.socket.send(text('ping'), { host: '127.0.0.1', port: both.socket.local.port });
    const { from } = await both.messages.take();
    expect(from).toEqual(four.socket.local);
    both.socket.send(text('pong'), from);
    expect((await four.messages.take()).text).toBe('pong');
  });

  it('that cannot be sent are reported, and the socket goes on', async () => {
    const [a, b] = [await udp('127.0.0.1'), await udp('127.0.0.1')];
    a.socket.send(new Uint8Array(70_000), b.socket.local);
    expect(await a.errors.take()).toMatchObject({ code: 'NET_DATAGRAM_TOO_LARGE', fault: 'caller' });
    a.socket.send(text('x'), { host: 'localhost', port: 1 });
    expect(await a.errors.take()).toMatchObject({ code: 'NET_ADDRESS_INVALID' });
    a.socket.send(text('x'), { host: '::1', port: 1 });
    expect(await a.errors.take()).toMatchObject({ code: 'NET_FAMILY_MISMATCH' });
    a.socket.send(text('x'), { host: '127.0.0.1', port: 70_000 });
    expect(await a.errors.take()).toMatchObject({ code: 'NET_ADDRESS_INVALID' });
    a.socket.send(text('still here'), b.socket.local);
    expect((await b.messages.take()).text).toBe('still here');
  });

  it('are silently dropped after close', async () => {
    const [a, b] = [await udp('127.0.0.1'), await udp('127.0.0.1')];
    a.socket.close();
    a.socket.close();
    a.socket.send(text('from a closed socket'), b.socket.local);
    b.socket.send(text('own'), b.socket.local);
    expect((await b.messages.take()).text).toBe('own');
  });

  it.each([
    ['a port in use', 'NET_ADDRESS_IN_USE', (used: number) => ({ host: '127.0.0.1', port: used })],
    ['an address of another machine', 'NET_ADDRESS_NOT_AVAILABLE', () => ({ host: '192.0.2.1', port: 0 })],
    ['a host name', 'NET_ADDRESS_INVALID', () => ({ host: 'localhost', port: 0 })],
    ['an impossible port', 'NET_ADDRESS_INVALID', () => ({ host: '127.0.0.1', port: 65_536 })],
  ])('cannot be bound to %s', async (_, code, address) => {
    const { local } = (await udp('127.0.0.1')).socket;
    const { host, port } = address(local.port);
    await expect(udp(host, port)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(String(port)),
    });
  });
});

type Event = `data ${string}` | 'end' | 'drain' | `close ${string}`;

const listenTo = (events: Mailbox<Event>): DuplexHandlers => ({
  onData: (bytes) => events.put(`data ${untext(bytes)}`),
  onEnd: () => events.put('end'),
  onClose: (error) => events.put(`close ${error?.code ?? 'orderly'}`),
  onDrain: () => events.put('drain'),
});

async function listen(host: string) {
  const accepted = new Mailbox<{ stream: Duplex; events: Mailbox<Event> }>();
  const accept = (stream: Duplex): void => {
    const events = new Mailbox<Event>();
    stream.handlers = listenTo(events);
    closing.push(() => stream.destroy());
    accepted.put({ stream, events });
  };
  const listener = await toPromise<DuplexListener>((done) =>
    tcpStreams().listen({ host, port: 0 }, accept, done),
  );
  closing.push(() => listener.close());
  return { listener, accepted };
}

async function dial(remote: Address, timeoutMs = 5000) {
  const events = new Mailbox<Event>();
  const stream = await toPromise<Duplex>((done) =>
    tcpStreams().dial(remote, listenTo(events), timeoutMs, done),
  );
  closing.push(() => stream.destroy());
  return { stream, events };
}

describe('TCP streams', () => {
  it.each(['127.0.0.1', '::1'])(
    'carry bytes both ways over %s, also after one side has ended',
    async (host) => {
      const { listener, accepted } = await listen(host);
      const client = await dial(listener.local);
      const server = await accepted.take();
      client.stream.write(text('question'));
      client.stream.end();
      expect(await server.events.take()).toBe('data question');
      expect(await server.events.take()).toBe('end');
      server.stream.write(text('answer'));
      server.stream.end();
      expect(await client.events.take()).toBe('data answer');
      expect(await client.events.take()).toBe('end');
      expect(await client.events.take()).toBe('close orderly');
      expect(await server.events.take()).toBe('close orderly');
      expect(server.stream.remote.host).toBe(host);
      expect(client.stream.remote).toEqual(listener.local);
    },
  );

  it('hold back a writer whose peer does not read, and tell when to go on', async () => {
    const { listener, accepted } = await listen('127.0.0.1');
    const client = await dial(listener.local);
    await accepted.take();
    while (client.stream.write(new Uint8Array(1 << 20)));
    expect(await client.events.take()).toBe('drain');
  });

  it('end without an error when destroyed here, and say so at the peer', async () => {
    const { listener, accepted } = await listen('127.0.0.1');
    const client = await dial(listener.local);
    const server = await accepted.take();
    client.stream.destroy();
    expect(await client.events.take()).toBe('close orderly');
    expect(client.stream.write(text('x'))).toBe(false);
    expect(await server.events.take()).toBe('end');
  });

  it('fail to open with a code that says why', async () => {
    const { listener } = await listen('127.0.0.1');
    const { local } = listener;
    listener.close();
    listener.close();
    await expect(dial(local)).rejects.toMatchObject({
      code: 'NET_REFUSED',
      message: expect.stringContaining(formatAddress(local)),
    });
    await expect(dial({ host: 'localhost', port: 1 })).rejects.toMatchObject({ code: 'NET_ADDRESS_INVALID' });
    await expect(dial({ host: '127.0.0.1', port: 70_000 })).rejects.toMatchObject({
      code: 'NET_ADDRESS_INVALID',
    });
  });

  it('cannot listen on a port in use', async () => {
    const { listener } = await listen('127.0.0.1');
    const second = toPromise<DuplexListener>((done) =>
      tcpStreams().listen(listener.local, () => undefined, done),
    );
    await expect(second).rejects.toMatchObject({ code: 'NET_ADDRESS_IN_USE', fault: 'environment' });
  });
});

describe('a host name', () => {
  it('resolves to addresses; an address resolves to itself', async () => {
    const all = await toPromise<readonly string[]>((done) => resolveAddress('localhost', done));
    expect(all.some((address) => address === '127.0.0.1' || address === '::1')).toBe(true);
    expect(await toPromise((done) => resolveAddress('2001:db8::1', done))).toEqual(['2001:db8::1']);
  });

  it('that nobody has registered gives a code and advice', async () => {
    const resolving = toPromise((done) => resolveAddress('no-such-host.invalid', done));
    await expect(resolving).rejects.toMatchObject({ code: 'NET_NAME_NOT_FOUND', fault: 'environment' });
  });
});
