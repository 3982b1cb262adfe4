/** What a user of the cluster may do at a node during a partition, by the mode of the data it touches. */
export type PartitionMode = 'strict' | 'read-only-stale' | 'available';

export interface Standing {
  readonly holdsQuorum: boolean;
  /** Since quorum was last held; 0 while it is; Infinity when it never was. */
  readonly withoutQuorumMs: number;
}

export type Permission =
  /** `stale`: newer writes may exist elsewhere. `merges`: the other side may write as well, so it must be merged afterwards. */
  | { readonly allowed: true; readonly stale: boolean; readonly merges: boolean }
  | { readonly allowed: false; readonly reason: 'no_quorum' | 'too_stale' };

/**
 * - `strict`: without quorum nothing is read or written.
 * - `read-only-stale`: without quorum reads are served for `staleMaxMs`, and marked; writes are refused.
 * - `available`: everything goes on on every side, downed nodes included; for data that can be merged (CRDT, last write wins).
 */
export function permits(
  mode: PartitionMode,
  operation: 'read' | 'write',
  { holdsQuorum, withoutQuorumMs }: Standing,
  staleMaxMs = 30_000,
): Permission {
  if (holdsQuorum) return { allowed: true, stale: false, merges: false };
  switch (mode) {
    case 'strict':
      return { allowed: false, reason: 'no_quorum' };
    case 'read-only-stale':
      if (operation === 'write') return { allowed: false, reason: 'no_quorum' };
      if (withoutQuorumMs > staleMaxMs) return { allowed: false, reason: 'too_stale' };
      return { allowed: true, stale: true, merges: false };
    case 'available':
      return { allowed: true, stale: true, merges: operation === 'write' };
  }
}
