/**
 * Where those were that are on no record of ours any more: the dead that have been reaped, and whom we knew before a restart and have
 * not met since. After a partition that lasted longer than `reapAfterMs`, or in which both sides have restarted, nobody has the other
 * side in its table, and an address is all that can bring them together again. At the bound the oldest is dropped.
 */
import type { Address, Prng } from '@cluster/core';
import type { SavedPeer } from '../member.ts';

export interface ForgottenCheckpoint {
  readonly places: readonly (readonly [name: string, address: Address])[];
  readonly sought: readonly SavedPeer[];
}

export class Forgotten {
  readonly #places = new Map<string, Address>();
  /** Those known before a restart, while they are looked for otherwise. */
  readonly #sought = new Map<string, SavedPeer>();

  /** Of those to be tried now and then. */
  get size(): number {
    return this.#places.size;
  }

  add(name: string, address: Address, max: number): void {
    this.#places.set(name, address);
    const [oldest] = this.#places.keys();
    if (this.#places.size > max && oldest !== undefined) this.#places.delete(oldest);
  }

  seek(peers: readonly SavedPeer[]): void {
    for (const peer of peers) this.#sought.set(peer.name, peer);
  }

  /** The search is over: who has not been found is one of the forgotten. */
  endSearch(max: number): void {
    for (const { name, address } of this.#sought.values()) this.add(name, address, max);
    this.#sought.clear();
  }

  /** It is back, or has said that it left. */
  remove(name: string): void {
    this.#places.delete(name);
    this.#sought.delete(name);
  }

  /** To be remembered over a restart. */
  peers(): readonly SavedPeer[] {
    const places = Array.from(this.#places, ([name, address]) => ({ name, address, alive: false }));
    return [...places, ...this.#sought.values()];
  }

  pick(prng: Prng): Address | undefined {
    return prng.pick([...this.#places.values()]);
  }

  checkpoint(): ForgottenCheckpoint {
    return { places: [...this.#places], sought: [...this.#sought.values()] };
  }

  restore({ places, sought }: ForgottenCheckpoint): void {
    this.#places.clear();
    for (const [name, address] of places) this.#places.set(name, address);
    this.#sought.clear();
    this.seek(sought);
  }
}
