/** What of the core's effects those hear who listen to a replica. */
import type { Happening } from './api.ts';
import type { RaftEffect } from './core/inputs-and-effects.ts';
import type { SnapshotId } from './core/types.ts';

type Telling = Extract<
  RaftEffect,
  {
    type:
      | 'snapshotTaken'
      | 'snapshotInstalled'
      | 'snapshotFailed'
      | 'membersChanged'
      | 'leftOut'
      | 'roleChanged'
      | 'leaderChanged';
  }
>;

export function happeningOf(effect: Telling): Happening {
  switch (effect.type) {
    case 'snapshotTaken':
      return { type: 'SnapshotTaken', ...sizeOf(effect.id) };
    case 'snapshotInstalled':
      return { type: 'SnapshotInstalled', ...sizeOf(effect.id) };
    case 'snapshotFailed':
      return { type: 'SnapshotFailed', reason: effect.reason };
    case 'membersChanged':
      return { type: 'MembersChanged', configuration: effect.configuration, index: effect.index };
    case 'leftOut':
      return { type: 'LeftOut', index: effect.index };
    case 'roleChanged':
      return { type: 'RoleChanged', role: effect.role, term: effect.term };
    case 'leaderChanged':
      return { type: 'LeaderChanged', leaderId: effect.leaderId, term: effect.term };
  }
}

/** Of a snapshot, without its checksum. */
export const sizeOf = ({
  index,
  term,
  bytes,
}: SnapshotId): { index: number; term: number; bytes: number } => ({
  index,
  term,
  bytes,
});
