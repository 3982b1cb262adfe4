/** Members that exchange metadata: where they are, and which of them are there now. */
import type { Address, Prng } from '@cluster/core';
import type { MetadataInput } from './effects.ts';

type Row = readonly [name: string, address: Address];

export interface PeersCheckpoint {
  readonly up: readonly Row[];
  readonly down: readonly Row[];
}

export class Peers {
  /** Believed alive or merely suspected. */
  readonly #up = new Map<string, Address>();
  /** Dead or left, and still on record. */
  readonly #down = new Map<string, Address>();

  get size(): number {
    return this.#up.size + this.#down.size;
  }

  /** Whether there is anybody to talk to. */
  get hasPartner(): boolean {
    return this.#up.size > 0;
  }

  noticed({ notice, name, address, speaks }: Extract<MetadataInput, { type: 'MEMBER' }>): void {
    // A conflict is about somebody else who uses the name.
    if (notice === 'Conflict') return;
    this.#up.delete(name);
    this.#down.delete(name);
    if (!speaks || notice === 'Reaped') return;
    const isDown = notice === 'Dead' || notice === 'Left';
    (isDown ? this.#down : this.#up).set(name, address);
  }

  has(name: string): boolean {
    return this.addressOf(name) !== undefined;
  }

  addressOf(name: string): Address | undefined {
    return this.#up.get(name) ?? this.#down.get(name);
  }

  /** Addresses of some that are there. */
  sample(count: number, prng: Prng): readonly Address[] {
    return prng.shuffle([...this.#up.values()]).slice(0, count);
  }

  checkpoint(): PeersCheckpoint {
    return { up: [...this.#up], down: [...this.#down] };
  }

  restore({ up, down }: PeersCheckpoint): void {
    this.#up.clear();
    this.#down.clear();
    for (const [name, address] of up) this.#up.set(name, address);
    for (const [name, address] of down) this.#down.set(name, address);
  }
}
