/** A group of one: fills a log, and starts again from it. */
import { randomBytes } from 'node:crypto';
import type { Raft } from '@cluster/raft';
import { startRaft } from '@cluster/raft/node';
import { serveParent } from '../process/remote.ts';
import { KeyValues, putCommand } from './key-value.ts';

export interface Filling {
  readonly dataDir: string;
  readonly entries: number;
  readonly valueBytes: number;
  readonly clients: number;
}

/** Since the call to start. */
export interface Restarted {
  /** The log has been read, and the replica takes part. */
  readonly startedMs: number;
  /** It leads, has applied its log and has taken a write. */
  readonly servesMs: number;
  /** What the process has used of the cores until then, over all its threads. */
  readonly startedCpuMs: number;
  readonly servesCpuMs: number;
  readonly entries: number;
}

const start = (dataDir: string): Promise<Raft> =>
  startRaft(
    { nodeId: 'alone', voters: ['alone'], dataDir },
    {
      channel: { send: () => undefined, onMessage: () => undefined },
      // Every entry stays in the log that it starts from: no snapshot takes their place.
      stateMachine: new KeyValues({ images: false }),
    },
  );

serveParent({
  fill: async ({ dataDir, entries, valueBytes, clients }: Filling): Promise<void> => {
    const raft = await start(dataDir);
    const value = randomBytes(valueBytes);
    let left = entries;
    const client = async (name: number): Promise<void> => {
      for (let turn = 0; left > 0; turn++) {
        left--;
        await raft.propose(putCommand(`c${name}:${turn}`, value));
      }
    };
    await Promise.all(Array.from({ length: clients }, (_, name) => client(name)));
  },
  restart: async (dataDir: string): Promise<Restarted> => {
    const begunMs = performance.now();
    const begun = process.cpuUsage();
    const cpuMs = (): number => {
      const { user, system } = process.cpuUsage(begun);
      return (user + system) / 1000;
    };
    const raft = await start(dataDir);
    const startedMs = performance.now() - begunMs;
    const startedCpuMs = cpuMs();
    const entries = raft.status().lastIndex;
    await raft.propose(putCommand('restarted', new Uint8Array(1)));
    return { startedMs, servesMs: performance.now() - begunMs, startedCpuMs, servesCpuMs: cpuMs(), entries };
  },
});
