/**
 * The shape of a protocol without I/O.
 *
 * A core is a deterministic function of its inputs: decoded messages, fired timers, completions of what it asked for, and
 * commands. What it wants done goes to a sink as plain data. Nothing here waits, reads a clock or draws randomness from
 * outside, so the same core runs on sockets, in the simulator and in a browser, and a recording of its inputs is its replay.
 */
import type { MachineObserver } from './stepper.ts';

/** A timer the core armed has fired. */
export interface TimerInput {
  readonly type: 'TIMER';
  readonly timer: string;
}

/** Arming a timer that is already armed replaces it; cancelling one that is not is no error. */
export type TimerEffect =
  | { readonly type: 'setTimer'; readonly timer: string; readonly delayMs: number }
  | { readonly type: 'cancelTimer'; readonly timer: string };

export interface Typed {
  readonly type: string;
}

/** Where a core's effects go, in the order they must happen. */
export interface Sink<E extends Typed> {
  emit(effect: E | TimerEffect): void;
  /** Told of every machine step while somebody is watching; null otherwise, so that recording costs nothing when off. */
  readonly observer: MachineObserver | null;
}

export interface ProtocolCore<I extends Typed, E extends Typed> {
  /** @param nowMs monotonic milliseconds, never decreasing from call to call. */
  handle(input: I | TimerInput, nowMs: number, out: Sink<E>): void;
  /** The whole state, such that `restore` in a fresh core of the same configuration behaves identically from here on. */
  checkpoint(): Uint8Array;
  restore(bytes: Uint8Array): void;
}
