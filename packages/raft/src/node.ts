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
import type { RaftChannel, StateMachine } from './ports.ts';
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
  const lock = await lockFolder(dataDir, { name: 'raft', owner: `replica ${config.nodeId}` }).catch(
    (error: unknown) => {
      throw dataNotTaken(error);
    },
  );
  const disk = fileDisk(dataDir);
  const storage = new WriteAheadLog({ ...wal, disk, metrics: ports.metrics });
  const snapshots = new SnapshotFiles({ disk });
  const close = async (): Promise<void> => {
    try {
      await toPromise<void>((done) => storage.close(done));
    } finally {
      await lock.release();
    }
  };
  const seed = systemRandom.u32();
  try {
    const clocks = { clock: systemClock, wallClock: systemWallClock };
    return await Raft.start(config, { ...ports, ...clocks, storage, snapshots, seed }, close);
  } catch (error) {
    await close();
    throw error;
  }
}
