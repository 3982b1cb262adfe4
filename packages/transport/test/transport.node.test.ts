import { X509Certificate } from 'node:crypto';
import { type AddressInfo, connect as connectTcp } from 'node:net';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Address, MetricsRegistry } from '@cluster/core';
import type { Transport } from '@cluster/transport';
import {
  type NodeTransport,
  readCredentials,
  startTransport,
  type StartOptions,
  type TlsCredentials,
} from '@cluster/transport/node';
import { TestAuthority } from './certificates.ts';

let authority: TestAuthority;
beforeAll(async () => {
  authority = await TestAuthority.create();
});

const open: Transport[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((transport) => transport.close()));
});

/** Nodes that find each other through one map. */
class Nodes {
  readonly addresses = new Map<string, Address>();
  readonly metrics = new MetricsRegistry();
  readonly logged: { message: string; fields: Readonly<Record<string, unknown>> | undefined }[] = [];

  async start(nodeId: string, options: Partial<StartOptions> = {}): Promise<NodeTransport> {
    const tls = options.tls ?? (await authority.issue(nodeId));
    const bind = options.bind === undefined ? { host: '127.0.0.1', port: 0 } : options.bind;
    const transport = await startTransport(
      { nodeId, clusterName: 'prod', keepaliveIdleMs: 300, pingTimeoutMs: 300, ...options, bind, tls },
      {
        directory: { lookup: (id) => this.addresses.get(id) },
        metrics: this.metrics,
        logger: { log: (_level, message, fields) => void this.logged.push({ message, fields }) },
      },
    );
    open.push(transport);
    if (bind !== null) this.addresses.set(nodeId, transport.local);
    return transport;
  }
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array): string => new TextDecoder().decode(value);

describe('two nodes over TLS', () => {
  it('answer each other, each over the one connection', async () => {
    const nodes = new Nodes();
    const a = await nodes.start('a');
    const b = await nodes.start('b');
    b.handle(64, (body, { from, role }) => bytes(`${text(body)} to ${role} ${from}`));
    a.handle(64, (body) => Promise.resolve(bytes(`${text(body)} too`)));
    expect(text(await a.request('b', 64, bytes('hello')))).toBe('hello to node a');
    expect(text(await b.request('a', 64, bytes('hello')))).toBe('hello too');
    expect(nodes.metrics.value('connections_open')).toBe(1);
    expect(await a.ping('b')).toBeLessThan(1000);
  });
});

