/** The life-cycle as a core: commands and completions in, what to do out. */
import {
  MachineInstance,
  packPlain,
  type InstanceCheckpoint,
  type ProtocolCore,
  type Sink,
  Stepper,
  type TimerInput,
  unpackPlain,
} from '@cluster/core';
import {
  type Command,
  type LifecycleEvent,
  type LifecycleInput,
  lifecycleMachine,
} from './lifecycle.machine.ts';

export type LifecycleEffect =
  | { readonly type: 'openComponents' }
  | { readonly type: 'contactSeeds' }
  | { readonly type: 'announceLeave' }
  | { readonly type: 'closeComponents' }
  | { readonly type: 'setGate'; readonly open: boolean }
  | { readonly type: 'refuse'; readonly command: Command; readonly state: string }
  | { readonly type: 'stateChanged'; readonly state: string };

const stepper = new Stepper(lifecycleMachine);

export class LifecycleCore implements ProtocolCore<LifecycleEvent, LifecycleEffect> {
  readonly #input: LifecycleInput;
  readonly #machine: MachineInstance<typeof lifecycleMachine, LifecycleEffect>;
  #started = false;

  constructor(input: LifecycleInput) {
    this.#input = input;
    this.#machine = new MachineInstance(
      'lifecycle',
      stepper,
      (action, _nowMs, out: Sink<LifecycleEffect>) => {
        switch (action.type) {
          case 'openGate':
            return out.emit({ type: 'setGate', open: true });
          case 'closeGate':
            return out.emit({ type: 'setGate', open: false });
          case 'refuse':
            return out.emit({ type: 'refuse', command: action.params.command, state: this.#machine.state });
          case 'openComponents':
          case 'contactSeeds':
          case 'announceLeave':
          case 'closeComponents':
            return out.emit({ type: action.type });
        }
      },
    );
  }

  get state(): string {
    return this.#started ? this.#machine.state : 'created';
  }

  handle(input: LifecycleEvent | TimerInput, nowMs: number, out: Sink<LifecycleEffect>): void {
    if (!this.#started) {
      this.#machine.start(this.#input, nowMs, out);
      this.#started = true;
    }
    const before = this.#machine.state;
    if (input.type === 'TIMER') this.#machine.fire(input.timer, nowMs, out);
    else this.#machine.send(input, nowMs, out);
    const { state } = this.#machine;
    if (state !== before) out.emit({ type: 'stateChanged', state });
  }

  checkpoint(): Uint8Array {
    return packPlain(this.#started ? this.#machine.checkpoint() : null);
  }

  restore(bytes: Uint8Array): void {
    const checkpoint = unpackPlain(bytes) as InstanceCheckpoint | null;
    if (checkpoint === null) return;
    this.#started = true;
    this.#machine.restore(checkpoint);
  }
}
