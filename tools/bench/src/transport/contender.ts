/** What a way of carrying messages has to offer to be measured. */
import type { Address } from '@cluster/core';
import type { Priority } from '@cluster/transport';

/** PEM text, as the certificate entry of the manager issues it. */
export interface Credentials {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface Place {
  readonly clusterName: string;
  readonly role: 'node' | 'client';
  /** The name in the certificate. */
  readonly nodeId: string;
  readonly tls: Credentials;
}

/** Takes what arrives; bytes that it gives back are the answer. */
export type Receive = (bytes: Uint8Array) => Uint8Array | null;

export interface Listening {
  readonly address: Address;
}

export interface Link {
  /** False: not taken; try again after `ready`. */
  post(bytes: Uint8Array): boolean;
  ready(): Promise<void>;
  /** The answer goes to `onAnswer`. A contender without priorities treats all alike. */
  ask(bytes: Uint8Array, priority?: Priority): void;
  close(): Promise<void>;
}

export interface Contender {
  /**
   * Messages and answers up to this size it copies at once, so that the codec lends them; the memory of others is its own from then on. Ours copies
   * everything. Others own what they are given, as one has to who gives it to a socket.
   */
  readonly copiedMax: number;
  listen(place: Place, receive: Receive): Promise<Listening>;
  connect(place: Place, server: Address, onAnswer: (bytes: Uint8Array) => void): Promise<Link>;
}

export const serverId = 'server';
