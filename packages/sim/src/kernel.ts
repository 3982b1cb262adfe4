/**
 * The heart of the world: takes the next event, advances the clock to it, runs it in its node, and has the checkers look.
 *
 * Determinism rests on three habits: one queue with a total order, one seed from which every draw comes, and no callback that
 * runs outside of an event. The digest folds every event in, so two runs can be compared without tracing either.
 */
import type { Prng, TimerHandle, Tracer } from '@cluster/core';
import { Counters } from './counters.ts';
import { InvariantBroken, SimulationFailure } from './failure.ts';
import type { Host } from './host.ts';
import { anyIncarnation, Schedule, Scheduled } from './schedule.ts';
import type { SocketBuffer } from './socket-buffer.ts';

/**
 * Virtual time goes in steps of about a microsecond, and up: so sums of times are exact, and the smallest delay is one. Without
 * that, a rest of 1e-14 ms added to the time would leave it as it is, and whoever waits it out would wait for ever.
 */
const ticksPerMs = 1024;
const toTick = (atMs: number): number => Math.ceil(atMs * ticksPerMs) / ticksPerMs;
// Events at one instant beyond which time is taken to stand still: two nodes that answer each other without delay.
const eventsAtOneInstantMax = 100_000;

export class Kernel {
  readonly seed: number;
  readonly prng: Prng;
  readonly tracer: Tracer | undefined;
  readonly counters = new Counters();
  readonly #schedule = new Schedule();
  readonly #checks: (() => void)[] = [];
  /** What became due on a host while its process was paused. */
  readonly #held = new Map<Host, Scheduled[]>();
  #nowMs = 0;
  #steps = 0;
  #sameInstant = 0;
  #digest = 0x811c9dc5;
  #failure: unknown = null;

  constructor(seed: number, prng: Prng, tracer: Tracer | undefined) {
    this.seed = seed;
    this.prng = prng;
    this.tracer = tracer;
  }

  /** Virtual milliseconds since the world began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events that have happened. */
  get steps(): number {
    return this.#steps;
  }

  /** Equal for equal runs: covers the time, place and number of every event, and what was folded in. */
  get digest(): number {
    return this.#digest >>> 0;
  }

  get nextAtMs(): number {
    return this.#schedule.nextAtMs;
  }

  fold(value: number): void {
    this.#digest = Math.imul(this.#digest ^ value, 0x01000193);
  }

  onStep(check: () => void): void {
    this.#checks.push(check);
  }

  /** Makes the run fail at the end of the current event, even when the caller sits inside a node that swallows errors. */
  fail(cause: unknown): void {
    this.#failure ??= cause;
  }

  after(
    delayMs: number,
    run: () => void,
    host: Host | null = null,
    incarnation: number = anyIncarnation,
    isTimer = false,
  ): TimerHandle {
    // A delay of less than nothing is none; NaN would break the order of the heap.
    const atMs = delayMs > 0 ? toTick(this.#nowMs + delayMs) : this.#nowMs;
    return this.#schedule.add(atMs, run, host, incarnation, this.tracer?.cause ?? null, isTimer);
  }

  /** Something has come in for the process of a host: it is handled now, or waits in the socket until the process gets to it. */
  receive(host: Host, bytes: number, run: () => void): void {
    if (host.isHeld || host.blocked || host.slowMs > 0) this.#wait(host, host.received, bytes, run);
    else run();
  }

  /** The process of a host sends something; it leaves the host now, or waits in the socket while the host is blocked. */
  transmit(host: Host, bytes: number, run: () => void): void {
    if (host.blocked) this.#wait(host, host.unsent, bytes, run);
    else run();
  }

  /**
   * Events held for a host become due now, in the order in which an event loop comes to them: its timers in the order they were
   * due, then what has come in meanwhile in the order it came.
   */
  release(host: Host): void {
    const held = this.#held.get(host) ?? [];
    this.#held.delete(host);
    for (const turn of [true, false]) {
      for (const event of held) {
        if (event.run === null || event.isTimer !== turn) continue;
        // The handle its owner may cancel is the old event: the new one asks it first.
        const moved = (): void => event.run?.();
        this.#schedule.add(this.#nowMs, moved, event.host, event.incarnation, event.cause, event.isTimer);
      }
    }
  }

  /** Takes the next event that is due by `limitMs`; false when there is none. */
  step(limitMs: number): boolean {
    if (this.#failure !== null) throw this.#raise();
    for (;;) {
      if (this.#schedule.nextAtMs > limitMs) return false;
      const event = this.#schedule.pop();
      if (event === undefined) return false;
      if (event.run === null) continue;
      if (this.#isPutOff(event)) continue;
      this.#fire(event, event.run);
      return true;
    }
  }

  advanceTo(atMs: number): void {
    if (atMs > this.#nowMs) this.#nowMs = atMs;
  }

  /** True for an event that dies with its process, waits for a paused or starved one, or for a slow one. */
  #isPutOff(event: Scheduled): boolean {
    const { host } = event;
    if (host === null) return false;
    if (event.incarnation !== anyIncarnation && !host.runs(event.incarnation)) return true;
    if (host.isHeld) {
      this.#hold(host, event);
      return true;
    }
    if (host.slowMs > 0 && !event.waited) {
      host.readyAtMs = toTick(Math.max(host.readyAtMs, event.atMs) + this.prng.exponential(host.slowMs));
      const late = (): void => event.run?.();
      this.#schedule.add(host.readyAtMs, late, host, event.incarnation, event.cause, event.isTimer, true);
      return true;
    }
    return false;
  }

  #wait(host: Host, buffer: SocketBuffer, bytes: number, run: () => void): void {
    if (!buffer.take(bytes)) return this.counters.add('droppedByBuffer');
    const handle = (): void => {
      buffer.give(bytes);
      // Blocked once more, or still, where it was paused besides.
      if (host.blocked) this.#wait(host, buffer, bytes, run);
      else run();
    };
    const cause = this.tracer?.cause ?? null;
    if (host.blocked) this.#hold(host, new Scheduled(this.#nowMs, 0, handle, host, anyIncarnation, cause));
    else this.#schedule.add(this.#nowMs, handle, host, anyIncarnation, cause);
  }

  #hold(host: Host, event: Scheduled): void {
    const held = this.#held.get(host);
    if (held === undefined) this.#held.set(host, [event]);
    else held.push(event);
  }

  #fire(event: Scheduled, run: () => void): void {
    this.#sameInstant = event.atMs === this.#nowMs ? this.#sameInstant + 1 : 0;
    if (event.atMs > this.#nowMs) this.#nowMs = event.atMs;
    this.#steps++;
    this.#digest = Math.imul(this.#digest ^ (event.atMs * 4096), 0x01000193) ^ (event.host?.id ?? -1);
    event.run = null;
    try {
      if (this.#sameInstant > eventsAtOneInstantMax) {
        throw new InvariantBroken('time moves on', `${eventsAtOneInstantMax} events at ${this.#nowMs} ms`);
      }
      if (this.tracer === undefined) run();
      else this.tracer.within(event.cause, run);
      if (this.#failure === null) for (const check of this.#checks) check();
    } catch (error) {
      this.#failure ??= error;
    }
    if (this.#failure !== null) throw this.#raise();
  }

  #raise(): SimulationFailure {
    const cause = this.#failure;
    if (cause instanceof SimulationFailure) return cause;
    return new SimulationFailure({ seed: this.seed, atMs: this.#nowMs, step: this.#steps, cause });
  }
}
