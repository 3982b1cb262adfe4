/** The core of metadata on its driver, between membership and the people who write and read. */
import { type Address, type Clock, Driver, type Tracer } from '@cluster/core';
import type { SwimConfig } from '../config.ts';
import type { SwimInput } from '../core/effects.ts';
import type { RejectReason } from '../core/messages.ts';
import { metadataTooLarge } from '../errors.ts';
import type { MemberHappening } from '../member.ts';
import type { MetadataEffect, MetadataInput } from '../metadata/effects.ts';
import { MetadataCore } from '../metadata/metadata-core.ts';
import type { OwnerMap } from '../metadata/owner-map.ts';
import { textBytes } from '../metadata/owner-map.ts';
import { decodeMetadata, encodeMetadata } from '../wire.ts';

/** A key of a member's map was written, or is gone. */
export interface MetadataChange {
  readonly member: string;
  readonly key: string;
  /** Undefined: deleted, or the member was forgotten. */
  readonly value: Uint8Array | undefined;
}

export interface MetadataLayerOptions {
  readonly config: SwimConfig;
  readonly seed: number;
  readonly clock: Clock;
  readonly tracer: Tracer | undefined;
  /** What label, encryption and checksum add to a packet. */
  readonly envelopeBytes: number;
  readonly dispatchSwim: (input: SwimInput) => void;
  readonly tellOverStream: (to: Address, payload: Uint8Array) => void;
  readonly countRejected: (reason: RejectReason) => void;
  readonly onBug: (error: unknown) => void;
}

// Of a compound packet and the user message in it.
const framingBytes = 8;

export class MetadataLayer {
  readonly #options: MetadataLayerOptions;
  readonly #core: MetadataCore;
  readonly #driver: Driver<MetadataInput, MetadataEffect>;
  readonly #listeners = new Set<(change: MetadataChange) => void>();

  constructor(options: MetadataLayerOptions) {
    const { config, seed, clock, tracer, onBug } = options;
    this.#options = options;
    this.#core = new MetadataCore({ config, seed });
    this.#driver = new Driver({
      node: config.name,
      name: 'metadata',
      core: this.#core,
      clock,
      execute: (effect) => this.#execute(effect),
      onBug,
      tracer,
    });
  }

  start(epoch: number): void {
    this.#driver.dispatch({ type: 'START', epoch });
  }

  stop(): void {
    this.#driver.stop();
  }

  noticed({ type: notice, member: { name, address } }: MemberHappening, speaks: boolean): void {
    this.#driver.dispatch({ type: 'MEMBER', notice, name, address, speaks });
  }

  /** @returns ends the subscription. */
  onChange(listener: (change: MetadataChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  hear(bytes: Uint8Array): void {
    const message = decodeMetadata(bytes);
    if (typeof message === 'string') return this.#options.countRejected(message);
    this.#driver.dispatch({ type: 'HEARD', message });
  }

  /** @throws ClusterError `SWIM_METADATA_TOO_LARGE`, with nothing changed. */
  set(key: string, value: Uint8Array): void {
    const { keyBytesMax, valueBytesMax, ownerBytesMax } = this.#options.config.metadata;
    const check = (what: string, bytes: number, max: number): void => {
      if (bytes > max) throw metadataTooLarge(what, bytes, max);
    };
    check('key', textBytes(key), keyBytesMax);
    check('value', value.length, valueBytesMax);
    check('map', this.#core.bytesWith(key, value), ownerBytesMax);
    // Copied: the caller may go on using its buffer.
    this.#driver.dispatch({ type: 'WRITE', key, value: value.slice() });
  }

  /** @returns whether the key was there. */
  delete(key: string): boolean {
    const entry = this.map(this.#options.config.name).entries.get(key);
    if (entry === undefined || entry.value === null) return false;
    this.#driver.dispatch({ type: 'WRITE', key, value: null });
    return true;
  }

  map(member: string): OwnerMap {
    return this.#core.map(member);
  }

  /** Of all maps together. */
  get bytes(): number {
    return this.#core.bytes;
  }

  owners(): readonly string[] {
    return this.#core.owners();
  }

  #execute(effect: MetadataEffect): void {
    const { config, envelopeBytes, dispatchSwim, tellOverStream, countRejected } = this.#options;
    switch (effect.type) {
      case 'send': {
        const { to, message } = effect;
        const payload = encodeMetadata(message);
        const fits = payload.length + framingBytes + envelopeBytes <= config.packetBytesMax;
        return fits ? dispatchSwim({ type: 'USER_SEND', to, payload }) : tellOverStream(to, payload);
      }
      case 'changed':
        for (const { key, value } of effect.changes)
          for (const listener of this.#listeners)
            listener({ member: effect.owner, key, value: value ?? undefined });
        return;
      case 'countRefused':
        return countRejected(effect.reason);
    }
  }
}
