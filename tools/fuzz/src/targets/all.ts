import type { FuzzTarget } from '../target.ts';
import { managerTarget } from './manager.ts';
import { raftSnapshotsTarget } from './raft-snapshots.ts';
import { raftTarget } from './raft.ts';
import { swimTarget } from './swim.ts';
import { transportTarget } from './transport.ts';

export const fuzzTargets: readonly FuzzTarget[] = [
  swimTarget,
  transportTarget,
  raftTarget,
  raftSnapshotsTarget,
  managerTarget,
];
