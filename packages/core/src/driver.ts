/**
 * Runs a core: hands it inputs one at a time, arms its timers, has its effects executed, and records every step.
 *
 * The driver is the same in production and in the simulator; only the clock and `execute` differ.
 */
import type { ProtocolCore, Sink, TimerEffect, TimerInput, Typed } from './core.ts';
import type { Clock, TimerHandle } from './ports.ts';
import type { MachineStep } from './stepper.ts';
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

export class Driver<I extends Typed, E extends Typed> {
  readonly #options: DriverOptions<I, E>;
  readonly #timers = new Map<string, TimerHandle>();
  readonly #waiting: { readonly input: I | TimerInput; readonly cause: number | null }[] = [];
  readonly #sink: Sink<E>;
  // While a step is being recorded.
  #effects: (E | TimerEffect)[] = [];
  #machines: MachineStep[] = [];
  #busy = false;
  #stopped = false;
  #lastMs = -Infinity;

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
    tracer?.checkpoint(options.node, options.name, options.core, options.clock.nowMs());
  }

  get core(): ProtocolCore<I, E> {
    return this.#options.core;
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
    this.#waiting.length = 0;
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }

  #step(input: I | TimerInput, cause: number | null): void {
    const { core, clock, tracer, node, name, onBug } = this.#options;
    // The port promises a monotonic clock; a core is promised one even so.
    const nowMs = Math.max(this.#lastMs, clock.nowMs());
    this.#lastMs = nowMs;
    const handle = (): void => core.handle(input, nowMs, this.#sink);
    try {
      if (!tracer) return handle();
      const seq = tracer.begin();
      try {
        tracer.within(seq, handle);
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
      tracer.checkpointIfDue(node, name, core, seq, nowMs);
    } catch (error) {
      this.stop();
      onBug(error);
    }
  }

  #execute(effect: E | TimerEffect): void {
    if (this.#stopped) return;
    switch (effect.type) {
      case 'setTimer':
        return this.#setTimer(effect as Extract<TimerEffect, { type: 'setTimer' }>);
      case 'cancelTimer': {
        const { timer } = effect as Extract<TimerEffect, { type: 'cancelTimer' }>;
        this.#timers.get(timer)?.cancel();
        this.#timers.delete(timer);
        return;
      }
      default:
        this.#options.execute(effect as E);
    }
  }

  #setTimer({ timer, delayMs }: { readonly timer: string; readonly delayMs: number }): void {
    const { clock, tracer } = this.#options;
    const cause = tracer?.cause ?? null;
    this.#timers.get(timer)?.cancel();
    const fire = (): void => {
      this.#timers.delete(timer);
      const input: TimerInput = { type: 'TIMER', timer };
      if (tracer) tracer.within(cause, () => this.dispatch(input));
      else this.dispatch(input);
    };
    this.#timers.set(timer, clock.setTimer(delayMs, fire));
  }
}
