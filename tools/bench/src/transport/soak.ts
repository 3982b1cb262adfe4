/**
 * Reliable delivery over real sockets: one node posts numbered messages in all four priorities to another while the TCP
 * connection between them is broken again and again, at random places. None may be lost, come twice, or overtake another of its
 * priority.
 */
import { connect, createServer, type Socket } from 'node:net';
import { type Address, Prng } from '@cluster/core';
import type { Priority } from '@cluster/transport';
import { startTransport } from '@cluster/transport/node';
import { issueIdentities } from './pair.ts';
import { listening } from './contenders/raw.ts';

export interface SoakOptions {
  readonly messages: number;
  readonly reconnects: number;
  readonly seed: number;
}

export const soakDefaults: SoakOptions = { messages: 10_000_000, reconnects: 1000, seed: 1 };

export interface SoakResult {
  readonly ok: boolean;
  readonly messages: number;
  readonly reconnects: number;
  readonly lost: number;
  readonly deliveredTwice: number;
  readonly outOfOrder: number;
  readonly seconds: number;
}

const type = 64;
const lanes: readonly Priority[] = ['Critical', 'High', 'Normal', 'Low'];
/** In each message: its lane, and its number in the lane. */
const headBytes = 8;

/** @param say told how far it is. */
export async function soakTransport(
  { messages, reconnects, seed }: SoakOptions,
  say: (line: string) => void = () => undefined,
): Promise<SoakResult> {
  const startMs = performance.now();
  const identities = await issueIdentities(0);
  const tally = new Tally();
  const { nodeId: server, clusterName, tls } = identities.server;
  const bind = { host: '127.0.0.1', port: 0 };
  await using receiver = await startTransport(
    { nodeId: server, clusterName, tls, bind },
    { directory: { lookup: () => undefined } },
  );
  receiver.handle(type, (bytes) => tally.take(bytes));
  const wire = await Wire.to(receiver.local);
  const { client } = identities;
  await using sender = await startTransport(
    { nodeId: client.nodeId, clusterName, tls: client.tls, bind },
    { directory: { lookup: (nodeId) => (nodeId === server ? wire.address : undefined) } },
  );
  const link = { isUp: false, resumed: 0 };
  const stop = sender.onPeer(({ type: what, reason }) => {
    link.isUp = what === 'up';
    if (reason === 'resumed') link.resumed++;
  });
  const prng = Prng.fromSeed(seed);
  // Each cut has its share of the messages and falls somewhere among them: one may be sent again three times and no more.
  const share = messages / reconnects;
  let cuts = 0;
  let cutAt = share * prng.float() * 0.9;
  for (let sent = 0; sent < messages || link.resumed < reconnects;) {
    for (let i = 0; i < 256 && sent < Math.min(messages, share * (cuts + 1)); i++) {
      const lane = sent & 3;
      const bytes = new Uint8Array(headBytes + prng.below(256));
      const view = new DataView(bytes.buffer);
      view.setUint32(0, lane);
      view.setUint32(4, sent >>> 2);
      if (!sender.post(server, type, bytes, { priority: lanes[lane] as Priority })) break;
      sent++;
    }
    if (link.isUp && cuts === link.resumed && cuts < reconnects && tally.delivered >= cutAt) {
      wire.cut();
      cuts++;
      cutAt = share * (cuts + prng.float() * 0.9);
      if (cuts % 100 === 0)
        say(`${cuts} of ${reconnects} reconnects, ${tally.delivered} messages have arrived`);
    }
    await sender.ready(server);
    await new Promise((resolve) => void setImmediate(resolve));
  }
  // It comes behind everything of its priority; and what nobody waits for any more has arrived.
  for (const priority of lanes) await sender.send(server, type, probe, { priority, timeoutMs: 60_000 });
  stop();
  await sender.close();
  await receiver.close();
  await wire.close();
  const lost = messages - tally.delivered;
  const { deliveredTwice, outOfOrder } = tally;
  const seconds = (performance.now() - startMs) / 1000;
  const ok = lost === 0 && deliveredTwice === 0 && outOfOrder === 0;
  return { ok, messages, reconnects: link.resumed, lost, deliveredTwice, outOfOrder, seconds };
}

const probe = new Uint8Array(0);

/** What has arrived, as its numbers tell. */
class Tally {
  readonly #next = new Uint32Array(lanes.length);
  delivered = 0;
  deliveredTwice = 0;
  outOfOrder = 0;

  take(bytes: Uint8Array): void {
    if (bytes.length < headBytes) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const lane = view.getUint32(0);
    const number = view.getUint32(4);
    const expected = this.#next[lane] as number;
    if (number < expected) {
      this.deliveredTwice++;
      return;
    }
    if (number > expected) this.outOfOrder++;
    this.#next[lane] = number + 1;
    this.delivered++;
  }
}

/** TCP with a cut in the middle. */
class Wire {
  readonly address: Address;
  readonly #sockets = new Set<Socket>();
  readonly #server: ReturnType<typeof createServer>;

  private constructor(server: ReturnType<typeof createServer>, address: Address) {
    this.#server = server;
    this.address = address;
  }

  static async to({ host, port }: Address): Promise<Wire> {
    const server = createServer((near) => {
      const far = connect(port, host);
      near.pipe(far);
      far.pipe(near);
      wire.#keep(near, far);
      wire.#keep(far, near);
    });
    const { address } = await listening(server);
    const wire = new Wire(server, address);
    return wire;
  }

  /** Both ends see a reset; what was under way is lost. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  close(): Promise<void> {
    this.cut();
    return new Promise((resolve) => void this.#server.close(() => resolve()));
  }

  #keep(socket: Socket, other: Socket): void {
    this.#sockets.add(socket.setNoDelay(true));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      other.destroy();
    });
  }
}
