import { MetricsRegistry } from '@cluster/core';
import type { PeerEvent, SendOptions, Transport } from '@cluster/transport';
import { describe, expect, it } from 'vitest';
import { MemberDirectory } from '../src/adapters/directory.ts';
import { messengerComponent } from '../src/adapters/messenger.ts';
import { transportProber } from '../src/adapters/paths.ts';
import { raftChannel } from '../src/adapters/raft-channel.ts';
import { scopedMetrics } from '../src/adapters/scoped-metrics.ts';
import { failure, FakeMessenger, member, rejection, settle } from './fakes.ts';

describe('the directory', () => {
  const configured = { n2: { host: '10.0.0.2', port: 2 } };

  it('prefers what a member says of itself to what was configured', () => {
    const directory = new MemberDirectory(configured);
    expect(directory.lookup('n2')).toEqual({ host: '10.0.0.2', port: 2 });
    directory.learn({ type: 'Joined', member: member('n2', { tags: { ta: '10.9.9.9:9' } }) });
    expect(directory.lookup('n2')).toEqual({ host: '10.9.9.9', port: 9 });
    directory.learn({ type: 'Updated', member: member('n2', { tags: { ta: '[::1]:7' } }) });
    expect(directory.lookup('n2')).toEqual({ host: '::1', port: 7 });
  });

  it('keeps the address of a dead member, since gossip may be mistaken, and drops that of one that left', () => {
    const directory = new MemberDirectory({});
    directory.learn({ type: 'Dead', member: member('n3', { state: 'Dead' }) });
    expect(directory.lookup('n3')).toEqual({ host: '127.0.0.1', port: 2 });
    directory.learn({ type: 'Left', member: member('n3', { state: 'Left' }) });
    expect(directory.lookup('n3')).toBeUndefined();
    directory.learnAll([member('n3', { state: 'Left' }), member('n4')]);
    expect([directory.lookup('n3'), directory.lookup('n4')]).toEqual([
      undefined,
      { host: '127.0.0.1', port: 2 },
    ]);
  });

  it('takes no nonsense, and knows nobody by the names of the language', () => {
    const directory = new MemberDirectory(configured);
    for (const ta of ['', 'nonsense', '10.0.0.1:0', '10.0.0.1:99999', ':1']) {
      directory.learn({ type: 'Joined', member: member('n5', { tags: { ta } }) });
    }
    expect(directory.lookup('n5')).toBeUndefined();
    expect(directory.lookup('constructor')).toBeUndefined();
  });
});

describe("the log's channel", () => {
  it('posts under its type, with priority, and accepts messages of nodes only', () => {
    const posted: unknown[] = [];
    let deliver: (bytes: Uint8Array) => void = () => undefined;
    let roles: unknown;
    const listeners: ((event: PeerEvent) => void)[] = [];
    const channel = raftChannel({
      onPeer: (listener) => {
        listeners.push(listener);
        return () => undefined;
      },
      post: (to, typeId, bytes, options) => {
        posted.push([to, typeId, [...bytes], options?.priority]);
        return false;
      },
      handle: (typeId, handler, options) => {
        expect(typeId).toBe(1);
        roles = options?.roles;
        deliver = (bytes) => void handler(bytes, { from: 'n2' } as never);
      },
    });
    const received: Uint8Array[] = [];
    channel.onMessage((_from, bytes) => received.push(bytes));
    channel.send('n3', Uint8Array.of(1));
    expect(posted).toEqual([['n3', 1, [1], 'High']]);
    expect(roles).toEqual(['node']);
    // The transport lends its buffer; the log keeps what it is given.
    const lent = Buffer.from([5, 6]);
    deliver(lent);
    lent.fill(0);
    expect(received.map((bytes) => [...bytes])).toEqual([[5, 6]]);
    expect(received[0]?.constructor).toBe(Uint8Array);

    // A connection that breaks is a hint for the log; one that is made is none.
    const lost: string[] = [];
    channel.onPeerLost?.((peer) => lost.push(peer));
    for (const listen of listeners) listen({ type: 'up', peer: 'n2', reason: 'connected' });
    for (const listen of listeners) listen({ type: 'down', peer: 'n3', reason: 'test' });
    expect(lost).toEqual(['n3']);
  });
});

describe('the messenger', () => {
  const setUp = () => {
    const listeners: ((event: PeerEvent) => void)[] = [];
    const tell = (type: 'up' | 'down', peer: string): void => {
      for (const listener of listeners) listener({ type, peer, reason: 'test' });
    };
    const transport = {
      local: { host: '127.0.0.1', port: 1 },
      peers: () => [{ peer: 'n2', session: 'up' }],
      onPeer: (listener: (event: PeerEvent) => void) => listeners.push(listener),
      request: (_to: string, _typeId: number, _bytes: Uint8Array, { signal }: SendOptions) =>
        new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () => reject(failure('TRANSPORT_ABORTED', 'unsafe', 'caller')));
        }),
    } as unknown as Transport;
    return { messenger: messengerComponent(transport, new MetricsRegistry(), {}), tell };
  };

  it('gives up a request that must fail fast when its peer is lost, and no other', async () => {
    const { messenger, tell } = setUp();
    const nothing = new Uint8Array(0);
    const fast = rejection(messenger.request('n2', 16, nothing, { failFast: true }));
    const patient = rejection(messenger.request('n2', 16, nothing, {}));
    const elsewhere = rejection(messenger.request('n3', 16, nothing, { failFast: true }));
    tell('down', 'n2');
    expect(await fast).toMatchObject({ code: 'MANAGER_PEER_LOST', fault: 'environment', retry: 'unsafe' });
    const still = Symbol('under way');
    await settle();
    expect(await Promise.race([patient, elsewhere, Promise.resolve(still)])).toBe(still);
    const abort = new AbortController();
    const aborted = rejection(messenger.request('n3', 16, nothing, { failFast: true, signal: abort.signal }));
    abort.abort();
    expect(await aborted).toMatchObject({ code: 'TRANSPORT_ABORTED' });
  });

  it('knows who is connected, from before and from events', () => {
    const { messenger, tell } = setUp();
    tell('up', 'n3');
    expect(['n2', 'n3', 'n4'].map((peer) => messenger.isConnected(peer))).toEqual([true, true, false]);
    tell('down', 'n2');
    expect(messenger.isConnected('n2')).toBe(false);
  });
});

describe('the prober', () => {
  it("measures by the transport's ping, and hands errors on as they are", async () => {
    const messenger = new FakeMessenger();
    messenger.pingPlan = async (to) => {
      if (to === 'n3') throw failure('TRANSPORT_TIMEOUT', 'safe');
      return 2.5;
    };
    const prober = transportProber(messenger, 100);
    const outcomes: unknown[] = [];
    for (const peer of ['n2', 'n3']) prober.probe(peer, (outcome) => outcomes.push(outcome));
    await settle();
    expect(outcomes).toMatchObject([
      { ok: true, value: 2.5 },
      { ok: false, error: { code: 'TRANSPORT_TIMEOUT' } },
    ]);
  });
});

describe('metrics of several parts', () => {
  it('keep their series apart under one name', () => {
    const registry = new MetricsRegistry();
    scopedMetrics(registry, { part: 'a' }).counter('messages_sent', { help: 'h' }).add(2);
    scopedMetrics(registry, { part: 'b' })
      .counter('messages_sent', { help: 'h', labels: { reason: 'x' } })
      .add();
    expect(registry.value('messages_sent', { part: 'a' })).toBe(2);
    expect(registry.value('messages_sent', { part: 'b', reason: 'x' })).toBe(1);
  });
});
