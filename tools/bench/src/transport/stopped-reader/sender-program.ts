/** The process that offers all it is allowed to. */
import { type Address, ClusterError } from '@cluster/core';
import type { Transport } from '@cluster/transport';
import { settledBytes } from '../../process/memory.ts';
import { serveParent } from '../../process/remote.ts';
import { type Place, serverId } from '../contender.ts';
import { blockBytes, start, types, type Way } from './ways.ts';

/** Longer than any reader stops. */
const callTimeoutMs = 3_600_000;

let transport: Transport;
const numbers: Record<Way, number> = { posts: 0, calls: 0, stream: 0 };
let offered = Promise.resolve();
/** Bytes that the transport has taken. */
let accepted = 0;

/** Filled, for memory that nobody has written to costs nothing. */
const blocks = {
  posts: new Uint8Array(blockBytes.posts).fill(0x5a),
  calls: new Uint8Array(blockBytes.calls).fill(0x5a),
  stream: new Uint8Array(blockBytes.stream).fill(0x5a),
} as const;

/** The transport copies what it takes, so that the next one may stand where the last one did: what grows is its memory, and not the garbage of this program. */
function block(way: Way): Uint8Array {
  const bytes = blocks[way];
  new DataView(bytes.buffer).setUint32(0, numbers[way]++);
  return bytes;
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

async function posts(count: number): Promise<void> {
  for (let sent = 0; sent < count;) {
    while (sent < count && transport.isReady(serverId)) {
      if (!transport.post(serverId, types.post, block('posts'))) throw new Error('a post was dropped');
      accepted += blockBytes.posts;
      sent++;
    }
    await transport.ready(serverId);
  }
}

/** As many at once as are taken: when one is refused for lack of room, it is asked again once there is some. */
async function calls(count: number): Promise<void> {
  const answered: Promise<unknown>[] = [];
  for (let sent = 0; sent < count; sent++) {
    const bytes = block('calls');
    for (;;) {
      const call = transport.request(serverId, types.call, bytes, { timeoutMs: callTimeoutMs });
      const refused = await Promise.race([call.then(() => false, isRefused), turn().then(() => false)]);
      if (!refused) {
        answered.push(call);
        accepted += bytes.length;
        break;
      }
      await transport.ready(serverId);
    }
  }
  await Promise.all(answered);
}

function isRefused(error: unknown): boolean {
  if (error instanceof ClusterError && error.code === 'TRANSPORT_BACKPRESSURE') return true;
  throw error;
}

async function stream(count: number): Promise<void> {
  const opened = transport.openStream(serverId, types.stream);
  for (let sent = 0; sent < count; sent++) {
    await opened.write(block('stream'));
    accepted += blockBytes.stream;
  }
  opened.end();
  // The reader ends its side when it has read everything.
  if ((await opened.read()) !== null) throw new Error('the reader has nothing to say');
}

serveParent({
  connect: async ({ place, server }: { place: Place; server: Address }): Promise<void> => {
    transport = await start(place, server);
    await transport.ping(serverId);
  },
  /** Begins; `finished` waits for the end. */
  offer: (bytesOfEach: number): void => {
    const count = (way: Way): number => Math.ceil(bytesOfEach / blockBytes[way]);
    offered = Promise.all([posts(count('posts')), calls(count('calls')), stream(count('stream'))]).then(() =>
      // Behind all posts, and answered when they have been handed on.
      transport.send(serverId, types.probe, new Uint8Array(0), { timeoutMs: callTimeoutMs }),
    );
    offered.catch(() => undefined);
  },
  finished: (): Promise<void> => offered,
  accepted: (): number => accepted,
  settled: settledBytes,
  rss: (): number => process.memoryUsage.rss(),
});
