/** What Serf's layer says, inside memberlist's user messages and push/pull state, decoded. */
import type { Address } from '@cluster/core';

/** The member is about to leave, or an operator says so of one that failed. */
export interface LeaveIntent {
  readonly type: 'leave';
  readonly lTime: number;
  readonly node: string;
}

export interface JoinIntent {
  readonly type: 'join';
  readonly lTime: number;
  readonly node: string;
}

export interface EventMessage {
  readonly type: 'event';
  readonly lTime: number;
  readonly name: string;
  readonly payload: Uint8Array;
  /** A receiver may keep only the latest of this name. */
  readonly coalesce: boolean;
}

/** Who a query is for; all of a query's filters must match. */
export type QueryFilter =
  | { readonly kind: 'nodes'; readonly nodes: readonly string[] }
  | { readonly kind: 'tag'; readonly tag: string; readonly pattern: string };

export interface QueryMessage {
  readonly type: 'query';
  readonly lTime: number;
  readonly id: number;
  /** Where answers go. */
  readonly address: Address;
  readonly sourceNode: string;
  readonly filters: readonly QueryFilter[];
  readonly acks: boolean;
  readonly noBroadcast: boolean;
  /** Answers are also sent through so many other members. */
  readonly relayFactor: number;
  readonly timeoutMs: number;
  readonly name: string;
  readonly payload: Uint8Array;
}

export interface ResponseMessage {
  readonly type: 'response';
  readonly lTime: number;
  readonly id: number;
  readonly from: string;
  /** Says only that the query has arrived. */
  readonly ack: boolean;
  readonly payload: Uint8Array;
}

/** To be passed on as it is. */
export interface RelayMessage {
  readonly type: 'relay';
  readonly to: Address;
  readonly node: string;
  readonly payload: Uint8Array;
}

export type SerfMessage =
  | LeaveIntent
  | JoinIntent
  | EventMessage
  | QueryMessage
  | ResponseMessage
  | RelayMessage;

export interface EventsOfTime {
  readonly lTime: number;
  readonly events: readonly { readonly name: string; readonly payload: Uint8Array }[];
}

/** One side's half of Serf's part in a push/pull. */
export interface SerfState {
  readonly lTime: number;
  readonly statusLTimes: readonly (readonly [node: string, lTime: number])[];
  readonly left: readonly string[];
  readonly eventLTime: number;
  readonly events: readonly EventsOfTime[];
  readonly queryLTime: number;
}
