/** What Serf's core is told, and what it asks for. */
import type { Address } from '@cluster/core';
import type { UserRank } from '../core/user-broadcasts.ts';
import type { MemberEventType } from '../member.ts';
import type { Coordinate } from './vivaldi.ts';
import type { QueryFilter, QueryMessage, SerfMessage, SerfState } from './messages.ts';

export type SerfInput =
  | { readonly type: 'START'; readonly address: Address }
  /** What membership has noticed. */
  | {
      readonly type: 'MEMBER';
      readonly notice: MemberEventType;
      readonly name: string;
      readonly address: Address;
    }
  /** `bytes` are the message as it came, passed on unchanged. */
  | { readonly type: 'HEARD'; readonly message: SerfMessage; readonly bytes: Uint8Array }
  /** `isJoin`: of a seed that we are joining, whose past events are not for us. */
  | { readonly type: 'STATE_HEARD'; readonly state: SerfState; readonly isJoin: boolean }
  | { readonly type: 'JOINED' }
  /** A ping was answered, with the other's coordinate. */
  | {
      readonly type: 'MEASURED';
      readonly name: string;
      readonly coordinate: Coordinate;
      readonly roundTripMs: number;
    }
  /** Somebody answers to our name at another address. */
  | { readonly type: 'RIVAL_ANSWERED' }
  | { readonly type: 'VOTE_COUNTED'; readonly voters: number; readonly votes: number; readonly ours: number }
  | { readonly type: 'TAGS_SET'; readonly tags: Readonly<Record<string, string>> }
  | {
      readonly type: 'SEND_EVENT';
      readonly name: string;
      readonly payload: Uint8Array;
      readonly coalesce: boolean;
    }
  | {
      readonly type: 'ASK';
      readonly query: string;
      readonly name: string;
      readonly payload: Uint8Array;
      readonly filters: readonly QueryFilter[];
      readonly acks: boolean;
      readonly relayFactor: number;
      /** Null: by the size of the pool. */
      readonly timeoutMs: number | null;
    }
  | { readonly type: 'CANCEL_QUERY'; readonly query: string }
  | { readonly type: 'ANSWER'; readonly to: QueryMessage; readonly payload: Uint8Array }
  | { readonly type: 'LEAVE' };

export type SerfEffect =
  | {
      readonly type: 'broadcast';
      readonly rank: UserRank;
      /** A newer broadcast of the same name replaces it. */
      readonly name: string;
      readonly payload: Uint8Array;
    }
  | { readonly type: 'sendTo'; readonly to: Address; readonly payload: Uint8Array }
  | {
      readonly type: 'deliverEvent';
      readonly name: string;
      readonly payload: Uint8Array;
      readonly lTime: number;
      readonly coalesce: boolean;
    }
  /** Somebody asks us, until `deadlineMs`. */
  | { readonly type: 'deliverQuery'; readonly message: QueryMessage; readonly deadlineMs: number }
  | {
      readonly type: 'deliverAnswer';
      readonly query: string;
      readonly from: string;
      readonly ack: boolean;
      readonly payload: Uint8Array;
    }
  | { readonly type: 'queryFinished'; readonly query: string }
  /** Ask the pool where it believes our name to be; answered by VOTE_COUNTED. */
  | { readonly type: 'askForVotes' }
  /** Most members have our name elsewhere. */
  | { readonly type: 'nameLost' }
  | { readonly type: 'declareLeft'; readonly member: string }
  /** Our coordinate, to go with what we answer to pings. */
  | { readonly type: 'coordinateMoved'; readonly coordinate: Coordinate }
  /** The pool has been told that we leave: membership may leave. */
  | { readonly type: 'leaveAnnounced' }
  | {
      readonly type: 'countRefused';
      readonly reason: 'lamport' | 'too_large' | 'late' | 'coordinate';
    };
