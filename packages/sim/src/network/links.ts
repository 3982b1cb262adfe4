/**
 * What happens between two hosts: who reaches whom, and how long it takes.
 *
 * A packet is lost when the link is cut at its departure or at its arrival: a partition swallows what is on its way. Packets of
 * a link keep their order unless the options say otherwise, because that is how a quiet network behaves. Where a link has a
 * bandwidth, packets leave one after the other, and those that would wait too long are dropped, as a full queue drops them.
 */
import type { Prng } from '@cluster/core';
import { anySide, type Host } from '../host.ts';
import type { Kernel } from '../kernel.ts';
import { type DelayShape, drawDelayMs } from './delays.ts';

export interface NetworkOptions {
  /** The shortest one-way delay. Default 0.2 ms. */
  readonly delayMinMs?: number;
  /** The mean one-way delay. Default 1 ms. */
  readonly delayMeanMs?: number;
  /** How what exceeds the minimum is distributed. Default exponential. */
  readonly delayShape?: DelayShape;
  /** Of each direction of each link, datagrams and streams together. Default: without bound. */
  readonly bytesPerSecond?: number;
  /** Longest that a datagram waits for its turn on a link; later ones are dropped. Streams wait. Default 1,000 ms. */
  readonly queueMaxMs?: number;
  /** Share of packets lost. Streams resend, at the price of a delay. Default 0. */
  readonly lossRate?: number;
  /** Share of packets delivered twice; never of a stream's. Default 0. */
  readonly duplicateRate?: number;
  /** Share of packets that may overtake and be overtaken; never of a stream's. Default 0. */
  readonly reorderRate?: number;
  /** How long a stream with bytes on their way survives a cut link before it breaks. Default 8,000 ms. */
  readonly streamPatienceMs?: number;
  /** Datagrams that wait in the socket of a process that does not get to them, as many the other way: later ones are dropped. Fixed. Default 212,992, as in Linux. */
  readonly socketBufferBytes?: number;
}

export const quietNetwork: Required<NetworkOptions> = {
  delayMinMs: 0.2,
  delayMeanMs: 1,
  delayShape: 'exponential',
  bytesPerSecond: Infinity,
  queueMaxMs: 1000,
  lossRate: 0,
  duplicateRate: 0,
  reorderRate: 0,
  streamPatienceMs: 8000,
  socketBufferBytes: 212_992,
};

// A reordered packet is late by up to this many mean delays.
const reorderDelays = 20;
const linkKeyStride = 65_536;
// Links remembered before those at rest are forgotten.
const linksMax = 65_536;

export class Links {
  readonly #kernel: Kernel;
  readonly #prng: Prng;
  readonly #base: Required<NetworkOptions>;
  readonly #cut = new Set<number>();
  /** Links that differ from the network. */
  readonly #own = new Map<number, NetworkOptions>();
  readonly #lastAtMs = new Map<number, number>();
  /** When a link of limited bandwidth has sent what it has. */
  readonly #freeAtMs = new Map<number, number>();
  #linksMax = linksMax;
  #options: Required<NetworkOptions>;

  constructor(kernel: Kernel, prng: Prng, options: NetworkOptions) {
    this.#kernel = kernel;
    this.#prng = prng;
    this.#base = { ...quietNetwork, ...options };
    this.#options = this.#base;
  }

  /** Changes the weather; what is not named stays as the world was made with. */
  change(options: NetworkOptions): void {
    this.#options = { ...this.#base, ...options };
  }

  /** Makes one direction of a link differ from the network in what is named; in nothing, to make it like the others. */
  changeLink(from: Host, to: Host, options: NetworkOptions): void {
    const key = keyOf(from, to);
    if (Object.keys(options).length === 0) this.#own.delete(key);
    else this.#own.set(key, options);
  }

  /** Every link is like the others again. */
  evenOut(): void {
    this.#own.clear();
    this.#freeAtMs.clear();
  }

  /** What holds from one host to another. */
  of(from: Host, to: Host): Required<NetworkOptions> {
    const own = this.#own.size === 0 ? undefined : this.#own.get(keyOf(from, to));
    return own === undefined ? this.#options : { ...this.#options, ...own };
  }

