import type { AnyStateMachine, EventFromLogic, InputFrom } from 'xstate';
import { MachineInstance, type Sink, Stepper } from '@cluster/core';

interface Said {
  readonly type: string;
  readonly params?: unknown;
}

/** A machine under test: events in, what it says out, its timers fired by name. */
export class MachineDriver<M extends AnyStateMachine> {
  readonly #machine: MachineInstance<M, Said>;
  readonly #out: Sink<Said>;
  #said: string[] = [];
  readonly #timers = new Map<string, number>();
  params: Record<string, unknown> = {};

  constructor(machine: M, input: InputFrom<M>) {
    this.#out = {
      observer: null,
      emit: (effect) => {
        const timer = effect as { type: string; timer: string; delayMs: number };
        if (effect.type === 'setTimer') this.#timers.set(timer.timer, timer.delayMs);
        else if (effect.type === 'cancelTimer') this.#timers.delete(timer.timer);
        else this.#said.push(effect.type);
      },
    };
    this.#machine = new MachineInstance<M, Said>('m', new Stepper(machine), (action, _nowMs, out) => {
      const { type, params } = action as Said;
      if (params !== undefined) this.params[type] = params;
      out.emit({ type });
    });
    this.#machine.start(input, 0, this.#out);
  }

  get state(): string {
    return this.#machine.state;
  }

  get context(): unknown {
    return this.#machine.context;
  }

  /** Delays of the timers that run, by the name of the delay. */
  get timers(): Record<string, number> {
    return Object.fromEntries(
      [...this.#timers].map(([timer, delayMs]) => [timer.split('.')[2] ?? timer, delayMs]),
    );
  }

  /** Sends events; returns the actions of all of them. */
  send(...events: EventFromLogic<M>[]): string[] {
    this.#said = [];
    this.params = {};
    for (const event of events) this.#machine.send(event, 0, this.#out);
    return this.#said;
  }

  /** Fires the timer of a named delay; returns the actions. */
  fire(delay: string): string[] {
    this.#said = [];
    this.params = {};
    const timer = [...this.#timers.keys()].find((name) => name.split('.')[2] === delay);
    if (timer === undefined) throw new Error(`no timer ${delay} runs in ${this.state}`);
    this.#timers.delete(timer);
    this.#machine.fire(timer, 0, this.#out);
    return this.#said;
  }
}
