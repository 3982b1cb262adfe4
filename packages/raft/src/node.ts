/** @packageDocumentation Raft on Node: a durable log in a folder, the system's clock. */
import {
  type Disk,
  type Logger,
  type Metrics,
  runTask,
  type Task,
  toPromise,
  type Tracer,
} from '@cluster/core';
import { fileDisk, lockFolder, systemClock, systemRandom, systemWallClock } from '@cluster/core/node';
import type { RaftConfigInput, WalConfigInput } from './config.ts';
import { dataNotTaken } from './errors.ts';
import type { LogStorage, RaftChannel, SnapshotStorage, StateMachine } from './ports.ts';
import { Raft } from './raft.ts';
import { cutWal, inspectWal, type WalReport } from './wal/repair.ts';
import { SnapshotFiles } from './snapshots/snapshot-files.ts';
import { WriteAheadLog } from './wal/write-ahead-log.ts';

export interface StartRaftConfig extends RaftConfigInput {
  /** Where the log lives; it belongs to one process at a time, which is enforced by a lock that ends with the process. */
  readonly dataDir: string;
  readonly wal?: WalConfigInput;
}

export interface StartRaftPorts {
  readonly channel: RaftChannel;
  readonly stateMachine: StateMachine;
  readonly logger?: Logger | undefined;
  readonly metrics?: Metrics | undefined;
  readonly tracer?: Tracer | undefined;
}

/** Shows what of the log in a data folder is sound, and where it is not. The replica must not run. */
export const inspectLog = (dataDir: string, directory = 'wal'): Promise<WalReport> =>
  alone(dataDir, (disk) => inspectWal(disk, directory));

/**
 * Cuts a damaged log off where the damage begins, and keeps what it cuts off beside it. The node may have voted, or acknowledged
 * entries, with what is gone: it must not vote again under its name while others rely on that. See {@link inspectLog} first.
 */
export const cutLog = (dataDir: string, directory = 'wal'): Promise<WalReport> =>
  alone(dataDir, (disk) => cutWal(disk, directory));

async function alone<T>(dataDir: string, work: (disk: Disk) => Task<T>): Promise<T> {
  const lock = await lockFolder(dataDir, { name: 'raft', owner: 'a look into its log' }).catch(
    (error: unknown) => {
      throw dataNotTaken(error);
    },
  );
  try {
    return await toPromise<T>((done) => runTask(work(fileDisk(dataDir)), done));
  } finally {
    await lock.release();
  }
}

/** @throws ClusterError `RAFT_DATA_LOCKED`, or as `Raft.start` does. */
export async function startRaft(
  { dataDir, wal, ...config }: StartRaftConfig,
  ports: StartRaftPorts,
): Promise<Raft> {
  const owner = `replica ${config.nodeId}`;
  const opened = await openFolder({ dataDir, owner, wal, metrics: ports.metrics });
  try {
    return await startOn(opened, config, ports, opened.close);
  } catch (error) {
    await opened.close();
    throw error;
  }
}

export interface GroupStoreOptions {
  /** Belongs to one process at a time, as that of `startRaft`. */
  readonly dataDir: string;
  readonly nodeId: string;
  readonly wal?: WalConfigInput;
  /** Of the log; each group brings its own. */
  readonly metrics?: Metrics | undefined;
}

/** The durable log and the snapshots of all groups of one process. */
export interface GroupStore extends AsyncDisposable {
  /** Starts a replica of one group, `groupId`; each group once. Stopping it leaves the store to the others. */
  start(config: RaftConfigInput, ports: StartRaftPorts): Promise<Raft>;
  /** Stops all replicas that it has started, and gives the folder back. */
  close(): Promise<void>;
}

/**
 * Opens a folder for several groups: what all of them write in one turn of the loop takes one flush. Their messages share a connection
 * where their channels are those of {@link groupChannels}.
 *
 * @throws ClusterError `RAFT_DATA_LOCKED`
 */
export async function openGroupStore({
  dataDir,
  nodeId,
  wal,
  metrics,
}: GroupStoreOptions): Promise<GroupStore> {
  const owner = `replicas ${nodeId}`;
  const opened = await openFolder({ dataDir, owner, wal, metrics });
  const started = new Set<Raft>();
  const close = async (): Promise<void> => {
    await Promise.all([...started].map((raft) => raft.stop()));
    started.clear();
    await opened.close();
  };
  return {
    start: async (config, ports) => {
      const raft = await startOn(opened, config, ports);
      started.add(raft);
      return raft;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

interface OpenFolder {
  readonly storage: LogStorage;
  readonly snapshots: SnapshotStorage;
  readonly close: () => Promise<void>;
}

interface FolderOptions {
  readonly dataDir: string;
  readonly owner: string;
  readonly wal: WalConfigInput | undefined;
  readonly metrics: Metrics | undefined;
}

async function openFolder({ dataDir, owner, wal, metrics }: FolderOptions): Promise<OpenFolder> {
  const lock = await lockFolder(dataDir, { name: 'raft', owner }).catch((error: unknown) => {
    throw dataNotTaken(error);
  });
  const disk = fileDisk(dataDir);
  // What a turn sends is on its way before it is written: a follower's disk is the longer way.
  const storage = new WriteAheadLog({ ...wal, disk, metrics, afterTurn: queueMicrotask });
  const close = async (): Promise<void> => {
    try {
      await toPromise<void>((done) => storage.close(done));
    } finally {
      await lock.release();
    }
  };
  return { storage, snapshots: new SnapshotFiles({ disk }), close };
}

// The first is run before anything more is received, the second after it.
const afterPoll = (run: () => void): void => void setImmediate(() => setImmediate(run));

function startOn(
  { storage, snapshots }: OpenFolder,
  config: RaftConfigInput,
  ports: StartRaftPorts,
  onStop?: () => Promise<void>,
): Promise<Raft> {
  const system = { clock: systemClock, wallClock: systemWallClock, afterTurn: queueMicrotask, afterPoll };
  return Raft.start(config, { ...ports, ...system, storage, snapshots, seed: systemRandom.u32() }, onStop);
}
