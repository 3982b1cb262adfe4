import type { Line, PeerRole } from '../core/identity.ts';
import type { Priority } from '../core/outgoing.ts';

export interface CallOptions {
  readonly priority?: Priority | undefined;
  readonly timeoutMs?: number | undefined;
  /** W3C trace context; one that is not valid is left out. */
  readonly traceparent?: string | undefined;
  /** Compress it, if it is large and both sides have compression on. Default: no. */
  readonly compress?: boolean | undefined;
  /** `answer` (default): the peer's handler ends the call; `arrival`: the acknowledgement does. */
  readonly until?: 'answer' | 'arrival' | undefined;
}

export interface PeerEvent {
  readonly type: 'up' | 'down';
  readonly peer: string;
  /** Up: `connected` or `resumed`. Down: an error code. */
  readonly reason: string;
}

/** The same of each of the connections to a peer. */
export interface LineEvent extends PeerEvent {
  readonly line: Line;
}

export interface PeerStatus {
  readonly peer: string;
  /** Of its up to two connections: each has a place of its own, and shows as a peer of its own. */
  readonly line: Line;
  readonly role: PeerRole;
  /** The pool entry machine's state: `idle`, `dialing`, `yielding`, `connected`, `renewing`, `retrying`. */
  readonly pool: string;
  /** The breaker machine's state: `closed`, `open`, `halfOpen.ready`, `halfOpen.trying`, `halfOpen.probing`. */
  readonly breaker: string;
  /** The session machine's state: `absent`, `up`, `interrupted`. */
  readonly session: string;
  readonly queued: number;
  readonly unacknowledged: number;
  /** Bytes of both. */
  readonly queuedBytes: number;
  /** Streams open to it, those included that are over and not read to the end. */
  readonly streams: number;
  /** Code of the last failure; null while all is well. */
  readonly lastFailure: string | null;
}
