/** A small protocol for the tests: a lamp that blinks when asked, at a drawn rhythm, and greets its neighbour. */
import { assign, setup } from 'xstate';
import {
  type ActionOf,
  effect,
  type InstanceCheckpoint,
  MachineInstance,
  packPlain,
  Prng,
  type PrngState,
  type ProtocolCore,
  type Sink,
  Stepper,
  type TimerInput,
  unpackPlain,
} from '@cluster/core';

export const lampMachine = setup({
  types: {
    context: {} as { blinks: number; rhythmMs: number },
    events: {} as { type: 'ON' } | { type: 'OFF' },
    input: {} as { rhythmMs: number },
  },
  actions: {
    shine: effect<{ blinks: number }>(),
    count: assign({ blinks: ({ context }) => context.blinks + 1 }),
  },
  delays: { rhythm: ({ context }) => context.rhythmMs },
}).createMachine({
  id: 'toy.lamp',
  context: ({ input }) => ({ blinks: 0, rhythmMs: input.rhythmMs }),
  initial: 'dark',
  states: {
    dark: { on: { ON: 'lit' } },
    lit: {
      entry: ['count', { type: 'shine', params: ({ context }) => ({ blinks: context.blinks }) }],
      after: { rhythm: { target: 'lit', reenter: true } },
      on: { OFF: 'dark' },
    },
  },
});

export type LampInput =
  | { readonly type: 'START' }
  | { readonly type: 'ON' }
  | { readonly type: 'OFF' }
  | { readonly type: 'BREAK' };
export type LampEffect =
  | { readonly type: 'shine'; readonly blinks: number; readonly colour: number }
  | { readonly type: 'greet' };

const stepper = new Stepper(lampMachine);

export class LampCore implements ProtocolCore<LampInput, LampEffect> {
  readonly #lamp: MachineInstance<typeof lampMachine, LampEffect>;
  readonly #prng: Prng;
  readonly #shift: number;

  /** @param shift added to the rhythm: a core of another version, which a replay must notice. */
  constructor(seed: number, shift = 0) {
    this.#prng = Prng.fromSeed(seed);
    this.#shift = shift;
    this.#lamp = new MachineInstance('lamp', stepper, this.#perform);
  }

  handle(input: LampInput | TimerInput, nowMs: number, out: Sink<LampEffect>): void {
    switch (input.type) {
      case 'START':
        this.#lamp.start({ rhythmMs: this.#prng.between(10, 20) + this.#shift }, nowMs, out);
        break;
      case 'ON':
      case 'OFF':
        this.#lamp.send(input, nowMs, out);
        break;
      case 'TIMER':
        this.#lamp.fire(input.timer, nowMs, out);
        break;
      case 'BREAK':
        throw new Error('the lamp broke');
    }
  }

  get state(): string {
    return this.#lamp.state;
  }

  checkpoint(): Uint8Array {
    const started = this.#lamp.started ? this.#lamp.checkpoint() : null;
    return packPlain({ prng: this.#prng.state, lamp: started });
  }

  restore(bytes: Uint8Array): void {
    const { prng, lamp } = unpackPlain(bytes) as { prng: PrngState; lamp: InstanceCheckpoint | null };
    this.#prng.restore(prng);
    if (lamp) this.#lamp.restore(lamp);
  }

  readonly #perform = (action: ActionOf<typeof lampMachine>, _nowMs: number, out: Sink<LampEffect>): void => {
    if (action.type !== 'shine') return;
    out.emit({ type: 'shine', blinks: action.params.blinks, colour: this.#prng.below(100) });
    if (action.params.blinks === 3) out.emit({ type: 'greet' });
  };
}
