import type { PeerRole } from '../core/identity.ts';
import type { Priority } from '../core/outgoing.ts';

export interface CallOptions {
  readonly priority?: Priority | undefined;
  readonly timeoutMs?: number | undefined;
  /** `answer` (default): the peer's handler ends the call; `arrival`: the acknowledgement does. */
  readonly until?: 'answer' | 'arrival' | undefined;
}

export interface PeerEvent {
  readonly type: 'up' | 'down';
  readonly peer: string;
  /** Up: `connected` or `resumed`. Down: an error code. */
  readonly reason: string;
}

export interface PeerStatus {
  readonly peer: string;
  readonly role: PeerRole;
  /** The link machine's state: `idle`, `dialing`, `yielding`, `connected`, `retrying`, `unreachable`. */
  readonly link: string;
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
