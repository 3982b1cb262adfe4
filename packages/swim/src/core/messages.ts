/** The messages of memberlist's protocol version 5, decoded: what a core sees of the wire. */
import type { Address } from '@cluster/core';

/** Who asks and where the answer goes; absent in very old peers, which are answered at the packet's source. */
export interface PingSource {
  readonly address: Address;
  readonly node: string;
}

export interface Ping {
  readonly type: 'ping';
  readonly seqNo: number;
  /** The member meant; empty when the asker knows only an address. */
  readonly node: string;
  readonly source: PingSource | null;
}

export interface IndirectPing {
  readonly type: 'indirectPing';
  readonly seqNo: number;
  readonly target: Address;
  readonly node: string;
  /** The asker wants to hear of silence too (Lifeguard). */
  readonly nack: boolean;
  readonly source: PingSource | null;
}

export interface Ack {
  readonly type: 'ack';
  readonly seqNo: number;
  readonly payload: Uint8Array;
}

export interface Nack {
  readonly type: 'nack';
  readonly seqNo: number;
}

export interface Suspect {
  readonly type: 'suspect';
  readonly incarnation: number;
  readonly node: string;
  readonly from: string;
}

export interface Alive {
  readonly type: 'alive';
  readonly incarnation: number;
  readonly node: string;
  readonly address: Address;
  /** Opaque here, and relayed as it came: see `meta.ts` for the tags in it. */
  readonly meta: Uint8Array;
  /** Protocol and delegate version bounds (pmin, pmax, pcur, dmin, dmax, dcur), relayed as they came; empty from old peers. */
  readonly vsn: Uint8Array;
}

/** `from` equal to `node` means that it left of its own will. */
export interface Dead {
  readonly type: 'dead';
  readonly incarnation: number;
  readonly node: string;
  readonly from: string;
}

/** The application's (Serf's) payload, opaque to membership. */
export interface User {
  readonly type: 'user';
  readonly payload: Uint8Array;
}

export type Message = Ping | IndirectPing | Ack | Nack | Suspect | Alive | Dead | User;

/** What spreads by gossip, under the name of the member it is about. */
export type Claim = Suspect | Alive | Dead;

export type PeerState = 'alive' | 'suspect' | 'dead' | 'left';

/** A member as a push/pull exchange carries it. */
export interface PeerRecord {
  readonly name: string;
  readonly address: Address;
  readonly meta: Uint8Array;
  readonly incarnation: number;
  readonly state: PeerState;
  readonly vsn: Uint8Array;
}

/** One side's half of a push/pull exchange. */
export interface PushPull {
  readonly join: boolean;
  readonly members: readonly PeerRecord[];
  /** The delegate's state, opaque here. */
  readonly userState: Uint8Array;
}

/** Why bytes or a message were turned away; the label of `packets_rejected` and `streams_rejected`. */
export type RejectReason =
  | 'address'
  | 'checksum'
  | 'compression'
  | 'coordinate'
  | 'encrypted'
  | 'field'
  | 'incarnation'
  | 'key'
  | 'label'
  | 'lamport'
  | 'late'
  | 'members'
  | 'name'
  | 'nesting'
  | 'network'
  | 'plaintext'
  | 'relays'
  | 'streams'
  | 'timeout'
  | 'too_large'
  | 'truncated'
  | 'type'
  | 'unreachable'
  | 'versions'
  | 'vetoed';

export const noBytes: Uint8Array = new Uint8Array(0);

/** memberlist protocol 1 to 5, speaking 2 as Serf does; Serf delegate protocol 2 to 5, speaking 5. */
export const ownVsn: Uint8Array = Uint8Array.of(1, 5, 2, 2, 5, 5);

export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  // A loop: this runs for every claim heard, and `every` calls a function for each byte.
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

// Addresses of the wire are shared, so most are the same object.
export const sameAddress = (a: Address, b: Address): boolean =>
  a === b || (a.host === b.host && a.port === b.port);
