import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Address, MetricsRegistry } from '@cluster/core';
import type { Transport } from '@cluster/transport';
import { startTransport, type StartOptions } from '@cluster/transport/node';
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

  async start(nodeId: string, options: Partial<StartOptions> = {}): Promise<Transport> {
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
