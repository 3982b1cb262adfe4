/** What membership needs from outside, beside the ports of `@cluster/core`. */
import type { Address, Clock, DatagramPort, Done, DuplexPort, Logger, Metrics, Tracer } from '@cluster/core';
import type { SavedPeer } from './member.ts';
import type { Tags } from './wire/meta.ts';

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

/** Remembers the other members, alive and failed, so that after a restart the pool is found without seeds. */
export interface PeerStore {
  /** Empty when there are none yet. */
  load(done: Done<readonly SavedPeer[]>): void;
  /** In the place of those before; durable when `done` is called. */
  store(peers: readonly SavedPeer[], done: Done<void>): void;
}

/** Gossip keys after a change, in base64, the one that seals first. */
export interface SavedKeys {
  /** Of the configured keys at the time: when others are configured since, those count. */
  readonly configured: number;
  readonly keys: readonly string[];
}

/** Keeps gossip keys that were changed while running over a restart. Whoever reads it can join: keep it as safe as the keys. */
export interface KeyStore {
  /** Null when there are none yet. */
  load(done: Done<SavedKeys | null>): void;
  /** Durable when `done` is called. */
  store(keys: SavedKeys, done: Done<void>): void;
}

/** Turns the host name of a seed into IP addresses. */
export interface NameResolver {
  resolve(host: string, done: Done<readonly string[]>): void;
}

/** A member as it presents itself, before it is believed. */
export interface Candidate {
  readonly name: string;
  readonly address: Address;
  readonly tags: Tags;
}

/**
 * The application's say in who is believed. Each is called often, must be quick and must not call the member back; one that throws
 * admits nobody. Every member of a pool should decide alike, or members know of different ones.
 */
export interface Admission {
  /** Asked for each word of a member being alive, known or not. False: it is not heard. */
  admits?(candidate: Candidate): boolean;
  /** Asked for each push/pull, with those that the other side has as alive. False: nothing of it is heard, and it is refused. */
  admitsMerge?(
    candidates: readonly Candidate[],
    exchange: { readonly from: Address; readonly join: boolean },
  ): boolean;
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
  readonly peers?: PeerStore | undefined;
  readonly keys?: KeyStore | undefined;
  readonly delegate?: SwimDelegate | undefined;
  readonly admission?: Admission | undefined;
  readonly logger?: Logger | undefined;
  readonly metrics?: Metrics | undefined;
  readonly tracer?: Tracer | undefined;
}
