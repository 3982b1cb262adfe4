import { TLSSocket } from 'node:tls';
import { Socket } from 'node:net';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Address, Prng } from '@cluster/core';
import { type NodeTransport, startTransport } from '@cluster/transport/node';
import { lendReads } from '../src/node/lent-reads.ts';
import { TestAuthority } from './certificates.ts';

let authority: TestAuthority;
beforeAll(async () => {
  authority = await TestAuthority.create();
});

const open: NodeTransport[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((transport) => transport.close()));
});

async function pair(): Promise<readonly [NodeTransport, NodeTransport]> {
  const addresses = new Map<string, Address>();
  const start = async (nodeId: string): Promise<NodeTransport> => {
    const bind = { host: '127.0.0.1', port: 0 };
    const lookup = (id: string): Address | undefined => addresses.get(id);
    const tls = await authority.issue(nodeId);
    const transport = await startTransport(
      { nodeId, clusterName: 'prod', bind, tls },
      { directory: { lookup } },
    );
    open.push(transport);
    addresses.set(nodeId, transport.local);
    return transport;
  };
  return [await start('a'), await start('b')];
}

/** Each says how long it is, and has the same byte everywhere else. */
const message = (number: number, length: number): Uint8Array => {
  const bytes = new Uint8Array(length).fill(number & 255);
  new DataView(bytes.buffer).setUint32(0, length);
  return bytes;
};
const isIntact = (bytes: Uint8Array, number: number): boolean =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) === bytes.length &&
  bytes.subarray(4).every((byte) => byte === (number & 255));

describe('what was read over TLS', () => {
  it('stays as it came for a handler, a caller and a reader of a stream, however long they keep it', async () => {
    const [a, b] = await pair();
    const prng = Prng.fromSeed(1);
    const kept: Uint8Array[] = [];
    b.handle(64, (bytes) => void kept.push(bytes));
    b.handle(65, async (bytes) => {
      await new Promise((resolve) => setImmediate(resolve));
      return bytes;
    });
    const pieces: Uint8Array[] = [];
    let ended = false;
    b.handleStream(64, async (stream) => {
      for await (const bytes of stream) pieces.push(bytes);
      ended = true;
      stream.end();
    });
    const stream = a.openStream('b', 64);
    const answers: Promise<Uint8Array>[] = [];
    const lengthOf = (): number => 8 + prng.below(prng.chance(0.1) ? 100_000 : 600);
    for (let i = 0; i < 600; i++) {
      expect(a.post('b', 64, message(i, lengthOf()))).toBe(true);
      answers.push(a.request('b', 65, message(i, lengthOf())));
      await stream.write(message(i, 500));
    }
    stream.end();
    const answered = await Promise.all(answers);
    await a.send('b', 65, message(0, 8));
    await expect.poll(() => ended).toBe(true);
    expect(kept).toHaveLength(600);
    expect(kept.filter((bytes, i) => !isIntact(bytes, i))).toEqual([]);
    expect(answered.filter((bytes, i) => !isIntact(bytes, i))).toEqual([]);
    const all = Buffer.concat(pieces);
    expect(all).toHaveLength(300_000);
    for (let i = 0; i < 600; i++) expect(isIntact(all.subarray(i * 500, i * 500 + 500), i)).toBe(true);
  });

  it('is read over for a handler that was only lent it: small messages and large ones leave no memory behind', async () => {
    const [a, b] = await pair();
    const places = new Set<ArrayBufferLike>();
    let wrong = 0;
    let count = 0;
    const take = (bytes: Uint8Array): void => {
      if (!isIntact(bytes, count++)) wrong++;
      places.add(bytes.buffer);
    };
    b.handle(64, take, { lent: true });
    for (let i = 0; i < 2000; i++) {
      while (!a.post('b', 64, message(i, i % 10 === 0 ? 65_000 : 300))) await a.ready('b');
      if (!a.isReady('b')) await a.ready('b');
    }
    await expect.poll(() => count).toBe(2000);
    expect(wrong).toBe(0);
    // Those of the first reads, one to read into, and one or two to gather in.
    expect(places.size).toBeLessThan(150);
  });

  it('comes in memory of its own where Node has no such parts, or has read ahead', () => {
    const socket = new TLSSocket(new Socket());
    for (const name of ['kBuffer', 'kBufferCb']) {
      const other = new TLSSocket(new Socket());
      const symbol = Object.getOwnPropertySymbols(other).find(({ description }) => description === name);
      Reflect.deleteProperty(other, symbol as symbol);
      expect(lendReads(other, () => undefined)).toBe(false);
      other.destroy();
    }
    socket.push('already here');
    expect(lendReads(socket, () => undefined)).toBe(false);
    socket.destroy();
  });
});
