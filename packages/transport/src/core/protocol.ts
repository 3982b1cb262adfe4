/** What the control core hears and says. Payload bytes never pass through it. */
import type { Hello, PeerLimits } from './handshake.ts';
import type { PeerIdentity, PeerRole } from './identity.ts';
import type { ActionOf } from '@cluster/core';
import type { Refusal } from './refusal.ts';
import type { StreamEvent, streamMachine } from './stream.machine.ts';
import type { SessionEnd } from './session.machine.ts';

/** The result of a TLS handshake: a proven identity, or why there is none. */
export interface Certified {
  readonly identity: PeerIdentity | null;
  readonly refusal: Refusal | null;
}

export type TransportInput =
  /** Something waits for a peer that has no connection. */
  | { readonly type: 'NEEDED'; readonly peer: string }
  | ({ readonly type: 'DIALLED'; readonly connection: number } & Certified)
  | { readonly type: 'DIAL_FAILED'; readonly connection: number; readonly refusal: Refusal }
  /** Connections that came in have odd numbers, given by the engine; dialled ones even numbers, given by the core. */
  | ({ readonly type: 'ACCEPTED'; readonly connection: number } & Certified)
  | { readonly type: 'HELLO'; readonly connection: number; readonly hello: Hello }
  | { readonly type: 'HELLO_ACK'; readonly connection: number; readonly hello: Hello }
  | { readonly type: 'REFUSED'; readonly connection: number; readonly refusal: Refusal }
  | { readonly type: 'BROKEN'; readonly connection: number; readonly refusal: Refusal }
  /** `redial`: the directory has an address for its peer. */
  | {
      readonly type: 'CLOSED';
      readonly connection: number;
      readonly refusal: Refusal;
      readonly redial: boolean;
    }
  | { readonly type: 'QUIET'; readonly connection: number }
  | { readonly type: 'STALLED'; readonly connection: number }
  | { readonly type: 'UNUSED'; readonly connection: number }
  | { readonly type: 'HEARD'; readonly connection: number }
  /** As many records have been protected with its key as should be, or certificates have been replaced. */
  | { readonly type: 'AGED'; readonly connection: number }
  /** As many as may be: no other has taken its place in time. */
  | { readonly type: 'EXHAUSTED'; readonly connection: number }
  | { readonly type: 'GOAWAY'; readonly connection: number }
  | { readonly type: 'DRAINED'; readonly connection: number }
  /** Something happened to a stream, named by peer, side and number; null: it was opened. */
  | { readonly type: 'STREAM'; readonly stream: string; readonly event: StreamEvent | null }
  | { readonly type: 'SHUTDOWN' };

export type TransportEffect =
  | { readonly type: 'dial'; readonly connection: number; readonly peer: string }
  /** The engine adds `received`, which belongs to the data plane: that of the session if it `resumes`, else 0. */
  | {
      readonly type: 'sendHello' | 'sendHelloAck';
      readonly connection: number;
      readonly peer: string;
      readonly hello: Hello;
      readonly resumes: boolean;
    }
  | { readonly type: 'sendRefused'; readonly connection: number; readonly refusal: Refusal }
  | { readonly type: 'sendPing'; readonly connection: number }
  | { readonly type: 'sendGoaway'; readonly connection: number }
  | { readonly type: 'retire'; readonly connection: number }
  | { readonly type: 'closeStream'; readonly connection: number }
  /** A connection ended before it was admitted. */
  | {
      readonly type: 'handshakeFailed';
      readonly connection: number;
      readonly dialled: boolean;
      readonly peer: string | null;
      readonly refusal: Refusal;
    }
  /** From now on the connection carries the peer's session: a new one, or (`resumed`) the one that was. */
  | {
      readonly type: 'attach';
      readonly connection: number;
      readonly peer: string;
      readonly role: PeerRole;
      readonly resumed: boolean;
      readonly received: number;
      readonly limits: PeerLimits;
      /** What the peer says it can do. */
      readonly capabilities: readonly string[];
    }
  | { readonly type: 'detach'; readonly peer: string }
  | { readonly type: 'drain'; readonly connection: number; readonly peer: string }
  | {
      readonly type: 'lose';
      readonly peer: string;
      readonly why: SessionEnd;
      readonly keepQueued: boolean;
      readonly refusal: Refusal | null;
    }
  /** Everything that waits for this peer fails, for this reason. */
  | { readonly type: 'giveUp'; readonly peer: string; readonly refusal: Refusal }
  | { readonly type: 'peerUp'; readonly peer: string; readonly role: PeerRole; readonly resumed: boolean }
  | { readonly type: 'peerDown'; readonly peer: string; readonly refusal: Refusal }
  | { readonly type: 'stream'; readonly stream: string; readonly action: ActionOf<typeof streamMachine> }
  /** Nothing of the peer is left: its tables may go. */
  | { readonly type: 'forget'; readonly peer: string }
  /** After SHUTDOWN: the last connection has closed. */
  | { readonly type: 'stopped' };
