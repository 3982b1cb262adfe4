/** What the core of quorum keeps beside its grants and its machine. */
import type { Roster } from './roster.ts';

export const nobody: readonly string[] = [];

export interface QuorumState {
  roster: Roster;
  viewAlive: readonly string[];
  leaseAskedAtMs: number;
  leaseEpoch: number;
  missing: readonly string[];
  side: readonly string[];
  isExpendable: boolean;
  /** Lives that we go on without, and those of them that may be taken over. */
  excluding: readonly string[];
  taken: readonly string[];
  /** keep-majority: members given up, which count no more until they are back. */
  givenUp: readonly string[];
  held: boolean;
  heldAtMs: number;
  partitionOpen: boolean;
  proposing: boolean;
}

export const emptyState = (): QuorumState => ({
  roster: { epoch: 0, members: nobody },
  viewAlive: nobody,
  leaseAskedAtMs: -Infinity,
  leaseEpoch: 0,
  missing: nobody,
  side: nobody,
  isExpendable: false,
  excluding: nobody,
  taken: nobody,
  givenUp: nobody,
  held: false,
  heldAtMs: -Infinity,
  partitionOpen: false,
  proposing: false,
});
