/**
 * Numbers the steps of one process (or of a whole simulated world), knows which step is the cause of what happens now, and
 * decides when a checkpoint is worth its bytes.
 */
import type { ProtocolCore, Typed } from './core.ts';
import type { TraceSink, TraceStep, TraceTimer } from './trace.ts';

export interface TracerOptions {
  readonly sink: TraceSink;
  /** Steps of a core between two of its checkpoints, at the least. Default 256. */
  readonly checkpointEvery?: number;
  /**
   * A core whose checkpoint once took more bytes than this is not checkpointed any more: on a live node the work would stall it.
   * Its steps are still recorded. Default: no limit.
   */
  readonly checkpointBytesMax?: number;
}

// A core with a large state is checkpointed more rarely, so that checkpoints cost at most this many bytes a step.
const checkpointBytesPerStep = 64;

export class Tracer {
  readonly #sink: TraceSink;
  readonly #every: number;
  readonly #bytesMax: number;
  #seq = 0;
  #cause: number | null = null;

  constructor(options: TracerOptions) {
    this.#sink = options.sink;
    this.#every = options.checkpointEvery ?? 256;
    this.#bytesMax = options.checkpointBytesMax ?? Infinity;
  }

  /** The step whose effects are being carried out just now; null outside of any. */
  get cause(): number | null {
    return this.#cause;
  }

  /** Runs `body` as a consequence of a step: a network delivers a message within the step that sent it. */
  within(cause: number | null, body: () => void): void {
    const outer = this.#cause;
    this.#cause = cause;
    try {
      body();
    } finally {
      this.#cause = outer;
    }
  }

  /** The number of the step that begins now. */
  begin(): number {
    return ++this.#seq;
  }

  step(record: TraceStep): void {
    this.#sink.record(record);
  }

  /**
   * Records the state of a core after its latest step.
   *
   * @returns after how many more steps of this core the next checkpoint is due.
   */
  checkpoint<I extends Typed, E extends Typed>(
    node: string,
    name: string,
    core: ProtocolCore<I, E>,
    t: number,
    timers: readonly TraceTimer[] = [],
    begins = false,
  ): number {
    const state = core.checkpoint();
    this.#sink.record({ kind: 'checkpoint', seq: this.#seq, t, node, core: name, state, begins, timers });
    if (state.length > this.#bytesMax) return Infinity;
    return Math.max(this.#every, Math.ceil(state.length / checkpointBytesPerStep));
  }
}
