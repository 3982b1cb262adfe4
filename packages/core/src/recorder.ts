/** Where a trace goes: all of it, or the last of it in bounded memory. */
import type { TraceCheckpoint, TraceHeader, TraceRecord, TraceSink, TraceStep } from './trace.ts';

type Recorded = TraceStep | TraceCheckpoint;

/**
 * The last records of a live node: a ring of references that is turned into text only when asked for.
 *
 * A checkpoint that falls out is kept beside the ring for as long as no step of its core has fallen out after it, so that
 * every checkpoint in a dump is followed by all the later steps of its core: what is dumped can be replayed. At most
 * `capacity` of them are kept, so that cores that come and go without a step do not add up.
 */
export class RingRecorder implements TraceSink {
  readonly #capacity: number;
  readonly #ring: Recorded[] = [];
  readonly #fallen = new Map<string, TraceCheckpoint>();
  #next = 0;
  #dropped = 0;

  /** @param capacity records kept; default 4,096. */
  constructor(capacity = 4096) {
    this.#capacity = Math.max(1, capacity);
  }

  /** Records that have fallen out of the ring. */
  get dropped(): number {
    return this.#dropped;
  }

  record(record: Recorded): void {
    const old = this.#ring[this.#next];
    if (old !== undefined) {
      const core = `${old.node}/${old.core}`;
      this.#fallen.delete(core);
      if (old.kind === 'checkpoint') this.#keep(core, old);
      this.#dropped++;
    }
    this.#ring[this.#next] = record;
    this.#next = (this.#next + 1) % this.#capacity;
  }

  #keep(core: string, checkpoint: TraceCheckpoint): void {
    this.#fallen.set(core, checkpoint);
    const [oldest] = this.#fallen.keys();
    if (this.#fallen.size > this.#capacity && oldest !== undefined) this.#fallen.delete(oldest);
  }

  /** The records in order, behind a header. */
  *dump(header: TraceHeader): Generator<TraceRecord> {
    yield header;
    yield* this.#fallen.values();
    const oldest = this.#ring.length < this.#capacity ? 0 : this.#next;
    yield* this.#ring.slice(oldest);
    yield* this.#ring.slice(0, oldest);
  }
}

/** Keeps every record: for the simulator and for tests. */
export class ListRecorder implements TraceSink {
  readonly records: Recorded[] = [];

  record(record: Recorded): void {
    this.records.push(record);
  }
}
