/**
 * How much may be under way to a peer: written to its connection, and not acknowledged. What is under way can no longer be overtaken, and
 * the system's buffers would take megabytes of it: memory that is cold when it is wanted again, and a queue before which priority ends.
 * Node cannot bound those buffers, so the sender bounds what it puts there, as BBR does (Cardwell et al., 2016): as much as the
 * path delivers in two round trips, and in `inFlightDelayMs` more, because event loops work in turns.
 *
 * Now and then, at most once a round trip, a frame is marked, and its receiver acknowledges it at once: the time until then is a sample of
 * the round trip, and what was acknowledged meanwhile one of the rate. Of rates the highest counts of the last rounds in
 * which the bound held something back: two round trips' worth let the bound double in each until the path gives no more. Of round trips
 * the shortest counts of ten seconds. A path that was never empty for so long has not shown its own: then the bound falls to its
 * minimum for as long as one sample takes.
 *
 * Rejected: windows that only ever grow (QUIC's receivers), which keep the queue that one good moment has allowed; and the round trips
 * of pings alone, which are sent in silence only.
 */
import { ahead } from './sequence.ts';

export interface InFlightLimits {
  readonly inFlightBytesMin: number;
  readonly inFlightDelayMs: number;
}

/** Rates of so many rounds are kept, and of as many before them. */
const roundsKept = 4;
const roundTripKeptMs = 10_000;
/** Clocks tell no less apart. */
const elapsedMsMin = 0.05;

export class InFlight {
  readonly #limits: InFlightLimits;
  #boundBytes: number;
  /** In bytes a millisecond: the highest of this row of rounds, and of the last one. */
  #rate = 0;
  #rateBefore = 0;
  #rounds = 0;
  #roundTripMs = Infinity;
  #roundTripAtMs = 0;
  /** Waits for a sample that nothing stands before. */
  #isStale = false;
  /** The bound has held something back since the frame was marked. */
  #hasHeldBack = false;
  #acknowledgedMs = 0;
  #isMarked = false;
  #marked = 0;
  #markedMs = 0;
  #acknowledgedAtMark = 0;
  #acknowledgedAtMarkMs = 0;

  constructor(limits: InFlightLimits) {
    this.#limits = limits;
    this.#boundBytes = limits.inFlightBytesMin;
  }

  /** What is begun below it may go beyond it by a frame. */
  get boundBytes(): number {
    return this.#boundBytes;
  }

  /** The shortest lately; null: none has been measured. */
  get roundTripMs(): number | null {
    return this.#roundTripMs === Infinity ? null : this.#roundTripMs;
  }

  heldBack(): void {
    this.#hasHeldBack = true;
  }

  /**
   * A frame is written for the first time, behind `inFlightBytes` others; `acknowledgedBytes` is the total of all time.
   * True: it is to be acknowledged at once. Where little is under way nothing depends on the bound, and nothing is measured.
   */
  wrote(sequence: number, inFlightBytes: number, acknowledgedBytes: number, nowMs: number): boolean {
    if (inFlightBytes === 0) this.#acknowledgedMs = nowMs;
    if (this.#isMarked || inFlightBytes * 4 < this.#limits.inFlightBytesMin) return false;
    this.#isMarked = true;
    this.#marked = sequence;
    this.#markedMs = nowMs;
    this.#acknowledgedAtMark = acknowledgedBytes;
    this.#acknowledgedAtMarkMs = this.#acknowledgedMs;
    this.#hasHeldBack = false;
    return true;
  }

  /** @param first the oldest sequence that is not acknowledged. */
  acknowledged(first: number, acknowledgedBytes: number, nowMs: number): void {
    this.#acknowledgedMs = nowMs;
    if (!this.#isMarked || ahead(first, this.#marked) <= 0) return;
    this.#isMarked = false;
    // From the acknowledgement before the mark: those that came in late, and together, must not look like a fast path.
    const forMs = Math.max(nowMs - this.#acknowledgedAtMarkMs, elapsedMsMin);
    this.#sampleRate((acknowledgedBytes - this.#acknowledgedAtMark) / forMs);
    this.#sampleRoundTrip(Math.max(nowMs - this.#markedMs, elapsedMsMin), nowMs);
    const { inFlightBytesMin, inFlightDelayMs } = this.#limits;
    const rate = Math.max(this.#rate, this.#rateBefore);
    const wanted = this.#isStale ? 0 : Math.ceil(rate * (2 * this.#roundTripMs + inFlightDelayMs));
    this.#boundBytes = Math.max(inFlightBytesMin, wanted);
  }

  /** Where the bound has held nothing back, the path may give more than was asked of it. */
  #sampleRate(rate: number): void {
    this.#rate = Math.max(this.#rate, rate);
    if (!this.#hasHeldBack || ++this.#rounds < roundsKept) return;
    this.#rounds = 0;
    this.#rateBefore = this.#rate;
    this.#rate = 0;
  }

  #sampleRoundTrip(ms: number, nowMs: number): void {
    if (this.#isStale || ms <= this.#roundTripMs) {
      this.#isStale = false;
      this.#roundTripMs = ms;
      this.#roundTripAtMs = nowMs;
    } else this.#isStale = nowMs - this.#roundTripAtMs >= roundTripKeptMs;
  }
}
