import { describe, expect, it } from 'vitest';
import { StreamWindow, type StreamWindowLimits, StreamWindows } from '../src/core/stream-window.ts';

const limits: StreamWindowLimits = {
  streamBufferBytes: 1000,
  streamBufferBytesMax: 16_000,
  streamsBufferBytes: 40_000,
  inFlightDelayMs: 1,
};

/** Windows on a path of 10 ms: what is read within 21 is fast, and after 168 slow. */
function windows(changes: Partial<StreamWindowLimits> = {}): StreamWindows {
  const shared = new StreamWindows({ ...limits, ...changes });
  shared.times(0);
  shared.answered(0, 10);
  return shared;
}

/** The peer sends all that it may, and half of the window is read; what the peer is told `ms` after the last time. */
class Reading {
  readonly window: StreamWindow;
  #nowMs = 0;
  /** The window would have taken that, and not a byte more, each time. */
  isHeldToIt = true;
  /** What the peer may still send, by what it was told. */
  credit: number;

  constructor(shared: StreamWindows) {
    this.window = new StreamWindow(shared, 0);
    this.credit = this.window.bytes;
  }

  half(ms: number): void {
    this.#nowMs += ms;
    this.isHeldToIt &&= this.window.hasRoom(this.credit) && !this.window.hasRoom(this.credit + 1);
    this.window.received(this.credit);
    this.credit = 0;
    this.window.consume(Math.ceil(this.window.bytes / 2) - this.window.unannounced);
    this.credit += this.window.grant(this.#nowMs).roomBytes;
  }

  halves(...times: number[]): readonly number[] {
    return times.map((ms) => {
      this.half(ms);
      return this.window.bytes;
    });
  }
}

describe('the window of a stream', () => {
  it('doubles where half of it is read within two round trips and a turn, however large it is by then', () => {
    expect(new Reading(windows()).halves(21, 22, 21, 21, 60, 21)).toEqual([
      2000, 2000, 4000, 8000, 8000, 16_000,
    ]);
  });

  it('stays where no round trip is known, and where another path has none yet', () => {
    expect(new Reading(new StreamWindows(limits)).halves(0, 0)).toEqual([1000, 1000]);
    const shared = windows();
    const reading = new Reading(shared);
    expect(reading.halves(1)).toEqual([2000]);
    shared.newPath();
    expect(reading.halves(1)).toEqual([2000]);
  });

  it('has a bound, and begins no smaller than it is told to', () => {
    expect(new Reading(windows({ streamBufferBytesMax: 3000 })).halves(1, 1, 1)).toEqual([2000, 3000, 3000]);
    expect(new Reading(windows({ streamBufferBytesMax: 500 })).halves(1, 1)).toEqual([1000, 1000]);
  });

  it('is halved where half of it takes eight times as long as would make it grow, down to what it was at first', () => {
    const reading = new Reading(windows());
    expect(reading.halves(1, 1, 168, 169, 500, 500)).toEqual([2000, 4000, 4000, 2000, 1000, 1000]);
    expect(reading.isHeldToIt).toBe(true);
  });

  it('is granted as what was read and what it has grown by; while it shrinks, less than was read', () => {
    const window = new StreamWindow(windows(), 0);
    window.received(1000);
    window.consume(600);
    expect(window.grant(1)).toEqual({ consumedBytes: 600, roomBytes: 1600 });
    window.received(1600);
    window.consume(1000);
    expect(window.grant(500)).toEqual({ consumedBytes: 1000, roomBytes: 0 });
    window.consume(500);
    expect(window.grant(501)).toEqual({ consumedBytes: 500, roomBytes: 1500 });
  });

  it('is not judged by a grant that came before half of it was read', () => {
    const window = new StreamWindow(windows(), 0);
    window.received(1000);
    window.consume(100);
    expect(window.grant(1)).toEqual({ consumedBytes: 100, roomBytes: 100 });
    expect(window.bytes).toBe(1000);
  });
});

describe('the windows of all streams of a peer', () => {
  const reach = (reading: Reading): number | undefined => reading.halves(1, 1, 1, 1, 1, 1, 1).at(-1);

  it('grow by half of what all may have, and no more', () => {
    const shared = windows({ streamBufferBytesMax: 100_000 });
    expect(reach(new Reading(shared))).toBe(21_000);
    expect(shared.grownBytes).toBe(20_000);
  });

  it('share that alike: who has more gives it back while it reads', () => {
    const shared = windows({ streamBufferBytesMax: 100_000 });
    const [first, second] = [new Reading(shared), new Reading(shared)];
    reach(first);
    // Nothing is left until the first is granted less.
    expect(second.halves(1)).toEqual([1000]);
    expect(first.halves(1, 1)).toEqual([11_000, 11_000]);
    expect(reach(second)).toBe(11_000);
    expect(shared.grownBytes).toBe(20_000);
  });

  it('have again what one had that is over', () => {
    const shared = windows();
    const [first, second] = [new Reading(shared), new Reading(shared)];
    reach(first);
    first.window.close();
    expect(shared.grownBytes).toBe(0);
    expect(reach(second)).toBe(16_000);
  });

  it('count the shortest round trip of ten seconds, one at a time and not all the time', () => {
    const shared = new StreamWindows(limits);
    const sample = (atMs: number, ms: number): number | null => {
      expect(shared.times(atMs)).toBe(true);
      expect(shared.times(atMs)).toBe(false);
      shared.answered(atMs - 1, atMs);
      shared.answered(atMs, atMs + ms);
      expect(shared.times(atMs + ms + 99)).toBe(false);
      return shared.roundTripMs;
    };
    expect([sample(0, 30), sample(200, 10), sample(400, 30)]).toEqual([30, 10, 10]);
    expect([sample(10_200, 20)]).toEqual([20]);
  });

  it('are due when half of what all may have was read and not announced', () => {
    const shared = windows();
    const due: boolean[] = [];
    const open = Array.from({ length: 41 }, () => new StreamWindow(shared, 0));
    for (const window of open) {
      window.received(499);
      window.consume(499);
      due.push(window.isDue || shared.isDue);
    }
    expect(due.lastIndexOf(false)).toBe(39);
    expect(due.indexOf(true)).toBe(40);
    open[0]?.grant(1);
    open[1]?.close();
    expect(shared.unannouncedBytes).toBe(39 * 499);
  });
});
