/**
 * What happens between two hosts: who reaches whom, and how long it takes.
 *
 * A packet is lost when the link is cut at its departure or at its arrival: a partition swallows what is on its way. Packets of
 * a link keep their order unless the options say otherwise, because that is how a quiet network behaves.
 */
import type { Prng } from '@cluster/core';
import { anySide, type Host } from '../host.ts';
import type { Kernel } from '../kernel.ts';

export interface NetworkOptions {
  /** The shortest one-way delay. Default 0.2 ms. */
  readonly delayMinMs?: number;
  /** The mean one-way delay; what exceeds the minimum is exponentially distributed. Default 1 ms. */
  readonly delayMeanMs?: number;
  /** Share of packets lost. Streams resend, at the price of a delay. Default 0. */
  readonly lossRate?: number;
  /** Share of packets delivered twice; never of a stream's. Default 0. */
  readonly duplicateRate?: number;
  /** Share of packets that may overtake and be overtaken; never of a stream's. Default 0. */
  readonly reorderRate?: number;
  /** How long a stream with bytes on their way survives a cut link before it breaks. Default 8,000 ms. */
  readonly streamPatienceMs?: number;
}

export const quietNetwork: Required<NetworkOptions> = {
  delayMinMs: 0.2,
  delayMeanMs: 1,
  lossRate: 0,
  duplicateRate: 0,
  reorderRate: 0,
  streamPatienceMs: 8000,
};

// A reordered packet is late by up to this many mean delays.
const reorderDelays = 20;
const linkKeyStride = 4096;

export class Links {
  readonly #kernel: Kernel;
  readonly #prng: Prng;
  readonly #base: Required<NetworkOptions>;
  readonly #cut = new Set<number>();
  readonly #lastAtMs = new Map<number, number>();
  options: Required<NetworkOptions>;

  constructor(kernel: Kernel, prng: Prng, options: NetworkOptions) {
    this.#kernel = kernel;
    this.#prng = prng;
    this.#base = { ...quietNetwork, ...options };
    this.options = this.#base;
  }

  /** Changes the weather; what is not named stays as the world was made with. */
  change(options: NetworkOptions): void {
    this.options = { ...this.#base, ...options };
  }

  cut(from: Host, to: Host): void {
    this.#cut.add(from.id * linkKeyStride + to.id);
  }

  mend(from: Host, to: Host): void {
    this.#cut.delete(from.id * linkKeyStride + to.id);
  }

  mendAll(): void {
    this.#cut.clear();
  }

  /** True when a packet would get from one to the other. */
  reaches(from: Host, to: Host): boolean {
    if (from === to) return true;
    if (from.side !== to.side && from.side !== anySide && to.side !== anySide) return false;
    return !(this.#cut.size > 0 && this.#cut.has(from.id * linkKeyStride + to.id));
  }

  /** A one-way delay, drawn anew. */
  delayMs(): number {
    const { delayMinMs, delayMeanMs } = this.options;
    return delayMinMs + this.#prng.exponential(Math.max(0, delayMeanMs - delayMinMs));
  }

  chance(probability: number): boolean {
    return probability > 0 && this.#prng.chance(probability);
  }

  /** Sends a packet: `arrive` is called never, once or twice, in no node's name. */
  send(from: Host, to: Host, arrive: () => void): void {
    const { counters } = this.#kernel;
    counters.add('sent');
    if (!this.reaches(from, to)) return counters.add('droppedByPartition');
    if (this.chance(this.options.lossRate)) return counters.add('lost');
    this.#deliver(from, to, arrive);
    if (this.chance(this.options.duplicateRate)) {
      counters.add('duplicated');
      this.#deliver(from, to, arrive);
    }
  }

  #deliver(from: Host, to: Host, arrive: () => void): void {
    const { nowMs, counters } = this.#kernel;
    const key = from.id * linkKeyStride + to.id;
    let atMs = nowMs + this.delayMs();
    if (this.chance(this.options.reorderRate)) {
      counters.add('reordered');
      atMs += this.#prng.float() * reorderDelays * this.options.delayMeanMs;
    } else {
      atMs = Math.max(atMs, this.#lastAtMs.get(key) ?? 0);
      this.#lastAtMs.set(key, atMs);
    }
    const land = (): void => {
      if (this.reaches(from, to)) arrive();
      else counters.add('droppedByPartition');
    };
    this.#kernel.after(atMs - nowMs, land, to);
  }
}
