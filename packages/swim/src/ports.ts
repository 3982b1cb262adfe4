/** What membership needs from outside, beside the ports of `@cluster/core`. */
import type { Address, Clock, DatagramPort, Done, DuplexPort, Logger, Metrics, Tracer } from '@cluster/core';

/** The keys of a cipher, to be changed while it is in use. */
export interface Keys {
  /** The one that seals is first. */
  list(): readonly Uint8Array[];
  /** Each gives null, or why it cannot be done, with nothing changed. */
  install(key: Uint8Array): string | null;
  use(key: Uint8Array): string | null;
  remove(key: Uint8Array): string | null;
}

/** Seals and opens what goes over the network, with every key that is in force. */
export interface PacketCipher {
  /** Bytes that sealing adds. */
  readonly overheadBytes: number;
  /** @param aad bound to the message without being in it. */
  seal(plain: Uint8Array, aad: Uint8Array): Uint8Array;
  /** Null when no key opens it. */
  open(sealed: Uint8Array, aad: Uint8Array): Uint8Array | null;
  /** Where its keys can be changed. */
  readonly keys?: Keys | undefined;
}

/**
 * Remembers the highest incarnation this node may have used, so that after a restart it starts above it. Without a store a
 * restarted node starts at 1 and is believed only once it has heard of its former life and refuted it.
 */
export interface IncarnationStore {
  /** 0 when there is none yet. */
  load(done: Done<number>): void;
  /** Durable when `done` is called. */
  store(incarnation: number, done: Done<void>): void;
}

/** Turns the host name of a seed into IP addresses. */
export interface NameResolver {
  resolve(host: string, done: Done<readonly string[]>): void;
}

/** A layer above in the place of Serf's, which is then off: what it carries is opaque here. */
export interface SwimDelegate {
  /** State added to a push/pull exchange. */
  localState?(join: boolean): Uint8Array;
  mergeRemoteState?(state: Uint8Array, join: boolean): void;
  onUserMessage?(payload: Uint8Array, from: Address): void;
}

export interface SwimPorts {
  readonly clock: Clock;
  readonly datagrams: DatagramPort;
  readonly streams: DuplexPort;
  /** Seeds every random choice; a different one for each start. */
  readonly seed: number;
  readonly cipher?: PacketCipher | undefined;
  /** Without it, seeds must be IP addresses or names that `streams` resolves itself. */
  readonly resolver?: NameResolver | undefined;
  readonly incarnations?: IncarnationStore | undefined;
  readonly delegate?: SwimDelegate | undefined;
  readonly logger?: Logger | undefined;
  readonly metrics?: Metrics | undefined;
  readonly tracer?: Tracer | undefined;
}
