/** Drives one machine by hand: events in, named actions and timers out. */
import { MachineInstance, MachineTable, type Sink, Stepper, type TimerEffect } from '@cluster/core';
import type { AnyStateMachine, EventFromLogic, InputFrom } from 'xstate';

interface Act {
  readonly type: string;
  readonly params?: unknown;
}

interface Machine<M extends AnyStateMachine> {
  send(event: EventFromLogic<M>, nowMs: number, out: Sink<Act>): void;
  fire(timer: string, nowMs: number, out: Sink<Act>): boolean;
  state(): string;
}

export class Rig<M extends AnyStateMachine> {
  readonly #machine: Machine<M>;
  readonly #armed = new Map<string, number>();
  readonly #acts: Act[] = [];
  readonly #out: Sink<Act>;

  private constructor(make: (out: Sink<Act>) => Machine<M>) {
    this.#out = { observer: null, emit: (effect) => this.#take(effect) };
    this.#machine = make(this.#out);
  }

  static instance<M extends AnyStateMachine>(machine: M, input?: InputFrom<M>): Rig<M> {
    return new Rig<M>((out) => {
      const instance = new MachineInstance<M, Act>('it', new Stepper(machine), (action, _now, to) =>
        to.emit(action),
      );
      instance.start(input as InputFrom<M>, 0, out);
      return {
        send: (event, nowMs, to) => instance.send(event, nowMs, to),
        fire: (timer, nowMs, to) => instance.fire(timer, nowMs, to),
        state: () => instance.state,
      };
    });
  }

  static entity<M extends AnyStateMachine>(machine: M): Rig<M> {
    return new Rig<M>((out) => {
      const table = new MachineTable<M, Act>('its', new Stepper(machine), (_entity, action, _now, to) =>
        to.emit(action),
      );
      table.add('x', 0, out);
      return {
        send: (event, nowMs, to) => table.send('x', event, nowMs, to),
        fire: (timer, nowMs, to) => table.fire(timer, nowMs, to),
        state: () => table.state('x') ?? 'gone',
      };
    });
  }

  get state(): string {
    return this.#machine.state();
  }

  /** Delays of the timers that run, in ms. */
  get timers(): number[] {
    return [...this.#armed.values()];
  }

  /** Sends an event; gives the names of the actions performed. */
  send(event: EventFromLogic<M>): string[] {
    this.#acts.length = 0;
    this.#machine.send(event, 0, this.#out);
    return this.acts.map(({ type }) => type);
  }

  /** Fires the only timer that runs. */
  elapse(): string[] {
    const [timer] = this.#armed.keys();
    if (timer === undefined || this.#armed.size !== 1)
      throw new Error(`${this.#armed.size} timers are running`);
    this.#armed.delete(timer);
    this.#acts.length = 0;
    this.#machine.fire(timer, 0, this.#out);
    return this.acts.map(({ type }) => type);
  }

  /** Fires the timer that was armed with this delay. */
  elapseAfter(delayMs: number): string[] {
    const timer = [...this.#armed].find(([, delay]) => delay === delayMs)?.[0];
    if (timer === undefined) throw new Error(`no timer of ${delayMs} ms is running`);
    this.#armed.delete(timer);
    this.#acts.length = 0;
    this.#machine.fire(timer, 0, this.#out);
    return this.acts.map(({ type }) => type);
  }

  /** What the last event made it do. */
  get acts(): readonly Act[] {
    return [...this.#acts];
  }

  #take(effect: Act | TimerEffect): void {
    if (effect.type === 'setTimer')
      this.#armed.set((effect as { timer: string }).timer, (effect as { delayMs: number }).delayMs);
    else if (effect.type === 'cancelTimer') this.#armed.delete((effect as { timer: string }).timer);
    else this.#acts.push(effect);
  }
}
