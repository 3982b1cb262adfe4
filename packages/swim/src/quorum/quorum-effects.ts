/** What the core of quorum is told, what it asks for, and what people hear of it. */
import type { PartitionEventType } from '../member.ts';
import type { LeaseAnswer } from './lease-ledger.ts';
import type { QuorumMessage } from './messages.ts';
import type { StandDownReason } from './partition.machine.ts';
import type { Roster, RosterChange } from './roster.ts';

export type { PartitionEventType } from '../member.ts';

export type QuorumInput =
  | { readonly type: 'START'; readonly boot: string }
  | { readonly type: 'ROSTER'; readonly roster: Roster }
  /** What gossip says: members on record that have not left, and those of them that are not dead. */
  | { readonly type: 'VIEW'; readonly known: readonly string[]; readonly alive: readonly string[] }
  | { readonly type: 'MESSAGE'; readonly from: string; readonly message: QuorumMessage }
  | {
      readonly type: 'LEASE_ANSWERED';
      readonly boot: string;
      readonly askedAtMs: number;
      readonly without: readonly string[];
      /** Null when nobody answered. */
      readonly answer: LeaseAnswer | null;
    }
  | { readonly type: 'PROPOSAL_SETTLED' }
  | { readonly type: 'REJOIN'; readonly boot: string };

export type QuorumEffect =
  | { readonly type: 'send'; readonly to: string; readonly message: QuorumMessage }
  | {
      readonly type: 'takeLease';
      readonly boot: string;
      readonly without: readonly string[];
      readonly askedAtMs: number;
    }
  | { readonly type: 'proposeRoster'; readonly change: RosterChange; readonly epoch: number }
  | {
      readonly type: 'report';
      readonly event: PartitionEventType;
      readonly side: readonly string[];
      readonly missing: readonly string[];
    }
  /** Refuse writes, release ownership, and come back with a new boot id (`REJOIN`). */
  | { readonly type: 'standDown'; readonly reason: StandDownReason }
  /** These members hold nothing any more, and what was theirs may be taken over under this fencing epoch (null: there is none). */
  | { readonly type: 'takeOver'; readonly names: readonly string[]; readonly epoch: number | null };
