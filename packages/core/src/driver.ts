/**
 * Runs a core: hands it inputs one at a time, arms its timers, has its effects executed, and records every step.
 *
 * The driver is the same in production and in the simulator; only the clock and `execute` differ.
 */
import type { ProtocolCore, Sink, TimerEffect, TimerInput, Typed } from './core.ts';
import type { Clock, TimerHandle } from './ports.ts';
import type { MachineStep } from './stepper.ts';
import type { TraceCheckpoint, TraceTimer } from './trace.ts';
import type { Tracer } from './tracer.ts';

export interface DriverOptions<I extends Typed, E extends Typed> {
  /** Name of the node, for the trace. */
  readonly node: string;
  /** Name of the core within the node, e.g. `raft:0`. */
  readonly name: string;
  readonly core: ProtocolCore<I, E>;
  readonly clock: Clock;
  /** Carries an effect out. Completions come back through `dispatch`, at once or later. */
  readonly execute: (effect: E) => void;
  /** The core threw: a bug. The driver has stopped; the owner closes what it holds and says so. */
  readonly onBug: (error: unknown) => void;
  readonly tracer?: Tracer | undefined;
}

interface ArmedTimer {
  readonly dueMs: number;
  readonly handle: TimerHandle;
}

export class Driver<I extends Typed, E extends Typed> {
  readonly #options: DriverOptions<I, E>;
  readonly #timers = new Map<string, ArmedTimer>();
  readonly #waiting: { readonly input: I | TimerInput; readonly cause: number | null }[] = [];
  readonly #sink: Sink<E>;
  // While a step is being recorded.
  #effects: (E | TimerEffect)[] = [];
  #machines: MachineStep[] = [];
  #busy = false;
  #stopped = false;
  #lastMs = -Infinity;
  #untilCheckpoint = 0;

  constructor(options: DriverOptions<I, E>) {
    this.#options = options;
    const tracer = options.tracer;
    this.#sink = {
      observer: tracer ? { onMachineStep: (step) => void this.#machines.push(step) } : null,
      emit: (effect) => {
        if (tracer) this.#effects.push(effect);
        this.#execute(effect);
      },
    };
    this.#checkpoint(options.clock.nowMs(), true);
  }

  get core(): ProtocolCore<I, E> {
    return this.#options.core;
  }

  /** The timers that are armed, in the order they were. */
  pendingTimers(): readonly TraceTimer[] {
    return [...this.#timers].map(([timer, { dueMs }]) => ({ timer, dueMs }));
  }

  /**
   * Continues from a checkpoint of the trace: restores the core and arms the timers it waited for. The clock has to continue
   * the recorded time; a timer that is overdue by it fires at once.
   */
  resume({ state, timers }: Pick<TraceCheckpoint, 'state' | 'timers'>): void {
    this.#cancelTimers();
    this.#options.core.restore(state);
    const nowMs = this.#now();
    for (const { timer, dueMs } of timers) this.#setTimer(timer, Math.max(0, dueMs - nowMs));
    this.#checkpoint(nowMs, true);
  }

  /** Hands the core an input, after those already waiting. Ignored once stopped. */
  dispatch(input: I | TimerInput): void {
    if (this.#stopped) return;
    const cause = this.#options.tracer?.cause ?? null;
    if (this.#busy) {
      this.#waiting.push({ input, cause });
      return;
    }
    this.#busy = true;
    this.#step(input, cause);
    // #stopped changes inside #step, by an effect or a bug.
    while (!this.#stopped) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#step(next.input, next.cause);
    }
    this.#busy = false;
  }

  /** Cancels all timers and ignores every later input. Idempotent. */
  stop(): void {
    this.#stopped = true;
    this.#cancelTimers();
  }

  #cancelTimers(): void {
    for (const { handle } of this.#timers.values()) handle.cancel();
    this.#timers.clear();
  }

  /** The port promises a monotonic clock; a core is promised one even so. */
  #now(): number {
    this.#lastMs = Math.max(this.#lastMs, this.#options.clock.nowMs());
    return this.#lastMs;
  }

  #checkpoint(nowMs: number, begins = false): void {
    const { tracer, node, name, core } = this.#options;
    if (tracer)
      this.#untilCheckpoint = tracer.checkpoint(node, name, core, nowMs, this.pendingTimers(), begins);
  }

  #step(input: I | TimerInput, cause: number | null): void {
    const { core, tracer, node, name, onBug } = this.#options;
    const nowMs = this.#now();
    try {
      if (!tracer) return core.handle(input, nowMs, this.#sink);
      const seq = tracer.begin();
      try {
        tracer.within(seq, () => core.handle(input, nowMs, this.#sink));
      } finally {
        tracer.step({
          kind: 'step',
          seq,
          t: nowMs,
          node,
          core: name,
          input,
          cause,
          machines: this.#machines,
          effects: this.#effects,
        });
        this.#machines = [];
        this.#effects = [];
      }
      if (--this.#untilCheckpoint <= 0) this.#checkpoint(nowMs);
    } catch (error) {
      this.stop();
      onBug(error);
    }
  }

  #execute(effect: E | TimerEffect): void {
    if (this.#stopped) return;
    switch (effect.type) {
      case 'setTimer': {
        const { timer, delayMs } = effect as Extract<TimerEffect, { type: 'setTimer' }>;
        return this.#setTimer(timer, delayMs);
      }
      case 'cancelTimer': {
        const { timer } = effect as Extract<TimerEffect, { type: 'cancelTimer' }>;
        this.#timers.get(timer)?.handle.cancel();
        this.#timers.delete(timer);
        return;
      }
      default:
        this.#options.execute(effect as E);
    }
  }

  #setTimer(timer: string, delayMs: number): void {
    const { clock, tracer } = this.#options;
    const cause = tracer?.cause ?? null;
    this.#timers.get(timer)?.handle.cancel();
    const fire = (): void => {
      this.#timers.delete(timer);
      const input: TimerInput = { type: 'TIMER', timer };
      if (tracer) tracer.within(cause, () => this.dispatch(input));
      else this.dispatch(input);
    };
    // Removed first, so that an armed-again timer counts as the youngest.
    this.#timers.delete(timer);
    const handle = clock.setTimer(delayMs, fire);
    this.#timers.set(timer, { dueMs: this.#lastMs + delayMs, handle });
  }
}
