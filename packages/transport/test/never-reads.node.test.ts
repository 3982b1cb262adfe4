/**
 * A peer over TLS that has proved who it is, keeps saying that it lives, and reads nothing. On real sockets, because what systems and
 * `node:tls` hold of what was written is not in the deterministic world.
 */
import { type AddressInfo, Socket } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Address } from '@cluster/core';
import { encodeFrame, frameTypes, headerBytes } from '@cluster/transport';
import { type NodeTransport, startTransport, type TlsCredentials } from '@cluster/transport/node';
import { TestAuthority } from './certificates.ts';
import { greeting } from './greeting.ts';

const MiB = 1024 * 1024;
/** What the README says may wait in the process where nothing can overtake it. */
const socketBytesMax = 128 * 1024;
const queueBytesMax = 17 * MiB;
const writeTimeoutMs = 400;

let authority: TestAuthority;
beforeAll(async () => {
  authority = await TestAuthority.create();
});

const ends: (() => unknown)[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(ends.splice(0).map((end) => end()));
});

async function node(
  nodeId: string,
  addresses: ReadonlyMap<string, Address>,
): Promise<{ readonly transport: NodeTransport; readonly downs: string[] }> {
  const transport = await startTransport(
    {
      nodeId,
      clusterName: 'prod',
      bind: { host: '127.0.0.1', port: 0 },
      tls: await authority.issue(nodeId),
      queueBytesMax,
      writeTimeoutMs,
      // So that everything the queue holds may be written: what stops it is the socket alone.
      inFlightBytesMin: 64 * MiB,
    },
    { directory: { lookup: (id) => addresses.get(id) } },
  );
  ends.push(() => transport.close());
  const downs: string[] = [];
  transport.onPeer(({ type, peer, reason }) => void (type === 'down' && downs.push(`${peer} ${reason}`)));
  transport.handle(64, (body) => body.slice());
  return { transport, downs };
}

/** From its greeting on it reads nothing, and says all the time that it lives. */
function fallDeaf(socket: TLSSocket): void {
  socket.pause();
  const alive = setInterval(() => socket.write(encodeFrame(frameTypes.pong)), 20);
  socket.on('error', () => undefined);
  socket.on('close', () => clearInterval(alive));
  ends.push(() => socket.destroy());
}

const words = {
  nodeId: 'x',
  expectedId: 'a',
  limits: { messageBytesMax: MiB, streamWindowBytes: 256 * MiB, sessionWindowBytes: 256 * MiB },
};

const optionsOf = ({ ca, cert, key }: TlsCredentials) => ({ ca: [ca].flat(), cert, key });

/** `x` listens; it answers the HELLO of who dials it. */
async function listen(tls: TlsCredentials): Promise<Address> {
  const server = createServer({ ...optionsOf(tls), requestCert: true }, (socket) => {
    socket.once('data', (bytes: Buffer) => {
      const { proposedId } = JSON.parse(bytes.toString('utf8', headerBytes + 4)) as { proposedId: string };
      const ack = greeting({ ...words, sessionId: proposedId, proposedId: null });
      socket.write(encodeFrame(frameTypes.helloAck, ack));
      fallDeaf(socket);
    });
  });
  ends.push(() => server.close());
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

/** `x` dials. @returns when it has been greeted. */
async function dial(tls: TlsCredentials, { host, port }: Address): Promise<Address> {
  const socket = connect({ ...optionsOf(tls), host, port, checkServerIdentity: () => undefined });
  socket.write(encodeFrame(frameTypes.hello, greeting(words)));
  await new Promise((resolve) => {
    socket.once('data', resolve);
  });
  fallDeaf(socket);
  return { host, port: socket.localPort ?? 0 };
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
function heldBytes(): number {
  // The second waits for what the first has begun to sweep.
  collect();
  collect();
  return process.memoryUsage().arrayBuffers;
}

describe('a peer that never reads', () => {
  it.each(['that was dialled', 'that has dialled'])(
    '%s costs a bounded queue and 128 KiB in the socket, and its connection ends; others are served meanwhile',
    async (which) => {
      const addresses = new Map<string, Address>();
      const [a, b] = [await node('a', addresses), await node('b', addresses)];
      addresses.set('b', b.transport.local);
      const tls = await authority.issue('x');
      let x: Address;
      if (which === 'that was dialled') addresses.set('x', (x = await listen(tls)));
      else x = await dial(tls, a.transport.local);
      const waiting: number[] = [];
      // Of every TLS socket, too.
      const write = Reflect.get(Socket.prototype, 'write') as (...args: unknown[]) => boolean;
      vi.spyOn(Socket.prototype, 'write').mockImplementation(function (this: Socket, ...args) {
        const more = Reflect.apply(write, this, args);
        if (this.remotePort === x.port) waiting.push(this.writableLength);
        return more;
      });
      const before = heldBytes();
      let accepted = 0;
      let refused = 0;
      let answers = 0;
      let held: number | null = null;
      while (a.downs.length === 0) {
        for (let i = 0; i < 64; i++) {
          if (a.transport.post('x', 64, new Uint8Array(32_768))) accepted++;
          else refused++;
        }
        // Real sockets, and their time: while an answer is under way, turns of the loop go by.
        await a.transport.request('b', 64, new Uint8Array(100));
        answers++;
        if (refused > 0) held ??= heldBytes() - before;
      }
      expect(a.downs).toEqual(['x TRANSPORT_WRITE_STALLED']);
      // All that it ever takes is what the queue may hold: nothing of it was acknowledged.
      expect(accepted * 32_768).toBeLessThanOrEqual(queueBytesMax);
      expect(accepted * 32_768).toBeGreaterThan(queueBytesMax - 65_536);
      expect(refused).toBeGreaterThan(accepted);
      // The system has stopped taking, so something has waited; never more than the bound.
      expect(Math.max(...waiting)).toBeGreaterThan(65_536);
      expect(Math.max(...waiting)).toBeLessThanOrEqual(socketBytesMax);
      expect(answers).toBeGreaterThan(3);
      expect(held).toBeLessThan(2 * queueBytesMax);
      expect(b.downs).toEqual([]);
    },
  );
});
