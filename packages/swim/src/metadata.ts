/** Metadata as people use it: each member writes a map of its own, and reads everybody's. */
import { EventHub } from '@cluster/core';
import type { MetadataChange, MetadataLayer } from './engine/metadata-layer.ts';
import { metadataOff } from './errors.ts';

/** In the place of `dropped` changes that a reader was too slow for: read `entries` afresh. */
export interface MetadataOverflow {
  readonly member: null;
  readonly dropped: number;
}

export class Metadata {
  readonly #layer: MetadataLayer | null;
  readonly #self: string;
  readonly #changes = new EventHub<MetadataChange | MetadataOverflow>({
    onOverflow: (dropped) => ({ member: null, dropped }),
  });

  constructor(layer: MetadataLayer | null, self: string) {
    this.#layer = layer;
    this.#self = self;
    layer?.onChange((change) => this.#changes.publish(change));
  }

  /**
   * Writes a key of this member's map; every member comes to hold it. The map is of this life: a restarted member begins empty.
   * @param value text is kept as UTF-8.
   * @throws ClusterError `SWIM_METADATA_TOO_LARGE`, with nothing changed; `SWIM_METADATA_OFF`.
   */
  set(key: string, value: Uint8Array | string): void {
    this.#on().set(key, typeof value === 'string' ? new TextEncoder().encode(value) : value);
  }

  /** @returns whether the key was there. @throws ClusterError `SWIM_METADATA_OFF` */
  delete(key: string): boolean {
    return this.#on().delete(key);
  }

  /** What a member (default: this one) has under a key, as far as it is known here. */
  get(key: string, member: string = this.#self): Uint8Array | undefined {
    return this.#layer?.map(member).entries.get(key)?.value ?? undefined;
  }

  /** As `get`, as text. */
  getText(key: string, member?: string): string | undefined {
    const value = this.get(key, member);
    return value === undefined ? undefined : new TextDecoder().decode(value);
  }

  /** The map of a member (default: this one). A member that died or left is shown until it is reaped. */
  entries(member: string = this.#self): ReadonlyMap<string, Uint8Array> {
    const entries = new Map<string, Uint8Array>();
    for (const [key, { value }] of this.#layer?.map(member).entries ?? [])
      if (value !== null) entries.set(key, value);
    return entries;
  }

  /** Members that have written something. */
  members(): readonly string[] {
    return this.#layer?.owners().filter((owner) => this.entries(owner).size > 0) ?? [];
  }

  /** Changes from now on, our own included. A reader more than 1,024 behind loses the oldest, told by one overflow. */
  watch(
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): AsyncIterableIterator<MetadataChange | MetadataOverflow> {
    return this.#changes.subscribe(options);
  }

  /** The member has stopped: readers finish. */
  close(): void {
    this.#changes.close();
  }

  #on(): MetadataLayer {
    if (this.#layer === null) throw metadataOff();
    return this.#layer;
  }
}
