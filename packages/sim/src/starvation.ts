/**
 * A host that has too much to do: the process runs for a while, then gets no processor for a while, over and over, as in
 * Lifeguard's experiments (section V: blocked for D, then running for I). What comes in meanwhile waits, and is worked off late.
 */
import type { Prng, TimerHandle } from '@cluster/core';
import type { Host } from './host.ts';
import type { Kernel } from './kernel.ts';

export class Starvation {
  readonly #kernel: Kernel;
  readonly #host: Host;
  readonly #prng: Prng;
  #next: TimerHandle | null = null;

  constructor(kernel: Kernel, host: Host, prng: Prng) {
    this.#kernel = kernel;
    this.#host = host;
    this.#prng = prng;
  }

  /** Mean times; a stall of 0 ends it. */
  set(runMs: number, stallMs: number): void {
    this.#next?.cancel();
    this.#next = null;
    this.#run();
    if (stallMs > 0) this.#alternate(runMs, stallMs);
  }

  #alternate(runMs: number, stallMs: number): void {
    this.#next = this.#kernel.after(this.#prng.exponential(runMs), () => {
      this.#kernel.counters.add('stalls');
      this.#host.stalled = true;
      this.#next = this.#kernel.after(this.#prng.exponential(stallMs), () => {
        this.#run();
        this.#alternate(runMs, stallMs);
      });
    });
  }

  #run(): void {
    if (!this.#host.stalled) return;
    this.#host.stalled = false;
    this.#kernel.release(this.#host);
  }
}
