/** A trace to walk: two lamps, of which the first wakes the second, which then breaks and begins anew. */
import { assign, setup } from 'xstate';
import {
  type Clock,
  Driver,
  effect,
  encodeTrace,
  ListRecorder,
  MachineInstance,
  MachineTable,
  type ProtocolCore,
  type Sink,
  Stepper,
  type TimerInput,
  type TraceHeader,
  Tracer,
} from '@cluster/core';

const lampMachine = setup({
  types: { context: {} as { blinks: number }, events: {} as { type: 'ON' } | { type: 'OFF' } },
  actions: {
    shine: effect<{ blinks: number }>(),
    count: assign({ blinks: ({ context }) => context.blinks + 1 }),
  },
  guards: { isTired: ({ context }) => context.blinks >= 6 },
  delays: { rhythm: 10, warmUp: 1 },
}).createMachine({
  id: 'toy.lamp',
  context: { blinks: 0 },
  initial: 'dark',
  states: {
    dark: { on: { ON: 'lit' } },
    lit: {
      entry: ['count', { type: 'shine', params: ({ context }) => ({ blinks: context.blinks }) }],
      after: {
        rhythm: [
          { guard: 'isTired', target: 'dark' },
          { target: 'lit', reenter: true },
        ],
      },
      on: { OFF: 'dark' },
    },
  },
});
const mothMachine = setup({ types: { events: {} as { type: 'LIGHT' } } }).createMachine({
  id: 'toy.moth',
  initial: 'resting',
  states: { resting: { on: { LIGHT: 'circling' } }, circling: {} },
});

type Input =
  | { readonly type: 'START' }
  | { readonly type: 'ON'; readonly payload: Uint8Array }
  | { readonly type: 'GO_AWAY' };
type Effect = { readonly type: 'shine'; readonly blinks: number } | { readonly type: 'wake' };

class LampCore implements ProtocolCore<Input, Effect> {
  readonly #lamp = new MachineInstance<typeof lampMachine, Effect>(
    'lamp',
    new Stepper(lampMachine),
    (action, nowMs, out) => {
      if (action.type !== 'shine') return;
      out.emit({ type: 'shine', blinks: action.params.blinks });
      if (action.params.blinks === 1) {
        out.emit({ type: 'wake' });
        this.#moths.send('moth1', { type: 'LIGHT' }, nowMs, out);
      }
    },
  );
  readonly #moths = new MachineTable<typeof mothMachine, Effect>(
    'moth',
    new Stepper(mothMachine),
    () => undefined,
  );

  handle(input: Input | TimerInput, nowMs: number, out: Sink<Effect>): void {
    if (input.type === 'START') {
      this.#lamp.start(undefined, nowMs, out);
      this.#moths.add('moth1', nowMs, out);
      out.emit({ type: 'setTimer', timer: 'watch', delayMs: 100 });
    }
    if (input.type === 'ON') this.#lamp.send({ type: 'ON' }, nowMs, out);
    if (input.type === 'TIMER') this.#lamp.fire(input.timer, nowMs, out);
    if (input.type === 'GO_AWAY') this.#moths.remove('moth1', out);
  }
  checkpoint(): Uint8Array {
    return new Uint8Array();
  }
  restore(): void {}
}

class ToyClock implements Clock {
  readonly #timers = new Set<{ readonly dueMs: number; readonly fire: () => void }>();
  #nowMs = 0;
  nowMs(): number {
    return this.#nowMs;
  }
  setTimer(delayMs: number, fire: () => void) {
    const timer = { dueMs: this.#nowMs + delayMs, fire };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }
  runUntil(ms: number): void {
    for (;;) {
      const [next] = [...this.#timers]
        .filter(({ dueMs }) => dueMs <= ms)
        .toSorted((a, b) => a.dueMs - b.dueMs);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#nowMs = next.dueMs;
      next.fire();
    }
    this.#nowMs = ms;
  }
}

export const toyHeader: TraceHeader = {
  kind: 'header',
  format: 'cluster-trace',
  version: 1,
  versions: { '@cluster/cli': '0.0.0' },
  config: {},
  seed: 7,
  note: 'two lamps and a moth',
};

export function toyTrace(): string {
  const recorder = new ListRecorder();
  const tracer = new Tracer({ sink: recorder, checkpointEvery: 3 });
  const clock = new ToyClock();
  const lamp = (node: string, wake: () => void): Driver<Input, Effect> =>
    new Driver({
      node,
      name: 'lamp:0',
      core: new LampCore(),
      clock,
      execute: ({ type }) => (type === 'wake' ? wake() : undefined),
      onBug: (error) => {
        throw error;
      },
      tracer,
    });
  const on = { type: 'ON', payload: Uint8Array.of(1, 2, 255) } as const;
  const first = lamp('n1', () => second.dispatch(on));
  let second = lamp('n2', () => undefined);
  first.dispatch({ type: 'START' });
  second.dispatch({ type: 'START' });
  clock.runUntil(5);
  first.dispatch(on);
  clock.runUntil(12);
  first.dispatch(on);
  // The second is killed and begins anew.
  second.stop();
  second = lamp('n2', () => undefined);
  clock.runUntil(20);
  second.dispatch({ type: 'START' });
  first.dispatch({ type: 'GO_AWAY' });
  clock.runUntil(200);
  return encodeTrace([toyHeader, ...recorder.records]);
}
