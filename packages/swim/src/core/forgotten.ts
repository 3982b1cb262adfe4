/**
 * Where the dead were that have been reaped: after a partition that lasted longer than `reapAfterMs` both sides have forgotten
 * each other, and an address is all that can bring them together again. At the bound the oldest is dropped.
 */
import type { Address, Prng } from '@cluster/core';

export type ForgottenCheckpoint = readonly (readonly [name: string, address: Address])[];

export class Forgotten {
  readonly #places = new Map<string, Address>();

  get size(): number {
    return this.#places.size;
  }

  add(name: string, address: Address, max: number): void {
    this.#places.set(name, address);
    const [oldest] = this.#places.keys();
    if (this.#places.size > max && oldest !== undefined) this.#places.delete(oldest);
  }

  /** It is back, or has said that it left. */
  remove(name: string): void {
    this.#places.delete(name);
  }

  pick(prng: Prng): Address | undefined {
    return prng.pick([...this.#places.values()]);
  }

  checkpoint(): ForgottenCheckpoint {
    return [...this.#places];
  }

  restore(places: ForgottenCheckpoint): void {
    this.#places.clear();
    for (const [name, address] of places) this.#places.set(name, address);
  }
}
