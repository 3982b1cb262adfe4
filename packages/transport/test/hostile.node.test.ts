/** Peers whose certificate is not good, over TLS 1.3, where a dialler learns nothing by itself: both sides name the reason. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Address, MetricsRegistry } from '@cluster/core';
import { type NodeTransport, startTransport, type StartOptions } from '@cluster/transport/node';
import { TestAuthority } from './certificates.ts';

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

/** The pair of a dialler and a listener of which one has something bad. */
const cases: readonly [
  string,
  string,
  () => Promise<{ readonly dialler: Party; readonly listener: Party }>,
][] = [
  [
    'foreign authority',
    'TRANSPORT_CERTIFICATE_UNTRUSTED',
    async () => {
      // It knows the authority of the others, who do not know its own.
      const tls = await foreign.issue('a');
      const dialler = await start('a', { tls: { ...tls, ca: [foreign.ca, authority.ca] } });
      return { dialler, listener: await start('b') };
    },
  ],
  [
    'expired',
    'TRANSPORT_CERTIFICATE_EXPIRED',
    async () => {
      // A node would not start with it unless its own clock were behind.
      const tls = await authority.issue('a', 'prod', { from: -20, until: -10 });
      return { dialler: await start('a', { tls }, -15), listener: await start('b') };
    },
  ],
  [
    'not yet valid',
    'TRANSPORT_CERTIFICATE_NOT_YET_VALID',
    async () => {
      const tls = await authority.issue('a', 'prod', { from: 10, until: 20 });
      return { dialler: await start('a', { tls }, 15), listener: await start('b') };
    },
  ],
  [
    'right authority but wrong node id',
    'TRANSPORT_IDENTITY_MISMATCH',
    async () => {
      const listener = await start('c');
      // Where b should be there is c.
      addresses.set('b', listener.transport.local);
      return { dialler: await start('a'), listener };
    },
  ],
  [
    'wrong cluster name',
    'TRANSPORT_CLUSTER_MISMATCH',
    async () => {
      const tls = await authority.issue('a', 'test');
      return { dialler: await start('a', { clusterName: 'test', tls }), listener: await start('b') };
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

  it('revoked by rotation: both sides log and surface it, and the peer is not let in again', async () => {
    const code = 'TRANSPORT_CERTIFICATE_REVOKED';
    const dialler = await start('a', {
      tls: { ...(await authority.issue('a')), ca: [authority.ca, foreign.ca] },
    });
    const listener = await start('b', { tls: { ...(await authority.issue('b')), ca: authority.ca } });
    const ends: string[] = [];
    for (const { transport } of [dialler, listener])
      transport.onPeer(({ type, reason }) => void (type === 'down' && ends.push(reason)));
    expect(await ask(dialler, 'b')).toBe('answered');
    listener.transport.rotate({ ...(await foreign.issue('b')), ca: foreign.ca });
    await until(() => ends.length === 2, 'the connection ends on both sides');
    expect(ends).toEqual([code, code]);
    expect(listener.logged).toContainEqual({ message: 'a peer was cut off', code });
    await until(() => dialler.logged.some((line) => line.code === code), 'the peer hears why');
    expect(dialler.logged).toContainEqual({ message: 'a peer ended the connection', code });
    expect(await ask(dialler, 'b')).toBe('TRANSPORT_CERTIFICATE_UNTRUSTED');
    expect(listener.logged).toContainEqual({
      message: 'a connection was rejected',
      code: 'TRANSPORT_CERTIFICATE_UNTRUSTED',
    });
  });
});
