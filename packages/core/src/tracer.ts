/**
 * Numbers the steps of one process (or of a whole simulated world), knows which step is the cause of what happens now, and
 * decides when a checkpoint is worth its bytes.
 */
import type { ProtocolCore, Typed } from './core.ts';
import type { TraceCheckpoint, TraceHeader, TraceRecord, TraceSink, TraceStep } from './trace.ts';

export interface TracerOptions {
  readonly sink: TraceSink;
  /** Steps of a core between two of its checkpoints, at the least. Default 256. */
  readonly checkpointEvery?: number;
}

// A core with a large state is checkpointed more rarely, so that checkpoints cost at most this many bytes a step.
const checkpointBytesPerStep = 64;

export class Tracer {
  readonly #sink: TraceSink;
  readonly #every: number;
  readonly #due = new Map<string, number>();
  #seq = 0;
  #cause: number | null = null;

  constructor(options: TracerOptions) {
    this.#sink = options.sink;
    this.#every = options.checkpointEvery ?? 256;
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

  checkpoint<I extends Typed, E extends Typed>(
    node: string,
    name: string,
    core: ProtocolCore<I, E>,
    t: number,
    seq: number = this.#seq,
  ): void {
    const state = core.checkpoint();
    this.#sink.record({ kind: 'checkpoint', seq, t, node, core: name, state });
    const steps = Math.max(this.#every, Math.ceil(state.length / checkpointBytesPerStep));
    this.#due.set(`${node}/${name}`, this.#seq + steps);
  }

  checkpointIfDue<I extends Typed, E extends Typed>(
    node: string,
    name: string,
    core: ProtocolCore<I, E>,
    seq: number,
    t: number,
  ): void {
    if (seq >= (this.#due.get(`${node}/${name}`) ?? 0)) this.checkpoint(node, name, core, t, seq);
  }
}

/**
 * The last records of a live node, in bounded memory: a ring of references that is turned into text only when asked for.
 * The latest checkpoint that precedes the ring is kept beside it, so that what is dumped can be replayed.
 */
export class RingRecorder implements TraceSink {
  readonly #capacity: number;
  readonly #ring: (TraceStep | TraceCheckpoint)[] = [];
  readonly #fallen = new Map<string, TraceCheckpoint>();
  #next = 0;
  #dropped = 0;

  /** @param capacity records kept; default 4,096. */
  constructor(capacity = 4096) {
    this.#capacity = capacity;
  }

  /** Records that have fallen out of the ring. */
  get dropped(): number {
    return this.#dropped;
  }

  record(record: TraceStep | TraceCheckpoint): void {
    if (this.#ring.length < this.#capacity) {
      this.#ring.push(record);
      return;
    }
    const old = this.#ring[this.#next];
    if (old?.kind === 'checkpoint') this.#fallen.set(`${old.node}/${old.core}`, old);
    this.#ring[this.#next] = record;
    this.#next = (this.#next + 1) % this.#capacity;
    this.#dropped++;
  }

  /** The records in order, behind a header. */
  *dump(header: TraceHeader): Generator<TraceRecord> {
    yield header;
    yield* this.#fallen.values();
    for (let i = 0; i < this.#ring.length; i++) {
      yield this.#ring[(this.#next + i) % this.#ring.length] as TraceStep | TraceCheckpoint;
    }
  }
}

/** Keeps every record: for the simulator and for tests. */
export class ListRecorder implements TraceSink {
  readonly records: (TraceStep | TraceCheckpoint)[] = [];

  record(record: TraceStep | TraceCheckpoint): void {
    this.records.push(record);
  }
}
