/** What the control core keeps of each connection and peer. */
import type { MachineInstance, Prng } from '@cluster/core';
import type { breakerMachine, BreakerLimits } from './breaker.machine.ts';
import type { connectionMachine, ConnectionTimings } from './connection.machine.ts';
import type { Hello, LocalParty, PeerLimits } from './handshake.ts';
import type { PeerIdentity, PeerRole } from './identity.ts';
import type { PastSessionsLimits } from './past-sessions.ts';
import type { poolEntryMachine, PoolEntryLimits } from './pool-entry.machine.ts';
import type { TransportEffect } from './protocol.ts';
import type { Refusal } from './refusal.ts';
import type { sessionMachine, SessionLimits } from './session.machine.ts';

export interface TransportCoreConfig
  extends LocalParty, ConnectionTimings, PoolEntryLimits, BreakerLimits, SessionLimits, PastSessionsLimits {
  readonly seed: number;
  readonly capabilities: readonly string[];
  readonly limits: PeerLimits;
  readonly peersMax: number;
}

export type Machine<
  M extends
    | typeof connectionMachine
    | typeof poolEntryMachine
    | typeof breakerMachine
    | typeof sessionMachine,
> = MachineInstance<M, TransportEffect>;

export interface PeerMachines {
  readonly entry: Machine<typeof poolEntryMachine>;
  readonly breaker: Machine<typeof breakerMachine>;
  readonly session: Machine<typeof sessionMachine>;
}

export interface Connection {
  readonly id: number;
  readonly dialled: boolean;
  readonly machine: Machine<typeof connectionMachine>;
  /** Known from the start when dialled, from HELLO on when accepted. */
  peer: string | null;
  identity: PeerIdentity | null;
  hello: Hello | null;
  /** Why it ends. */
  refusal: Refusal | null;
  redial: boolean;
  admitted: boolean;
  /** What the peer has of the session that the connection carries. */
  peerReceived: number;
  finished: boolean;
}

export interface Peer extends PeerMachines {
  readonly key: string;
  role: PeerRole;
  /** The connection that carries the session. */
  open: number | null;
  dialing: number | null;
  bootId: string | null;
  sessionId: string | null;
  /** The name of the next session, from the HELLO that first proposed it until a session begins. */
  proposedId: string | null;
  /** What the peer had proposed before it took the connection there is: a HELLO with this name has been overtaken. */
  outdatedId: string | null;
  lastRefusal: Refusal | null;
}

export function newConnection(id: number, peer: string | null, machine: Connection['machine']): Connection {
  return {
    id,
    dialled: peer !== null,
    machine,
    peer,
    identity: null,
    hello: null,
    refusal: null,
    redial: true,
    admitted: false,
    peerReceived: 0,
    finished: false,
  };
}

export function newPeer(key: string, role: PeerRole, machines: PeerMachines): Peer {
  return {
    key,
    role,
    ...machines,
    open: null,
    dialing: null,
    bootId: null,
    sessionId: null,
    proposedId: null,
    outdatedId: null,
    lastRefusal: null,
  };
}

/** Nothing of the peer is left but, perhaps, the memory of failures. */
export const isOver = ({ open, dialing, entry, breaker, session }: Peer): boolean =>
  open === null && dialing === null && entry.in('idle') && !breaker.in('open') && session.in('absent');

export const newSessionId = (prng: Prng): string => `${prng.u32().toString(16)}-${prng.u32().toString(16)}`;
