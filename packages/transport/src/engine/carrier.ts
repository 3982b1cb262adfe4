/** What a session needs of the connection below it, and of the calls above. */
import type { ClusterError } from '@cluster/core';
import type { SessionEnd } from '../core/session.machine.ts';
import type { Tally } from '../core/tally.ts';
import type { Outlet } from '../wire/blocks.ts';

/** A call of ours, as the session sees it. */
export interface PendingCall {
  readonly stream: number;
  /** `answer`: the peer's handler ends it; `arrival`: the acknowledgement does; `pong`: it is a ping. */
  readonly until: 'answer' | 'arrival' | 'pong';
  readonly startedMs: number;
  /** It has been on the wire. */
  readonly sent: boolean;
  /** Why the session ended, for the calls it takes with it. */
  why: SessionEnd | 'it was resent too often';
  succeed(bytes: Uint8Array): void;
  fail(error: ClusterError): void;
  close(): void;
}

/** The connection that carries a session. */
export interface Carrier extends Outlet {
  readonly tally: Tally;
  /** Nothing that was written waits in the socket. */
  readonly isEmpty: boolean;
  writeControl(frame: Uint8Array): void;
  flush(attemptsMax: number, nowMs: number): number;
}