  cut(from: Host, to: Host): void {
    this.#cut.add(keyOf(from, to));
  }

  mend(from: Host, to: Host): void {
    this.#cut.delete(keyOf(from, to));
  }

  mendAll(): void {
    this.#cut.clear();
  }

  /** True when what a stream carries gets from one to the other: blocked hosts hold it up. */
  carries(from: Host, to: Host): boolean {
    return this.reaches(from, to) && !from.blocked && !to.blocked;
  }

  /** True when a packet would get from one to the other. */
  reaches(from: Host, to: Host): boolean {
    if (from === to) return true;
    if (from.side !== to.side && from.side !== anySide && to.side !== anySide) return false;
    return !(this.#cut.size > 0 && this.#cut.has(keyOf(from, to)));
  }

  /** A one-way delay, drawn anew. */
  delayMs(from: Host, to: Host): number {
    const { delayMinMs, delayMeanMs, delayShape } = this.of(from, to);
    return delayMinMs + drawDelayMs(this.#prng, delayShape, Math.max(0, delayMeanMs - delayMinMs));
  }

  chance(probability: number): boolean {
    return probability > 0 && this.#prng.chance(probability);
  }

  /** How long bytes wait for the link and take on it, from now on; the link is taken for so long. */
  occupyMs(from: Host, to: Host, bytes: number): number {
    const { bytesPerSecond } = this.of(from, to);
    if (bytesPerSecond === Infinity) return 0;
    const { nowMs } = this.#kernel;
    const freeAtMs =
      Math.max(nowMs, this.#freeAtMs.get(keyOf(from, to)) ?? 0) + (1000 * bytes) / bytesPerSecond;
    this.#freeAtMs.set(keyOf(from, to), freeAtMs);
    return freeAtMs - nowMs;
  }

  /** Sends a packet of so many bytes: `arrive` is called never, once or twice, in no node's name. */
  send(from: Host, to: Host, bytes: number, arrive: () => void): void {
    const { counters, nowMs } = this.#kernel;
    const options = this.of(from, to);
    counters.add('sent');
    if (!this.reaches(from, to)) return counters.add('droppedByPartition');
    if (this.chance(options.lossRate)) return counters.add('lost');
    if ((this.#freeAtMs.get(keyOf(from, to)) ?? 0) - nowMs > options.queueMaxMs)
      return counters.add('droppedByQueue');
    this.#deliver(from, to, bytes, options, arrive);
    if (this.chance(options.duplicateRate)) {
      counters.add('duplicated');
      this.#deliver(from, to, bytes, options, arrive);
    }
  }

  /** A pool of thousands uses millions of links, each once in a while: only those with something under way matter. */
  #forgetPast(): void {
    for (const [key, atMs] of this.#lastAtMs) if (atMs <= this.#kernel.nowMs) this.#lastAtMs.delete(key);
    this.#linksMax = Math.max(linksMax, 2 * this.#lastAtMs.size);
  }

  #deliver(
    from: Host,
    to: Host,
    bytes: number,
    { reorderRate, delayMeanMs }: Required<NetworkOptions>,
    arrive: () => void,
  ): void {
    const { nowMs, counters } = this.#kernel;
    const key = keyOf(from, to);
    const occupiedMs = this.occupyMs(from, to, bytes);
    if (occupiedMs > 0) counters.add('throttled');
    let atMs = nowMs + occupiedMs + this.delayMs(from, to);
    if (this.chance(reorderRate)) {
      counters.add('reordered');
      atMs += this.#prng.float() * reorderDelays * delayMeanMs;
    } else {
      atMs = Math.max(atMs, this.#lastAtMs.get(key) ?? 0);
      this.#lastAtMs.set(key, atMs);
      if (this.#lastAtMs.size > this.#linksMax) this.#forgetPast();
    }
    const land = (): void => {
      if (this.reaches(from, to)) arrive();
      else counters.add('droppedByPartition');
    };
    // In no node's name: a packet that has arrived is there, whether or not somebody reads it.
    this.#kernel.after(atMs - nowMs, land);
  }
}

const keyOf = (from: Host, to: Host): number => from.id * linkKeyStride + to.id;
