/** Peers whose certificate is not good, over TLS 1.3, where a dialler learns nothing by itself: both sides name the reason. */
import { connect } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Address, MetricsRegistry } from '@cluster/core';
import { encodeFrame, frameTypes } from '@cluster/transport';
import { type NodeTransport, startTransport, type StartOptions } from '@cluster/transport/node';
import { TestAuthority } from './certificates.ts';
import { greeting } from './greeting.ts';

const dayMs = 86_400_000;
let authority: TestAuthority;
let foreign: TestAuthority;
beforeAll(async () => {
  authority = await TestAuthority.create();
  foreign = await TestAuthority.create('foreign');
});

interface Logged {
  readonly message: string;
  readonly code: unknown;
}

/** A node with a log and numbers of its own. */
interface Party {
  readonly transport: NodeTransport;
  readonly logged: Logged[];
  readonly metrics: MetricsRegistry;
}

const addresses = new Map<string, Address>();
const open: NodeTransport[] = [];
afterEach(async () => {
  addresses.clear();
  await Promise.all(open.splice(0).map((transport) => transport.close()));
});

async function start(nodeId: string, options: Partial<StartOptions> = {}, clockDays = 0): Promise<Party> {
  const logged: Logged[] = [];
  const metrics = new MetricsRegistry();
  const tls = options.tls ?? (await authority.issue(nodeId));
  const transport = await startTransport(
    { nodeId, clusterName: 'prod', bind: { host: '127.0.0.1', port: 0 }, ...options, tls },
    {
      directory: { lookup: (id) => addresses.get(id) },
      metrics,
      logger: { log: (_level, message, fields) => void logged.push({ message, code: fields?.['code'] }) },
      wallClock: { nowMs: () => Date.now() + clockDays * dayMs },
    },
  );
  open.push(transport);
  addresses.set(nodeId, transport.local);
  transport.handle(64, (body) => body.slice());
  return { transport, logged, metrics };
}

const ask = ({ transport }: Party, to: string): Promise<unknown> =>
  transport.request(to, 64, new Uint8Array(1)).then(
    () => 'answered',
    (error: unknown) => (error as { code?: unknown }).code,
  );

async function until(isTrue: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!isTrue()) {
    if (Date.now() > deadline) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
}

/** What is wrong with one of two: how the node `id` starts with it. */
const faults: readonly [string, string, (id: string) => Promise<Party>][] = [
  [
    'foreign authority',
    'TRANSPORT_CERTIFICATE_UNTRUSTED',
    async (id) => {
      // It knows the authority of the others, who do not know its own.
      const tls = await foreign.issue(id);
      return start(id, { tls: { ...tls, ca: [foreign.ca, authority.ca] } });
    },
  ],
  [
    'expired',
    'TRANSPORT_CERTIFICATE_EXPIRED',
    // A node would not start with it unless its own clock were behind.
    async (id) => start(id, { tls: await authority.issue(id, 'prod', { from: -20, until: -10 }) }, -15),
  ],
  [
    'not yet valid',
    'TRANSPORT_CERTIFICATE_NOT_YET_VALID',
    async (id) => start(id, { tls: await authority.issue(id, 'prod', { from: 10, until: 20 }) }, 15),
  ],
  [
    'wrong cluster name',
    'TRANSPORT_CLUSTER_MISMATCH',
    async (id) => start(id, { clusterName: 'test', tls: await authority.issue(id, 'test') }),
  ],
];

interface Pair {
  readonly dialler: Party;
  readonly listener: Party;
}

