/** What of `bench raft` is run, how long, and where. */
import { tmpdir } from 'node:os';

export interface RaftBenchOptions {
  readonly rounds: number;
  readonly clients: readonly number[];
  readonly valueBytes: number;
  /** Before each measurement of load, for at least so long and so many operations: only what runs often is compiled. */
  readonly warmMs: number;
  readonly warmOperations: number;
  readonly runMs: number;
  /** Leaders killed of each. */
  readonly failover: number;
  /** Minutes of full load on ours alone, in which nobody may stand for election; 0: none. */
  readonly steady: number;
  /** Entries for which a follower of ours is away, and entries that one starts again with; 0: none. In place of the load. */
  readonly away: number;
  readonly restart: number;
  /** How many keys are put around an absence, and for how long at a time before it is looked at what became of it. */
  readonly awayKeys: number;
  readonly awaySliceMs: number;
  /** What of the servers' configuration differs from the defaults: nothing in a run whose figures count. */
  readonly settings: Readonly<Record<string, number>>;
  /** Where the logs are written. */
  readonly folder: string;
  /** Where CPU profiles of ours go, of runs after the last round. */
  readonly profile?: string;
}

export const raftDefaults: RaftBenchOptions = {
  rounds: 3,
  clients: [1, 8, 32, 64, 256],
  valueBytes: 256,
  warmMs: 500,
  warmOperations: 2000,
  runMs: 2000,
  failover: 0,
  steady: 0,
  away: 0,
  restart: 0,
  awayKeys: 100_000,
  awaySliceMs: 500,
  settings: {},
  folder: tmpdir(),
};

export const raftQuick: RaftBenchOptions = {
  ...raftDefaults,
  rounds: 1,
  clients: [1, 32],
  warmMs: 200,
  warmOperations: 0,
  runMs: 600,
};
