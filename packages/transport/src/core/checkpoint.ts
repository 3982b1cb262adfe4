/** The control core's state as bytes, and back. */
import {
  type InstanceCheckpoint,
  packPlain,
  type PrngState,
  type TableCheckpoint,
  unpackPlain,
} from '@cluster/core';
import type { Connection, Peer, PeerMachines } from './entities.ts';
import type { PastSessionsCheckpoint } from './past-sessions.ts';

export interface CoreState {
  readonly prng: PrngState;
  readonly connections: ReadonlyMap<number, Connection>;
  readonly peers: ReadonlyMap<string, Peer>;
  readonly streams: TableCheckpoint;
  readonly past: PastSessionsCheckpoint;
  readonly dialled: number;
  readonly stopping: boolean;
  readonly stopped: boolean;
}

interface Saved extends Omit<CoreState, 'connections' | 'peers'> {
  readonly connections: readonly (Omit<Connection, 'machine'> & { readonly machine: InstanceCheckpoint })[];
  readonly peers: readonly (Omit<Peer, keyof PeerMachines> &
    Readonly<Record<keyof PeerMachines, InstanceCheckpoint>>)[];
}

export function packState(state: CoreState): Uint8Array {
  const saved: Saved = {
    ...state,
    connections: [...state.connections.values()].map((connection) => ({
      ...connection,
      machine: connection.machine.checkpoint(),
    })),
    peers: [...state.peers.values()].map((peer) => ({
      ...peer,
      entry: peer.entry.checkpoint(),
      breaker: peer.breaker.checkpoint(),
      session: peer.session.checkpoint(),
    })),
  };
  return packPlain(saved);
}

export function unpackState(
  bytes: Uint8Array,
  machineOf: (connection: number) => Connection['machine'],
  machinesOf: (peer: string) => PeerMachines,
): CoreState {
  const saved = unpackPlain(bytes) as Saved;
  const connections = saved.connections.map((one): [number, Connection] => {
    const machine = machineOf(one.id);
    machine.restore(one.machine);
    return [one.id, { ...one, machine }];
  });
  const peers = saved.peers.map((one): [string, Peer] => {
    const { entry, breaker, session } = machinesOf(one.key);
    entry.restore(one.entry);
    breaker.restore(one.breaker);
    session.restore(one.session);
    return [one.key, { ...one, entry, breaker, session }];
  });
  return { ...saved, connections: new Map(connections), peers: new Map(peers) };
}