/** Polls; real sockets have no virtual time. */
async function until(holds: () => boolean, what: string): Promise<void> {
  for (let waited = 0; !holds(); waited += 5) {
    if (waited > 5000) throw new Error(`not within 5 s: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
}

const codeOf = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    await promise;
    return 'no error';
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
};

describe('calls over TLS', () => {
  it('carry bodies of any size up to the limit, unchanged', async () => {
    const nodes = new Nodes();
    const a = await nodes.start('a');
    const b = await nodes.start('b');
    b.handle(64, (body) => body.slice());
    for (const length of [0, 1, 16_383, 16_385, 65_536, 1_000_000, 16 * 1024 * 1024]) {
      const body = new Uint8Array(length).map((_, i) => (i * 31 + (i >> 8)) & 255);
      const answer = await a.request('b', 64, body, { timeoutMs: 30_000 });
      expect(Buffer.compare(answer, body)).toBe(0);
    }
    expect(await codeOf(a.request('b', 64, new Uint8Array(16 * 1024 * 1024 + 1)))).toBe(
      'TRANSPORT_MESSAGE_TOO_LARGE',
    );
  });

  it('bring errors, deadlines and aborts to both ends', async () => {
    const nodes = new Nodes();
    const a = await nodes.start('a');
    const b = await nodes.start('b');
    b.handle(64, () => Promise.reject(Object.assign(new Error('no such table'), { code: 'SQL_ERROR' })));
    let aborted = 0;
    b.handle(
      65,
      (_body, { signal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            aborted++;
            resolve();
          });
        }),
    );
    await expect(a.request('b', 64, bytes(''))).rejects.toMatchObject({
      code: 'TRANSPORT_REMOTE_ERROR',
      remoteCode: 'SQL_ERROR',
      message: expect.stringContaining('no such table') as unknown,
    });
    expect(await codeOf(a.request('b', 65, bytes(''), { timeoutMs: 50 }))).toBe('TRANSPORT_TIMEOUT');
    const abort = new AbortController();
    const call = codeOf(a.request('b', 65, bytes(''), { signal: abort.signal }));
    setTimeout(() => abort.abort(), 30);
    expect(await call).toBe('TRANSPORT_ABORTED');
    expect(await codeOf(a.request('b', 65, bytes(''), { signal: AbortSignal.abort() }))).toBe(
      'TRANSPORT_ABORTED',
    );
    await until(() => aborted === 2, 'both handlers hear of it');
    expect(await codeOf(a.request('nobody', 64, bytes('')))).toBe('TRANSPORT_PEER_UNKNOWN');
    await a.send('b', 64, bytes(''), { ack: 'received' });
    expect(await codeOf(a.send('b', 66, bytes(''), { ack: 'received' }))).toBe('TRANSPORT_REMOTE_ERROR');
    expect(await codeOf(a.send('b', 66, bytes('')))).toBe('TRANSPORT_REMOTE_ERROR');
    expect(() => b.handle(64, () => undefined)).toThrow('handler already');
  });

  it('keep the order of 20,000 posts, and none is lost', async () => {
    const nodes = new Nodes();
    const a = await nodes.start('a');
    const b = await nodes.start('b');
    let next = 0;
    let disorder = 0;
    b.handle(64, (body) => {
      if (new DataView(body.buffer, body.byteOffset).getUint32(0) !== next) disorder++;
      next++;
    });
    for (let i = 0; i < 20_000; i++) {
      const body = new Uint8Array(64);
      new DataView(body.buffer).setUint32(0, i);
      expect(a.post('b', 64, body)).toBe(true);
    }
    await until(() => next === 20_000, 'all have arrived');
    expect(disorder).toBe(0);
  });
});

describe('bulk over TLS', () => {
  it('gets a connection of its own when it crowds the one there is, and keeps its order', async () => {
    const nodes = new Nodes();
    const options = { bulkConnection: true, bulkAfterBytes: 65_536, bulkAfterMs: 0, readyBytes: 1024 * 1024 };
    const [a, b] = [await nodes.start('a', options), await nodes.start('b', options)];
    const heard = { Normal: 0, High: 0, disorder: 0 };
    b.handle(64, (body, { priority }) => {
      const number = new DataView(body.buffer, body.byteOffset).getUint32(0);
      if (number !== heard[priority as 'Normal' | 'High']++) heard.disorder++;
    });
    const numbered = (number: number, size: number): Uint8Array => {
      const body = new Uint8Array(size);
      new DataView(body.buffer).setUint32(0, number);
      return body;
    };
    for (let i = 0; i < 400; i++) {
      expect(a.post('b', 64, numbered(i, 65_536))).toBe(true);
      expect(a.post('b', 64, numbered(i, 100), { priority: 'High' })).toBe(true);
      if (!a.isReady('b')) await a.ready('b');
    }
    await a.send('b', 64, numbered(400, 4), { timeoutMs: 20_000 });
    await a.send('b', 64, numbered(400, 4), { priority: 'High', timeoutMs: 20_000 });
    expect(heard).toEqual({ Normal: 401, High: 401, disorder: 0 });
    expect(a.peers().map(({ peer, line, pool }) => [peer, line, pool])).toEqual([
      ['b', 'control', 'connected'],
      ['b', 'bulk', 'connected'],
    ]);
  });
});

describe('streams over TLS', () => {
  it('pipe Web Streams through, and are read as iterables', async () => {
    const nodes = new Nodes();
    const [a, b] = [await nodes.start('a'), await nodes.start('b')];
    const seen: unknown[] = [];
    b.handleStream(70, async ({ readable, writable }, { from, traceparent: parent }) => {
      seen.push(from, parent);
      await readable.pipeTo(writable);
    });
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const stream = a.openStream('b', 70, { traceparent });
    const sent = Buffer.from(Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 7 + (i >> 9)) & 255));
    const writing = new Blob([sent]).stream().pipeTo(stream.writable);
    const got: Uint8Array[] = [];
    for await (const bytes of stream) got.push(bytes);
    await writing;
    expect(Buffer.compare(Buffer.concat(got), sent)).toBe(0);
    expect(seen).toEqual(['a', traceparent]);
    expect(a.peers()).toMatchObject([{ streams: 0 }]);
  });

  it('end for both sides when one gives up, with its reason', async () => {
    const nodes = new Nodes();
    const [a, b] = [await nodes.start('a'), await nodes.start('b')];
    const seen: unknown[] = [];
    b.handleStream(70, async (stream) => {
      try {
        for await (const bytes of stream) seen.push(bytes.length);
      } catch (error) {
        seen.push((error as { code: string }).code);
      }
    });
    b.handleStream(71, () => Promise.reject(Object.assign(new Error('no'), { code: 'NOT_TODAY' })));
    const abort = new AbortController();
    const stream = a.openStream('b', 70, { signal: abort.signal });
    await stream.write(new Uint8Array(5));
    await until(() => seen.length > 0, 'bytes');
    abort.abort();
    await until(() => seen.length > 1, 'a reset');
    expect(seen).toEqual([5, 'TRANSPORT_STREAM_CANCELLED']);
    await expect(stream.write(new Uint8Array(1))).rejects.toMatchObject({ code: 'TRANSPORT_ABORTED' });
    await expect(a.openStream('b', 71).read()).rejects.toMatchObject({ code: 'NOT_TODAY' });
  });
});

describe('certificates', () => {
  /** `a` dials `b` with these credentials; what each side sees. */
  async function dial(
    a: Partial<StartOptions>,
    b: Partial<StartOptions> = {},
  ): Promise<{ code: unknown; message: string; nodes: Nodes }> {
    const nodes = new Nodes();
    const dialler = await nodes.start('a', a);
    await nodes.start('b', b);
    const error: unknown = await dialler.request('b', 64, bytes('')).catch((cause: unknown) => cause);
    return { code: (error as { code?: unknown }).code, message: String(error), nodes };
  }

  it('of another authority are refused by name on both sides, whoever looks first', async () => {
    const foreign = await (await TestAuthority.create('foreign')).issue('a');
    // The listener does not know the dialler's authority; the dialler knows the listener's.
    const trusting = { ...foreign, ca: [foreign.ca, authority.ca].flat() };
    const listener = await dial({ tls: trusting });
    expect(listener.code).toBe('TRANSPORT_CERTIFICATE_UNTRUSTED');
    expect(listener.message).toContain('the peer refused it');
    expect(listener.nodes.metrics.value('connections_rejected', { reason: 'certificate_untrusted' })).toBe(1);
    // Neither knows the other's.
    const dialler = await dial({ tls: foreign });
    expect(dialler.code).toBe('TRANSPORT_CERTIFICATE_UNTRUSTED');
    await until(
      () => dialler.nodes.metrics.value('connections_rejected', { reason: 'certificate_untrusted' }) === 1,
      'the listener counts it, too',
    );
  });

  it('that have expired are refused by name on both sides', async () => {
    const expired = await authority.issue('a', 'prod', { from: -20, until: -10 });
    // A node would not start with it: its clock is wrong, or it expired while it ran.
    const nodes = new Nodes();
    const a = await startTransport(
      { nodeId: 'a', clusterName: 'prod', bind: null, tls: expired },
      {
        directory: { lookup: (id) => nodes.addresses.get(id) },
        wallClock: { nowMs: () => Date.now() - 15 * 86_400_000 },
      },
    );
    open.push(a);
    await nodes.start('b');
    expect(await codeOf(a.request('b', 64, bytes('')))).toBe('TRANSPORT_CERTIFICATE_EXPIRED');
    expect(nodes.metrics.value('connections_rejected', { reason: 'certificate_expired' })).toBe(1);
    expect(nodes.logged).toContainEqual(
      expect.objectContaining({
        fields: expect.objectContaining({ code: 'TRANSPORT_CERTIFICATE_EXPIRED' }) as unknown,
      }),
    );
  });

  it('that are not yet valid are refused by name on both sides', async () => {
    const early = await authority.issue('a', 'prod', { from: 10, until: 20 });
    // A node would not start with it unless its own clock were ahead.
    const nodes = new Nodes();
    const a = await startTransport(
      { nodeId: 'a', clusterName: 'prod', bind: null, tls: early },
      {
        directory: { lookup: (id) => nodes.addresses.get(id) },
        wallClock: { nowMs: () => Date.now() + 15 * 86_400_000 },
      },
    );
    open.push(a);
    await nodes.start('b');
    expect(await codeOf(a.request('b', 64, bytes('')))).toBe('TRANSPORT_CERTIFICATE_NOT_YET_VALID');
    expect(nodes.metrics.value('connections_rejected', { reason: 'certificate_not_yet_valid' })).toBe(1);
    expect(nodes.logged).toContainEqual(
      expect.objectContaining({
        fields: expect.objectContaining({ code: 'TRANSPORT_CERTIFICATE_NOT_YET_VALID' }) as unknown,
      }),
    );
  });

  it('of another node or cluster are refused by name on both sides', async () => {
    const nodes = new Nodes();
    const a = await nodes.start('a');
    const c = await nodes.start('c');
    // The directory is wrong: at the address of b there is c.
    nodes.addresses.set('b', c.local);
    const error: unknown = await a.request('b', 64, bytes('')).catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: 'TRANSPORT_IDENTITY_MISMATCH' });
    expect(String(error)).toContain('the certificate is of node c');
    await until(
      () => nodes.metrics.value('connections_rejected', { reason: 'identity_mismatch' }) === 1,
      'the listener counts it, too',
    );
    const other = await dial({ clusterName: 'test', tls: await authority.issue('a', 'test') });
    expect(other.code).toBe('TRANSPORT_CLUSTER_MISMATCH');
    const codecs = await dial({ codecHashes: { raft: 'v2' } }, { codecHashes: { raft: 'v1' } });
    expect(codecs.code).toBe('TRANSPORT_CODEC_MISMATCH');
  });

  it('of clients let them dial, be answered and be posted to, but not listen', async () => {
    const nodes = new Nodes();
    const b = await nodes.start('b');
    const client = await nodes.start('shell', { bind: null, tls: await authority.client('shell') });
    const posted: string[] = [];
    client.handle(65, (body) => void posted.push(text(body)));
    b.handle(64, (_body, { from, role }) => {
      b.post(from, 65, bytes('event'));
      return bytes(`${role} ${from}`);
    });
    expect(text(await client.request('b', 64, bytes('')))).toBe('client client/shell');
    await until(() => posted.length === 1, 'the post arrives');
    const listening = nodes.start('shell', { tls: await authority.client('shell') });
    expect(await codeOf(listening)).toBe('TRANSPORT_IDENTITY_MISMATCH');
  });

  it('may name the node by DNS where they have no URI, as dialler, listener and client', async () => {
    const nodes = new Nodes();
    const byDns = (...dnsNames: string[]): Promise<TlsCredentials> =>
      authority.issue('any', 'any', { uris: [], dnsNames: ['localhost', ...dnsNames] });
    const [a, b] = [
      await nodes.start('a', { tls: await byDns('a.node.prod') }),
      await nodes.start('b', { tls: await byDns('b.node.prod', 'b.example.com') }),
    ];
    const tls = await byDns('shell.client.prod');
    const client = await nodes.start('shell', { bind: null, tls });
    b.handle(64, (_body, { from, role }) => bytes(`${role} ${from}`));
    expect(text(await a.request('b', 64, bytes('')))).toBe('node a');
    expect(text(await client.request('b', 64, bytes('')))).toBe('client client/shell');
    for (const names of [['c.node.prod', 'd.node.prod'], ['c.node.node.prod'], ['c.node.other'], ['c.prod']])
      expect(await codeOf(nodes.start('c', { tls: await byDns(...names) }))).toMatch(
        names[0] === 'c.node.other' ? /CLUSTER_MISMATCH/ : /IDENTITY_MISMATCH/,
      );
    // A URI is what counts where there is one.
    const both = await authority.issue('e', 'prod', { dnsNames: ['c.node.prod'] });
    expect(await codeOf(nodes.start('c', { tls: both }))).toBe('TRANSPORT_IDENTITY_MISMATCH');
    await nodes.start('e', { tls: both });
  });

  it('are checked before anything listens', async () => {
    const nodes = new Nodes();
    const good = await authority.issue('a');
    const starting: [Partial<StartOptions>, string][] = [
      [
        { tls: await authority.issue('a', 'prod', { from: -20, until: -10 }) },
        'TRANSPORT_CERTIFICATE_EXPIRED',
      ],
      [
        { tls: await authority.issue('a', 'prod', { from: 10, until: 20 }) },
        'TRANSPORT_CERTIFICATE_NOT_YET_VALID',
      ],
      [{ tls: { ...good, key: (await authority.issue('a')).key } }, 'TRANSPORT_CERTIFICATE_KEY_MISMATCH'],
      [{ tls: { ...good, cert: 'nonsense' } }, 'TRANSPORT_CERTIFICATE_UNREADABLE'],
      [{ tls: { ...good, key: 'nonsense' } }, 'TRANSPORT_CERTIFICATE_UNREADABLE'],
      [{ tls: { ...good, ca: '' } }, 'TRANSPORT_CERTIFICATE_UNREADABLE'],
      [{ tls: { ...good, ca: (await TestAuthority.create('other')).ca } }, 'TRANSPORT_CERTIFICATE_UNTRUSTED'],
      [{ tls: await authority.issue('z') }, 'TRANSPORT_IDENTITY_MISMATCH'],
      [{ tls: await authority.issue('a', 'test') }, 'TRANSPORT_CLUSTER_MISMATCH'],
      [{ tls: await authority.issue('a', 'prod', { uris: [] }) }, 'TRANSPORT_IDENTITY_MISMATCH'],
      [{ tls: good, clusterName: 'not a name' }, 'TRANSPORT_CONFIG_INVALID'],
      // As from JavaScript: nothing has checked the types.
      [{ tls: { ...good, key: undefined as unknown as string } }, 'TRANSPORT_CONFIG_INVALID'],
      [{ tls: good, streamBufferByte: 65_536 } as object, 'TRANSPORT_CONFIG_INVALID'],
    ];
    for (const [options, code] of starting) expect(await codeOf(nodes.start('a', options))).toBe(code);
  });

  it('are read from files, and a missing one is named', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'transport-'));
    try {
      const good = await authority.issue('a');
      const files = {
        ca: join(folder, 'ca.pem'),
        cert: join(folder, 'cert.pem'),
        key: join(folder, 'key.pem'),
      };
      writeFileSync(files.ca, String(good.ca));
      writeFileSync(files.cert, good.cert);
      const missing: unknown = await readCredentials(files).catch((cause: unknown) => cause);
      expect(missing).toMatchObject({ code: 'TRANSPORT_CERTIFICATE_UNREADABLE' });
      expect(String(missing)).toContain('key.pem');
      writeFileSync(files.key, good.key);
      expect(await readCredentials(files)).toEqual({ ...good, ca: [good.ca] });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('certificates that are replaced while all runs', () => {
  it('carry on with every session, over a change of authority, and cut off who is not certified any more', async () => {
    const nodes = new Nodes();
    const [next, soon] = [await TestAuthority.create('next'), { backoffMinMs: 20, backoffMaxMs: 100 }];
    const [a, b, c] = [
      await nodes.start('a', soon),
      await nodes.start('b', soon),
      await nodes.start('c', soon),
    ];
    const events: string[] = [];
    for (const node of [a, b, c]) node.handle(64, (body) => body.slice());
    b.onPeer(({ type, peer, reason }) => void events.push(`${type} ${peer} ${reason}`));
    b.handleStream(70, ({ readable, writable }) => readable.pipeTo(writable));
    expect(text(await c.request('b', 64, bytes('1')))).toBe('1');
    // Held open over all that follows, and used after each step.
    const stream = a.openStream('b', 70);
    const isAlive = async (): Promise<void> => {
      await stream.write(bytes('still here'));
      let heard = '';
      while (heard.length < 10) heard += text((await stream.read()) ?? new Uint8Array(0));
      expect(heard).toBe('still here');
    };
    const shows = async (node: Transport, to: Transport, id: string, tls: TlsCredentials): Promise<void> => {
      const { fingerprint256 } = new X509Certificate(tls.cert);
      const shown = (): string | null | undefined =>
        to.channels().find(({ peer }) => peer === id)?.connection?.certificate;
      await until(
        () => shown() === fingerprint256,
        `the certificate that ${id} has now is on its connection`,
      );
      expect(node.channels().every(({ sessionsBegun }) => sessionsBegun === 1)).toBe(true);
      await isAlive();
    };
    await isAlive();
    const both = [authority.ca, next.ca];
    // The listener, then the dialler: both trust both authorities from now on.
    const [b1, a1] = [await authority.issue('b'), await authority.issue('a')];
    b.rotate({ ...b1, ca: both });
    await shows(b, a, 'b', b1);
    a.rotate({ ...a1, ca: both });
    await shows(a, b, 'a', a1);
    // Then certificates of the new one: the dialler's is of an intermediate.
    const [a2, b2] = [await (await next.intermediate('middle')).issue('a'), await next.issue('b')];
    a.rotate({ ...a2, ca: both });
    await shows(a, b, 'a', a2);
    b.rotate({ ...b2, ca: both });
    await shows(b, a, 'b', b2);
    // Who comes now shows and sees the new certificates.
    const d = await nodes.start('d', { tls: { ...(await next.issue('d')), ca: next.ca } });
    expect(text(await d.request('b', 64, bytes('3')))).toBe('3');
    expect(events).toEqual(['up c connected', 'up a connected', 'up d connected']);
    // Then only the new.
    for (const [node, tls] of [
      [a, a2],
      [b, b2],
    ] as const)
      node.rotate({ ...tls, ca: next.ca });
    await until(() => events.includes('down c TRANSPORT_CERTIFICATE_REVOKED'), 'the old one is cut');
    await isAlive();
    await expect(c.request('b', 64, bytes('4'))).rejects.toMatchObject({
      code: 'TRANSPORT_CERTIFICATE_UNTRUSTED',
    });
    stream.end();
    expect(await stream.read()).toBeNull();
    expect(events.filter((event) => !event.includes(' c '))).toEqual(['up a connected', 'up d connected']);
  });

  it('are checked first, and what does not fit changes nothing', async () => {
    const nodes = new Nodes();
    const a = await nodes.start('a');
    const before = a.certificateExpiresAtMs;
    const foreign = await TestAuthority.create('other');
    for (const tls of [await authority.issue('z'), { ...(await authority.issue('a')), ca: foreign.ca }]) {
      expect(() => a.rotate(tls)).toThrow();
      expect(a.certificateExpiresAtMs).toBe(before);
    }
    a.rotate(await authority.issue('a', 'prod', { until: 60 }));
    expect(a.certificateExpiresAtMs).toBeGreaterThan(before);
  });

  it('are reported when they expire soon', async () => {
    const nodes = new Nodes();
    const a = await nodes.start('a', { tls: await authority.issue('a', 'prod', { until: 3 }) });
    const warnings = (): number =>
      nodes.logged.filter(({ message }) => message === 'the certificate expires soon').length;
    expect(warnings()).toBe(1);
    expect(nodes.metrics.value('certificate_expires_seconds')).toBeGreaterThan(2 * 86_400);
    a.rotate(await authority.issue('a'));
    expect(warnings()).toBe(1);
    expect(nodes.metrics.value('certificate_expires_seconds')).toBeGreaterThan(20 * 86_400);
  });

  it('are reported, too, when an authority expires soon, or one between it and the certificate', async () => {
    const nodes = new Nodes();
    const warned = (): string[] =>
      nodes.logged.map(({ message }) => message).filter((message) => message.endsWith('expires soon'));
    const dying = await TestAuthority.create('dying', 3);
    const middle = await dying.intermediate('middle', 2);
    const a = await nodes.start('a', { tls: await middle.issue('a') });
    expect(warned()).toEqual(['a certificate of the chain expires soon', 'an authority expires soon']);
    expect(nodes.logged.map(({ fields }) => fields?.['subject'])).toEqual(['CN=middle', 'CN=dying']);
    const daySeconds = 86_400;
    expect(nodes.metrics.value('authority_expires_seconds')).toBeGreaterThan(1 * daySeconds);
    expect(nodes.metrics.value('authority_expires_seconds')).toBeLessThan(2.1 * daySeconds);
    a.rotate(await authority.issue('a'));
    expect(warned()).toHaveLength(2);
    expect(nodes.metrics.value('authority_expires_seconds')).toBeGreaterThan(300 * daySeconds);
  });
});

describe('a wall clock that is set back', () => {
  it('decides nothing: calls, deadlines and keepalive go on', async () => {
    const nodes = new Nodes();
    const timings = { keepaliveIdleMs: 50, pingTimeoutMs: 100 };
    const [a, b] = [await nodes.start('a', timings), await nodes.start('b', timings)];
    b.handle(64, (body) => body.slice());
    b.handle(65, () => new Promise(() => undefined));
    const events: string[] = [];
    a.onPeer(({ type }) => void events.push(type));
    expect(text(await a.request('b', 64, bytes('1')))).toBe('1');
    const nowMs = Date.now();
    // The clock that everything in the process would read; timers go on as they are.
    vi.useFakeTimers({ toFake: ['Date'] });
    try {
      for (const days of [-3650, 3650]) {
        vi.setSystemTime(nowMs + days * 86_400_000);
        const startedMs = performance.now();
        expect(await codeOf(a.request('b', 65, bytes(''), { timeoutMs: 150 }))).toBe('TRANSPORT_TIMEOUT');
        expect(performance.now() - startedMs).toBeGreaterThan(100);
        expect(await a.ping('b')).toBeGreaterThanOrEqual(0);
        expect(text(await a.request('b', 64, bytes('2')))).toBe('2');
      }
    } finally {
      vi.useRealTimers();
    }
    expect(events).toEqual(['up']);
  });
});

describe('the port', () => {
  it('in use is said so', async () => {
    const nodes = new Nodes();
    const a = await nodes.start('a');
    expect(await codeOf(nodes.start('b', { bind: a.local }))).toBe('TRANSPORT_PORT_IN_USE');
    expect(await codeOf(nodes.start('b', { bind: { host: '192.0.2.1', port: 0 } }))).toBe(
      'TRANSPORT_BIND_FAILED',
    );
  });

  it('survives garbage: plain bytes, TLS without a certificate, TLS with garbage inside, silence', async () => {
    const nodes = new Nodes();
    const b = await nodes.start('b', { handshakeTimeoutMs: 200 });
    b.handle(64, (body) => body.slice());
    const { host, port } = b.local;
    const rejected = (reason: string): number => nodes.metrics.value('connections_rejected', { reason });
    const plain = connectTcp(port, host, () => plain.write('GET / HTTP/1.1\r\n\r\n'));
    plain.on('error', () => undefined);
    await until(() => rejected('tls_failed') === 1, 'plain bytes');
    const silentTcp = connectTcp(port, host);
    silentTcp.on('error', () => undefined);
    await until(() => rejected('handshake_timeout') === 1, 'silence before TLS');
    const anonymous = connectTls({ host, port, rejectUnauthorized: false });
    anonymous.on('error', () => undefined);
    await until(() => rejected('certificate_missing') === 1, 'no certificate');
    const good = await authority.issue('x');
    const { cert, key } = good;
    const options = { host, port, ca: [good.ca].flat(), cert, key, checkServerIdentity: () => undefined };
    const garbage: TLSSocket = connectTls(options, () => garbage.write(Buffer.alloc(64, 0xfe)));
    garbage.on('error', () => undefined);
    await until(
      () => nodes.metrics.value('frames_rejected', { reason: 'oversized' }) === 1,
      'garbage frames',
    );
    expect(rejected('protocol_error')).toBe(1);
    const silentTls = connectTls(options);
    silentTls.on('error', () => undefined);
    await until(() => rejected('handshake_timeout') === 2, 'silence after TLS');
    const a = await nodes.start('a');
    expect(text(await a.request('b', 64, bytes('still here')))).toBe('still here');
    for (const socket of [plain, silentTcp, anonymous, garbage, silentTls]) socket.destroy();
  });

  it('speaks TLS 1.3 only, and resumes no session', async () => {
    const nodes = new Nodes();
    const b = await nodes.start('b');
    const good = await authority.issue('x');
    const { cert, key } = good;
    const options = { ...b.local, ca: [good.ca].flat(), cert, key, checkServerIdentity: () => undefined };
    const old = connectTls({ ...options, maxVersion: 'TLSv1.2' });
    const refused = await new Promise((resolve) => {
      old.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
      old.once('secureConnect', () => resolve('connected'));
    });
    expect(refused).toContain('PROTOCOL_VERSION');
    const sockets: TLSSocket[] = [];
    /** Of a connection to a server: whether it was resumed, and the sessions that could be. Over when the server has said something. */
    const visit = async (
      to: object,
      session?: Buffer,
    ): Promise<{
      readonly isReused: boolean;
      readonly protocol: string | null;
      readonly sessions: Buffer[];
    }> => {
      const sessions: Buffer[] = [];
      const socket = connectTls({ ...options, ...to, ...(session === undefined ? {} : { session }) });
      sockets.push(socket);
      socket.on('session', (given: Buffer) => void sessions.push(given));
      socket.on('error', () => undefined);
      // What it says comes behind the sessions it gives away: to ours, garbage is answered with a refusal.
      await new Promise<void>((resolve) => {
        socket.once('secureConnect', () => socket.write(Buffer.alloc(16, 0xfe)));
        socket.once('data', () => resolve());
      });
      return { isReused: socket.isSessionReused(), protocol: socket.getProtocol(), sessions };
    };
    // Any other server gives sessions away, and takes them again: so this test would see it.
    const other = createTlsServer({ cert, key, ca: [good.ca].flat() }, (socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.write('something'));
    });
    await new Promise<void>((resolve) => {
      other.listen(0, '127.0.0.1', resolve);
    });
    const there = { port: (other.address() as AddressInfo).port };
    const [given] = (await visit(there)).sessions;
    expect(given).toBeDefined();
    expect((await visit(there, given)).isReused).toBe(true);
    const ours = await visit({});
    expect(ours.protocol).toBe('TLSv1.3');
    for (const session of [given, ...ours.sessions]) expect((await visit({}, session)).isReused).toBe(false);
    for (const socket of sockets) socket.destroy();
    other.close();
  });
});

describe('connections that come and go', () => {
  it('are made again when a node restarts on its port: a new boot, a new session', async () => {
    const nodes = new Nodes();
    const a = await nodes.start('a', { backoffMinMs: 20, backoffMaxMs: 50 });
    const events: string[] = [];
    a.onPeer(({ type, peer, reason }) => void events.push(`${type} ${peer} ${reason}`));
    const first = await nodes.start('b');
    first.handle(64, () => bytes('first'));
    expect(text(await a.request('b', 64, bytes('')))).toBe('first');
    const { local } = first;
    await first.close();
    await until(() => events.length === 2, 'it is down');
    const again = await nodes.start('b', { bind: local });
    again.handle(64, () => bytes('second'));
    let answer = '';
    await until(() => {
      if (answer === '')
        a.request('b', 64, bytes('')).then(
          (value) => (answer = text(value)),
          () => undefined,
        );
      return answer !== '';
    }, 'it answers again');
    expect(answer).toBe('second');
    expect(events).toEqual(['up b connected', 'down b TRANSPORT_PEER_LEFT', 'up b connected']);
  });

  it('settle to one when both dial at once', async () => {
    for (let round = 0; round < 5; round++) {
      const nodes = new Nodes();
      const a = await nodes.start('a');
      const b = await nodes.start('b');
      for (const node of [a, b]) node.handle(64, () => bytes('ok'));
      const answers = await Promise.all([a.request('b', 64, bytes('')), b.request('a', 64, bytes(''))]);
      expect(answers.map(text)).toEqual(['ok', 'ok']);
      await until(() => nodes.metrics.value('connections_open') === 1, 'one connection is left');
      await Promise.all([a.close(), b.close()]);
    }
  });

  it('close without leaving anything open', async () => {
    const nodes = new Nodes();
    const a = await nodes.start('a');
    const b = await nodes.start('b');
    b.handle(64, () => new Promise(() => undefined));
    const call = codeOf(a.request('b', 64, bytes('')));
    await until(() => nodes.metrics.value('connections_open') === 1, 'they are connected');
    await a.close();
    expect(await call).toBe('TRANSPORT_CLOSED');
    expect(await codeOf(a.request('b', 64, bytes('')))).toBe('TRANSPORT_CLOSED');
    expect(a.post('b', 64, bytes(''))).toBe(false);
    await b.close();
  });
});