/** Each of them with the dialler, and with the listener. */
const cases: readonly [string, string, () => Promise<Pair>][] = [
  ...faults.flatMap(([fault, code, make]): [string, string, () => Promise<Pair>][] => [
    [
      `${fault}, of the dialler`,
      code,
      async () => ({ dialler: await make('a'), listener: await start('b') }),
    ],
    [
      `${fault}, of the listener`,
      code,
      async () => ({ dialler: await start('a'), listener: await make('b') }),
    ],
  ]),
  [
    'right authority but wrong node id, of the listener',
    'TRANSPORT_IDENTITY_MISMATCH',
    async () => {
      const listener = await start('c');
      // Where b should be there is c.
      addresses.set('b', listener.transport.local);
      return { dialler: await start('a'), listener };
    },
  ],
];

describe('a peer whose certificate is not good', () => {
  it.each(cases)('%s: dialler and listener both log and surface %s', async (_name, code, make) => {
    const { dialler, listener } = await make();
    expect(await ask(dialler, 'b')).toBe(code);
    expect(dialler.logged).toContainEqual({ message: 'a dial failed', code });
    const reason = code.slice('TRANSPORT_'.length).toLowerCase();
    await until(() => listener.metrics.value('connections_rejected', { reason }) === 1, 'it is counted');
    expect(listener.logged).toContainEqual({ message: 'a connection was rejected', code });
    expect(listener.metrics.value('connections_open')).toBe(0);
  });

  it('right authority but wrong node id, of a dialler: the listener logs it, and tells it so', async () => {
    const listener = await start('b');
    // A node of ours would not start with it.
    const { ca, cert, key } = await authority.issue('x');
    const options = { ...listener.transport.local, ca: [ca].flat(), cert, key };
    const socket = connect({ ...options, checkServerIdentity: () => undefined });
    let heard = '';
    socket.on('data', (bytes: Buffer) => void (heard += bytes.toString('latin1')));
    socket.on('error', () => undefined);
    socket.write(encodeFrame(frameTypes.hello, greeting({ nodeId: 'a' })));
    const code = 'TRANSPORT_IDENTITY_MISMATCH';
    await until(() => heard.includes(code), 'it is told so');
    expect(listener.logged).toContainEqual({ message: 'a connection was rejected', code });
    expect(listener.metrics.value('connections_rejected', { reason: 'identity_mismatch' })).toBe(1);
    expect(listener.metrics.value('connections_open')).toBe(0);
    socket.destroy();
  });

  it.each(['the listener', 'the dialler'])(
    'revoked by rotation of %s: both sides log and surface it, and the peer is not let in again',
    async (who) => {
      const code = 'TRANSPORT_CERTIFICATE_REVOKED';
      const both = [authority.ca, foreign.ca];
      const isListener = who === 'the listener';
      // Of the one that stays with the old certificate, and of the one that takes others.
      const stays = await start(isListener ? 'a' : 'b', {
        tls: { ...(await authority.issue(isListener ? 'a' : 'b')), ca: both },
      });
      const turns = await start(isListener ? 'b' : 'a');
      const dialler = isListener ? stays : turns;
      const ends: string[] = [];
      for (const { transport } of [stays, turns])
        transport.onPeer(({ type, reason }) => void (type === 'down' && ends.push(reason)));
      expect(await ask(dialler, 'b')).toBe('answered');
      turns.transport.rotate({ ...(await foreign.issue(isListener ? 'b' : 'a')), ca: foreign.ca });
      await until(() => ends.length === 2, 'the connection ends on both sides');
      expect(ends).toEqual([code, code]);
      expect(turns.logged).toContainEqual({ message: 'a peer was cut off', code });
      await until(() => stays.logged.some((line) => line.code === code), 'the peer hears why');
      expect(stays.logged).toContainEqual({ message: 'a peer ended the connection', code });
      const untrusted = 'TRANSPORT_CERTIFICATE_UNTRUSTED';
      expect(await ask(dialler, 'b')).toBe(untrusted);
      const listener = isListener ? turns : stays;
      const isRejected = (): boolean =>
        listener.logged.some(
          ({ message, code: why }) => message === 'a connection was rejected' && why === untrusted,
        );
      await until(isRejected, 'the listener logs it, too');
    },
  );
});
