/** The process that stops reading: while it is stopped no handler completes, and nobody reads from the stream. */
import type { TransportStream } from '@cluster/transport';
import { settledBytes } from '../../process/memory.ts';
import { serveParent } from '../../process/remote.ts';
import type { Listening, Place } from '../contender.ts';
import { start, type Taken, types, type Way } from './ways.ts';

let open: Promise<void> | null = null;
let goOn = (): void => undefined;
const taken: Record<Way, number> = { posts: 0, calls: 0, stream: 0 };
const due: Record<Way, number> = { posts: 0, calls: 0, stream: 0 };
let outOfOrder = 0;

async function take(way: Way, bytes: Uint8Array): Promise<void> {
  if (open !== null) await open;
  taken[way] += bytes.length;
  const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  if (number !== due[way]) outOfOrder++;
  due[way] = number + 1;
}

/** A stream has bytes and no messages: they are counted. Ends when the peer does, and says so. */
async function readAll(stream: TransportStream): Promise<void> {
  for (;;) {
    if (open !== null) await open;
    const bytes = await stream.read();
    if (bytes === null) break;
    taken.stream += bytes.length;
  }
  stream.end();
}

serveParent({
  listen: async (place: Place): Promise<Listening> => {
    const transport = await start(place, null);
    transport.handle(types.post, (bytes) => take('posts', bytes));
    transport.handle(types.call, (bytes) => take('calls', bytes));
    transport.handle(types.probe, () => undefined);
    transport.handleStream(types.stream, readAll);
    return { address: transport.local };
  },
  stop: (): void => {
    open = new Promise((resolve) => {
      goOn = () => {
        open = null;
        resolve();
      };
    });
  },
  goOn: (): void => goOn(),
  taken: (): Taken => ({ bytes: taken, outOfOrder }),
  settled: settledBytes,
  rss: (): number => process.memoryUsage.rss(),
});
