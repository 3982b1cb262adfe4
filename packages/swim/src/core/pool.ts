/** What the parts of a core share: settings, randomness, ourselves. */
import type { Address, Prng } from '@cluster/core';
import type { SwimConfig } from '../config.ts';
import type { Message } from './messages.ts';

export interface CoreOptions {
  readonly config: SwimConfig;
  readonly seed: number;
  /** Tags of the start, encoded. */
  readonly meta: Uint8Array;
  /** Encoded length of a message, in bytes. */
  readonly bytesOf: (message: Message) => number;
  /** What label, encryption and checksum add to a packet. */
  readonly envelopeBytes: number;
  /** Without a checksum where a cipher's tag does its work. */
  readonly checksums: boolean;
}

/** Ourselves, as we tell others. */
export interface Self {
  readonly name: string;
  address: Address;
  meta: Uint8Array;
  vsn: Uint8Array;
}

export interface Pool {
  readonly options: CoreOptions;
  readonly prng: Prng;
  readonly self: Self;
}
