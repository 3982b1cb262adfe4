/** What a core of membership is told, and what it asks for. */
import type { Address } from '@cluster/core';
import type { MemberEventType, SavedPeer } from '../member.ts';
import type { UserRank } from './user-broadcasts.ts';
import type { Message, PeerRecord, PeerState, Ping, PushPull, RejectReason } from './messages.ts';

export type SwimInput =
  /** Bound at `address`; incarnations up to `reserved` may be used without asking the disk. */
  | {
      readonly type: 'START';
      readonly address: Address;
      readonly incarnation: number;
      readonly reserved: number;
    }
  | {
      readonly type: 'PACKET';
      readonly from: Address;
      readonly messages: readonly Message[];
      /** Why the packet, or parts of it, could not be read. */
      readonly rejected: readonly RejectReason[];
    }
  | { readonly type: 'JOIN'; readonly join: number; readonly seeds: readonly Address[] }
  | { readonly type: 'JOIN_ABORTED'; readonly join: number }
  /** A peer has opened a push/pull; `stream` is how it is answered. */
  | {
      readonly type: 'EXCHANGE_ASKED';
      readonly stream: number;
      readonly from: Address;
      readonly content: PushPull;
    }
  | { readonly type: 'EXCHANGE_ANSWERED'; readonly exchange: number; readonly content: PushPull }
  | {
      readonly type: 'EXCHANGE_FAILED';
      readonly exchange: number;
      readonly code: string;
      readonly reason: string;
    }
  | { readonly type: 'STREAM_PING'; readonly stream: number; readonly ping: Ping }
  | { readonly type: 'STREAM_PING_ANSWERED'; readonly seqNo: number }
  | { readonly type: 'STREAM_REJECTED'; readonly from: Address; readonly reason: RejectReason }
  /** Members that we need not be told of: see `SwimEngine.introduce`. */
  | { readonly type: 'INTRODUCED'; readonly members: readonly PeerRecord[] }
  /** Who was known before the last restart. */
  | { readonly type: 'REMEMBERED'; readonly peers: readonly SavedPeer[] }
  | { readonly type: 'TAGS_SET'; readonly meta: Uint8Array }
  | { readonly type: 'INCARNATION_STORED'; readonly reserved: number }
  /** The layer above has something for everybody, */
  | {
      readonly type: 'USER_BROADCAST';
      readonly rank: UserRank;
      /** A newer one of the same rank and name replaces it. */
      readonly name: string;
      readonly payload: Uint8Array;
    }
  /** something to go with every answer to a ping, */
  | { readonly type: 'ACK_PAYLOAD_SET'; readonly payload: Uint8Array }
  /** for one, */
  | { readonly type: 'USER_SEND'; readonly to: Address; readonly payload: Uint8Array }
  /** or knows that a death is a leave. */
  | { readonly type: 'DECLARED_LEFT'; readonly name: string }
  | { readonly type: 'LEAVE' }
  | { readonly type: 'STOP' };

export interface SeedFailure {
  readonly seed: Address;
  readonly code: string;
  readonly reason: string;
}

/** A row of the member table as data. */
export interface MemberRecord {
  readonly name: string;
  readonly address: Address;
  readonly state: PeerState;
  readonly incarnation: number;
  readonly meta: Uint8Array;
  readonly lastSeenMs: number;
  readonly stateChangedMs: number;
}

export type SwimEffect =
  /** One packet; the messages fit it. */
  | {
      readonly type: 'send';
      readonly to: Address;
      readonly messages: readonly Message[];
      readonly checksum: boolean;
    }
  | {
      readonly type: 'startExchange';
      readonly exchange: number;
      readonly to: Address;
      readonly join: boolean;
      readonly members: readonly PeerRecord[];
    }
  | { readonly type: 'cancelExchange'; readonly exchange: number }
  | {
      readonly type: 'answerExchange';
      readonly stream: number;
      readonly join: boolean;
      readonly members: readonly PeerRecord[];
    }
  | { readonly type: 'refuseStream'; readonly stream: number; readonly reason: RejectReason }
  | { readonly type: 'streamPing'; readonly to: Address; readonly ping: Ping }
  | { readonly type: 'answerStreamPing'; readonly stream: number; readonly seqNo: number }
  | { readonly type: 'notify'; readonly notice: MemberEventType; readonly member: MemberRecord }
  | { readonly type: 'storeIncarnation'; readonly reserve: number }
  | {
      readonly type: 'joinFinished';
      readonly join: number;
      readonly reached: number;
      readonly failures: readonly SeedFailure[];
      readonly aborted: boolean;
    }
  /** We have left, or another join is under way. */
  | { readonly type: 'joinRefused'; readonly join: number; readonly hasLeft: boolean }
  /** One of those known before the restart has taken us in. */
  | { readonly type: 'rejoined' }
  /** Somebody answers to our name at another address. */
  | { readonly type: 'rivalAnswered'; readonly address: Address }
  | { readonly type: 'leaveFinished' }
  | {
      readonly type: 'deliverUserState';
      readonly state: Uint8Array;
      /** Somebody joins by this exchange: the peer, or we do. */
      readonly join: boolean;
      /** It is we who come to the peer's pool, by seeds or by whom we knew before a restart. */
      readonly isOurs: boolean;
    }
  | { readonly type: 'deliverUserMessage'; readonly payload: Uint8Array; readonly from: Address }
  | { readonly type: 'countRejected'; readonly channel: 'packets' | 'streams'; readonly reason: RejectReason }
  | {
      readonly type: 'countProbe';
      readonly target: string;
      readonly outcome: 'answered' | 'only_stream' | 'failed';
      readonly roundTripMs: number | null;
      /** What came with the answer. */
      readonly payload: Uint8Array;
    }
  | { readonly type: 'countRefutation' }
  | { readonly type: 'countDroppedBroadcast' };
