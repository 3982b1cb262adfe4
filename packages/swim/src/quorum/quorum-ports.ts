/** What quorum needs from outside. */
import type { Clock, Done, Logger, Metrics, Tracer } from '@cluster/core';
import type { Member } from '../member.ts';
import type { LeaseAnswer, LeaseRequest } from './lease-ledger.ts';
import type { StandDownReason } from './partition.machine.ts';
import type { RosterPort } from './roster.ts';

export type { PartitionHappening } from '../member.ts';

/** Messages between the members of the roster; `from` must be who it says: over the transport that is the peer's certificate. */
export interface QuorumChannel {
  send(to: string, bytes: Uint8Array): void;
  onMessage(receive: (from: string, bytes: Uint8Array) => void): void;
}

/** The coordinator's lease; `LeaseLedger` is what it has to keep. A failed request counts as no answer. */
export interface LeasePort {
  take(request: LeaseRequest, done: Done<LeaseAnswer>): void;
}

/** What gossip says; `SwimEngine` fits. Decides nothing but under keep-majority, and who asks for the lease. */
export interface MembershipView {
  members(): readonly Pick<Member, 'name' | 'state'>[];
  onEvent(listener: () => void): () => void;
}

/** Who acts on the verdicts. */
export interface QuorumOwner {
  /** Refuse writes, release ownership, then call `rejoin` with a new boot id. */
  standDown(reason: StandDownReason): void;
  /**
   * What these members owned has no owner any more and may be taken over.
   * @param epoch fencing epoch of the lease, to be given with everything done under it; null where there is no lease.
   */
  takeOver?(names: readonly string[], epoch: number | null): void;
}

export interface QuorumPorts {
  readonly clock: Clock;
  /** Unlike that of every earlier life of this node. */
  readonly boot: string;
  readonly owner: QuorumOwner;
  /** Required by all strategies but keep-majority. */
  readonly roster?: RosterPort | undefined;
  /** Required by the strategies that count grants. */
  readonly channel?: QuorumChannel | undefined;
  /** Required by lease-majority. */
  readonly lease?: LeasePort | undefined;
  /** Required by lease-majority and keep-majority. */
  readonly membership?: MembershipView | undefined;
  readonly logger?: Logger | undefined;
  readonly metrics?: Metrics | undefined;
  readonly tracer?: Tracer | undefined;
}
