/** Members and what happens to them, as people and siblings see it. */
import type { Address, Coalescing } from '@cluster/core';
import type { Tags } from './wire/meta.ts';

export type MemberState = 'Alive' | 'Suspect' | 'Dead' | 'Left';

export interface Member {
  readonly name: string;
  /** Gossip address, as the member advertises it. */
  readonly address: Address;
  readonly state: MemberState;
  readonly incarnation: number;
  readonly tags: Tags;
  /** Monotonic time of the last sign of life that reached us. */
  readonly lastSeenMs: number;
  readonly stateChangedMs: number;
}

/** A member as it is remembered over a restart. */
export interface SavedPeer {
  readonly name: string;
  readonly address: Address;
  /** Else it had failed. */
  readonly alive: boolean;
}

/**
 * - `Joined`: first heard of, or back from the dead or after it left.
 * - `Updated`: tags or address changed, or it has refuted a suspicion: `member.state` is `Alive` again.
 * - `Suspect`, `Dead`, `Left`: as the states. `Reaped`: forgotten.
 * - `Conflict`: somebody uses the member's name at another address; `member` is the one we keep.
 */
export type MemberEventType = 'Joined' | 'Updated' | 'Suspect' | 'Dead' | 'Left' | 'Reaped' | 'Conflict';

export interface MemberHappening {
  readonly type: MemberEventType;
  readonly member: Member;
  readonly atMs: number;
  /** Of a `Conflict` about this member itself: the pool has decided for the other one, and this one has stopped. */
  readonly lost?: boolean | undefined;
}

/** In the place of `dropped` events that a reader was too slow for: read `members()` afresh. */
export interface Overflow {
  readonly type: 'Overflow';
  readonly member: null;
  readonly dropped: number;
  readonly atMs: number;
}

/** Somebody's `sendEvent`, ours included, or another Serf agent's event. */
export interface UserEvent {
  readonly type: 'UserEvent';
  readonly member: null;
  readonly name: string;
  readonly payload: Uint8Array;
  /** Lamport time: an event sent after another was received bears a later one. */
  readonly lTime: number;
  /** The sender says that only the latest of this name matters. */
  readonly coalesce: boolean;
  readonly atMs: number;
}

/**
 * - `PartitionDetected`: members of the roster are missing. `PartitionHealed`: none is any more.
 * - `QuorumLost`, `QuorumRegained`: whether this node may act for the cluster.
 */
export type PartitionEventType = 'PartitionDetected' | 'PartitionHealed' | 'QuorumLost' | 'QuorumRegained';

export interface PartitionHappening {
  readonly type: PartitionEventType;
  readonly member: null;
  /** Names of the roster on this side, this node's included, and those missing. */
  readonly side: readonly string[];
  readonly missing: readonly string[];
  readonly atMs: number;
}

/**
 * All that happens, as one stream. While an event waits for its reader, a later one may take its place:
 * - `Updated` and `Suspect`, by anything later about the same member: it carries the latest record;
 * - `Conflict`, by a later one about the same name, unless it says who has `lost`;
 * - `PartitionDetected`, by a later one, with the sides as they are;
 * - a user's event sent with `coalesce`, by a later one of its name.
 *
 * `Joined`, `Dead`, `Left`, `Reaped`, `PartitionHealed`, `QuorumLost` and `QuorumRegained` always arrive, each in its order.
 */
export type MembershipEvent = MemberHappening | PartitionHappening | UserEvent | Overflow;

/** The rules of {@link MembershipEvent} for what waits. */
export function coalescing(event: MembershipEvent): Coalescing {
  switch (event.type) {
    case 'Updated':
    case 'Suspect':
      return replaceable(`member/${event.member.name}`);
    case 'Joined':
    case 'Dead':
    case 'Left':
    case 'Reaped':
      return { replaces: `member/${event.member.name}` };
    case 'Conflict':
      return event.lost ? {} : replaceable(`conflict/${event.member.name}`);
    case 'PartitionDetected':
      return replaceable('partition');
    case 'UserEvent':
      return event.coalesce ? replaceable(`user/${event.name}`) : {};
    case 'PartitionHealed':
    case 'QuorumLost':
    case 'QuorumRegained':
    case 'Overflow':
      return {};
  }
}

const replaceable = (name: string): Coalescing => ({ replaces: name, as: name });
