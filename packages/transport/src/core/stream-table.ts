/** The machines of all streams, one code each. */
import { MachineTable, type Sink, Stepper, type TableCheckpoint } from '@cluster/core';
import type { TransportEffect, TransportInput } from './protocol.ts';
import { streamMachine } from './stream.machine.ts';

type StreamInput = Extract<TransportInput, { readonly type: 'STREAM' }>;

const stepper = new Stepper(streamMachine);

export class StreamTable {
  readonly #table = new MachineTable<typeof streamMachine, TransportEffect>(
    'stream',
    stepper,
    (stream, action, _nowMs, out) => out.emit({ type: 'stream', stream, action }),
  );

  handle({ stream, event }: StreamInput, nowMs: number, out: Sink<TransportEffect>): void {
    if (event === null) {
      this.#table.add(stream, nowMs, out);
      return;
    }
    // Over on this side before the peer, or the user, could know.
    if (!this.#table.has(stream)) return;
    this.#table.send(stream, event, nowMs, out);
    if (this.#table.state(stream) === 'closed') this.#table.remove(stream, out);
  }

  checkpoint(): TableCheckpoint {
    return this.#table.checkpoint();
  }

  restore(checkpoint: TableCheckpoint): void {
    this.#table.restore(checkpoint);
  }
}
