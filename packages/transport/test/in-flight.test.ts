import { describe, expect, it } from 'vitest';
import { InFlight } from '../src/core/in-flight.ts';

const minBytes = 262_144;
const frameBytes = 65_552;
const limits = { inFlightBytesMin: minBytes, inFlightDelayMs: 1 };

/** One way to a peer that delivers so much a millisecond, after half a round trip; acknowledgements need the other half. */
class Path {
  rate: number;
  roundTripMs: number;
  nowMs = 0;
  delivered = 0;
  boundBytesMax = 0;
  readonly inFlight = new InFlight(limits);
  #next = 1;
  #first = 1;
  #freeAtMs = 0;
  #frames: { readonly sequence: number; readonly acknowledgedAtMs: number }[] = [];

  constructor(rate: number, roundTripMs: number) {
    this.rate = rate;
    this.roundTripMs = roundTripMs;
  }

  /** The sender always has more. @returns bytes delivered a millisecond. */
  fill(forMs: number): number {
    const untilMs = this.nowMs + forMs;
    const before = this.delivered;
    for (; this.nowMs < untilMs; this.nowMs += 0.25) {
      this.#acknowledge();
      while (this.#bytes < this.inFlight.boundBytes) this.#write();
      this.inFlight.heldBack();
      this.boundBytesMax = Math.max(this.boundBytesMax, this.inFlight.boundBytes);
    }
    return (this.delivered - before) / forMs;
  }

  get #bytes(): number {
    return (this.#next - this.#first) * frameBytes;
  }

  #write(): void {
    this.#freeAtMs = Math.max(this.nowMs, this.#freeAtMs) + frameBytes / this.rate;
    this.inFlight.wrote(this.#next, this.#bytes, this.delivered, this.nowMs);
    this.#frames.push({ sequence: this.#next++, acknowledgedAtMs: this.#freeAtMs + this.roundTripMs });
  }

  #acknowledge(): void {
    const arrived = this.#frames.filter(({ acknowledgedAtMs }) => acknowledgedAtMs <= this.nowMs).length;
    if (arrived === 0) return;
    this.#frames.splice(0, arrived);
    this.#first += arrived;
    this.delivered += arrived * frameBytes;
    this.inFlight.acknowledged(this.#first, this.delivered, this.nowMs);
  }
}

describe('what may be under way', () => {
  it('doubles each round trip until the path is full, and stays at about two round trips of what it delivers', () => {
    const path = new Path(100_000, 40);
    // 4 MB fill it, sixteen times the minimum.
    path.fill(10 * 40);
    expect(path.fill(1000)).toBeGreaterThan(95_000);
    expect(path.inFlight.boundBytes).toBeGreaterThan(2 * 4_000_000);
    expect(path.boundBytesMax).toBeLessThan(2.3 * 4_000_000);
  });

  it('is the minimum where that is more', () => {
    const path = new Path(1000, 20);
    expect(path.fill(5000)).toBeGreaterThan(950);
    expect(path.boundBytesMax).toBeLessThan(minBytes * 2.5);
  });

  it('does not grow with the queue that it allows, and a path that is always full is filled all the same', () => {
    const path = new Path(20_000, 40);
    path.fill(1000);
    expect(path.fill(60_000)).toBeGreaterThan(0.97 * 20_000);
    expect(path.boundBytesMax).toBeLessThan(2.3 * 800_000);
  });

  it('follows a path that delivers less', () => {
    const path = new Path(100_000, 40);
    path.fill(1000);
    path.rate = 20_000;
    path.fill(4000);
    expect(path.inFlight.boundBytes).toBeLessThan(2.5 * 800_000);
    expect(path.fill(1000)).toBeGreaterThan(19_000);
  });

  it('follows a path that has become longer, in the time for which a round trip is kept', () => {
    const path = new Path(100_000, 2);
    path.fill(1000);
    path.roundTripMs = 40;
    path.fill(11_000);
    expect(path.fill(1000)).toBeGreaterThan(95_000);
  });

  it('measures nothing where little is under way, and one frame at a time', () => {
    const inFlight = new InFlight(limits);
    expect(inFlight.wrote(1, 0, 0, 0)).toBe(false);
    expect(inFlight.wrote(2, minBytes / 4 - 1, 0, 0)).toBe(false);
    expect(inFlight.roundTripMs).toBeNull();
    expect(inFlight.wrote(3, minBytes / 4, 0, 5)).toBe(true);
    expect(inFlight.wrote(4, minBytes / 2, 0, 5)).toBe(false);
    inFlight.acknowledged(3, 70_000, 7);
    expect(inFlight.roundTripMs).toBeNull();
    inFlight.acknowledged(4, 80_000, 8);
    expect(inFlight.roundTripMs).toBe(3);
    expect(inFlight.wrote(5, minBytes / 2, 80_000, 9)).toBe(true);
  });

  it('takes acknowledgements that were late, and came together, for no faster path', () => {
    const inFlight = new InFlight(limits);
    inFlight.wrote(1, 0, 0, 0);
    // Everything up to the mark has been acknowledged before it is written, and is read after it.
    inFlight.wrote(2, 10_000_000, 0, 100);
    inFlight.acknowledged(3, 10_000_000, 101);
    expect(inFlight.boundBytes).toBeLessThan((10_000_000 / 100) * 3 + 1000);
  });
});
