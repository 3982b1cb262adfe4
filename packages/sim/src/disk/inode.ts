/**
 * A file's bytes, twice: as the process sees them, and as they are on the medium.
 *
 * Between the two lies a list of changes. A sync moves those that were complete when it began to the medium. A crash decides by
 * the seed which of the others got there anyway: none, all, the oldest, or any of them, each write whole or torn at sectors.
 */
import { type Prng, unreachable } from '@cluster/core';
import type { Counters } from '../counters.ts';
import { Pages } from './pages.ts';

// The unit a disk writes whole or not at all.
const sectorBytes = 512;

export interface WriteChange {
  readonly type: 'write';
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export type Change =
  | WriteChange
  /** Extends with zeros to at least this length. */
  | { readonly type: 'allocate'; readonly length: number }
  /** Cuts off, or extends with zeros, to this length. */
  | { readonly type: 'truncate'; readonly length: number };

export class Inode {
  current = new Pages();
  #durable = new Pages();
  #pending: Change[] = [];
  /** Where the writes of the latest sync begin: what lies before them is old. */
  #freshFrom = 0;
  /** Writes whose completion has not been reported: a crash may catch them in the middle. */
  readonly inFlight = new Set<Change>();

  apply(change: Change): void {
    applyTo(this.current, change);
    this.#pending.push(change);
  }

  /** These changes are on the medium now; those that an overlapping sync has brought there are not done once more. */
  settle(changes: readonly Change[]): void {
    const settled = new Set(changes);
    const fresh = this.#pending.filter((change) => settled.has(change));
    for (const change of fresh) applyTo(this.#durable, change);
    const offsets = fresh.flatMap((change) => (change.type === 'write' ? [change.offset] : []));
    if (offsets.length > 0) this.#freshFrom = Math.min(...offsets);
    this.#pending = this.#pending.filter((change) => !settled.has(change));
  }

  /** What a sync that starts now will cover. */
  pending(): readonly Change[] {
    return [...this.#pending];
  }

  /** A failed sync leaves pages marked clean that never reached the medium: a later sync does not bring them there. */
  forget(prng: Prng, changes: readonly Change[]): void {
    const lost = new Set(changes.filter(() => prng.chance(0.5)));
    this.#pending = this.#pending.filter((change) => !lost.has(change));
  }

  /** Bytes on the medium that were there before the latest sync. */
  get oldBytes(): number {
    return Math.min(this.#freshFrom, this.#durable.length);
  }

  /** A bit of the old bytes turns over on the medium, and in whatever is read from now on. */
  rot(prng: Prng): void {
    const [offset, bit] = [prng.below(this.oldBytes), prng.below(8)];
    this.#durable.flip(offset, bit);
    if (offset < this.current.length) this.current.flip(offset, bit);
  }

  /** The machine went down and came back. */
  crash(prng: Prng, tornRate: number, counters: Counters): void {
    const changes = [...this.#pending, ...this.inFlight];
    const keep = choose(prng, changes.length);
    for (const [index, change] of changes.entries()) {
      if (!keep(index)) {
        counters.add('lostWrites');
        continue;
      }
      if (change.type === 'write' && prng.chance(tornRate)) tear(this.#durable, change, prng, counters);
      else applyTo(this.#durable, change);
    }
    this.#pending = [];
    this.inFlight.clear();
    this.current = this.#durable.copy();
  }

  /** Only the process died: what it had written stays in the machine's memory. */
  processDied(prng: Prng): void {
    for (const change of this.inFlight) if (prng.chance(0.5)) this.apply(change);
    this.inFlight.clear();
  }
}

function applyTo(pages: Pages, change: Change): void {
  switch (change.type) {
    case 'write':
      return pages.write(change.offset, change.bytes);
    case 'allocate':
      return pages.setLength(Math.max(change.length, pages.length));
    case 'truncate':
      return pages.setLength(change.length);
    default:
      return unreachable(change);
  }
}

/** Which of `count` unsynced changes survive, oldest first. */
function choose(prng: Prng, count: number): (index: number) => boolean {
  const prefix = prng.between(0, count);
  const mode = prng.below(4);
  if (mode === 0) return () => false;
  if (mode === 1) return () => true;
  if (mode === 2) return (index) => index < prefix;
  return () => prng.chance(0.5);
}

/** Writes some of the sectors: the first few, or any. A sector is never cut. */
function tear(
  pages: Pages,
  { offset, bytes }: { readonly offset: number; readonly bytes: Uint8Array },
  prng: Prng,
  counters: Counters,
): void {
  const cuts: number[] = [];
  for (let at = offset; at < offset + bytes.length; at = (Math.floor(at / sectorBytes) + 1) * sectorBytes)
    cuts.push(at);
  const prefix = prng.chance(0.5) ? prng.below(cuts.length) : null;
  let written = 0;
  for (const [index, at] of cuts.entries()) {
    const kept = prefix === null ? prng.chance(0.5) : index < prefix;
    if (!kept) continue;
    written++;
    pages.write(at, bytes.subarray(at - offset, (cuts[index + 1] ?? offset + bytes.length) - offset));
  }
  counters.add(written === 0 ? 'lostWrites' : written === cuts.length ? 'keptWrites' : 'tornWrites');
}
