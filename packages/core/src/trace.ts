/**
 * The trace: one record per core input, as lines of JSON, the same from the simulator, a failing test and a live node.
 *
 * Line 1 is the header. Then steps in the order they happened, with a checkpoint of a core now and again, so that any point is
 * reached by replaying the inputs after the nearest checkpoint. `cause` is the `seq` of the step whose effect brought this
 * input about, which makes the whole file a causal graph.
 */
import * as z from 'zod';
import { ClusterError, describeError } from './errors.ts';
import type { MachineStep } from './stepper.ts';
import { parsePlain, stringifyPlain } from './plain.ts';

export const traceFormat = 'cluster-trace';
export const traceVersion = 1;

export interface TraceHeader {
  readonly kind: 'header';
  readonly format: typeof traceFormat;
  readonly version: typeof traceVersion;
  /** Versions of what made it, e.g. `{ '@cluster/raft': '0.1.0', node: 'v20.20.2' }`. */
  readonly versions: Readonly<Record<string, string>>;
  /** Effective configuration, by core. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Seed of the simulation that made it; absent for a live node. */
  readonly seed?: number;
  /** A sentence for the reader, e.g. the invariant that broke. */
  readonly note?: string;
}

export interface TraceStep {
  readonly kind: 'step';
  readonly seq: number;
  /** Monotonic milliseconds (virtual in a simulation). */
  readonly t: number;
  readonly node: string;
  readonly core: string;
  readonly input: { readonly type: string };
  /** `seq` of the step whose effect produced this input; null when it came from outside. */
  readonly cause: number | null;
  readonly machines: readonly MachineStep[];
  readonly effects: readonly { readonly type: string }[];
}

export interface TraceCheckpoint {
  readonly kind: 'checkpoint';
  /** The state after the step of this `seq`, and after all earlier steps of this core (0 = before any). */
  readonly seq: number;
  readonly t: number;
  readonly node: string;
  readonly core: string;
  readonly state: Uint8Array;
  /** True where the core begins, also anew after a crash: nothing before belongs to this life of it. */
  readonly begins: boolean;
  /** The timers armed at that moment. */
  readonly timers: readonly TraceTimer[];
}

export interface TraceTimer {
  readonly timer: string;
  readonly dueMs: number;
}

export type TraceRecord = TraceHeader | TraceStep | TraceCheckpoint;

/** Takes records as they happen; the objects may be kept, and must not be changed. */
export interface TraceSink {
  record(record: TraceStep | TraceCheckpoint): void;
}

/** One line of the file, with its line break; for writing a long trace piece by piece. */
export function encodeTraceRecord(record: TraceRecord): string {
  return `${stringifyPlain(record)}\n`;
}

export function encodeTrace(records: Iterable<TraceRecord>): string {
  return [...records].map(encodeTraceRecord).join('');
}

const broken = (line: number, why: string, cause?: unknown): ClusterError =>
  new ClusterError({
    code: 'TRACE_UNREADABLE',
    fault: 'caller',
    message: `The trace cannot be read at line ${line}: ${why}.`,
    advice: 'Give a file written by this version (its first line is a header), whole and unedited.',
    cause,
  });

const header = z.object({
  kind: z.literal('header'),
  format: z.literal(traceFormat),
  version: z.literal(traceVersion),
  versions: z.record(z.string(), z.string()),
  config: z.record(z.string(), z.unknown()),
  seed: z.number().optional(),
  note: z.string().optional(),
});

const place = { seq: z.int().nonnegative(), t: z.number(), node: z.string(), core: z.string() };
const typed = z.looseObject({ type: z.string() });
const machineStep = z.object({
  machine: z.string(),
  instance: z.string(),
  event: z.unknown(),
  from: z.string(),
  to: z.string(),
  taken: z.array(z.string()),
  context: z.record(z.string(), z.unknown()),
  actions: z.array(z.unknown()),
});

const record = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('step'),
    ...place,
    input: typed,
    cause: z.int().nonnegative().nullable(),
    machines: z.array(machineStep),
    effects: z.array(typed),
  }),
  z.object({
    kind: z.literal('checkpoint'),
    ...place,
    state: z.instanceof(Uint8Array),
    begins: z.boolean(),
    timers: z.array(z.object({ timer: z.string(), dueMs: z.number() })),
  }),
]);

/**
 * Reads a trace and puts its steps in the order in which they began: where one core calls another within a step, the inner
 * step is written first.
 *
 * @throws ClusterError `TRACE_UNREADABLE` naming the line.
 */
export function decodeTrace(text: string): {
  readonly header: TraceHeader;
  readonly records: readonly TraceRecord[];
} {
  const read = <S extends z.ZodType>(schema: S, line: string, number: number): z.output<S> => {
    let value: unknown;
    try {
      value = parsePlain(line);
    } catch (error) {
      throw broken(number, describeError(error), error);
    }
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    const [issue] = result.error.issues;
    throw broken(
      number,
      `${issue?.path.join('.') || 'the record'}: ${issue?.message ?? 'not valid'}`,
      result.error,
    );
  };
  const [first = '', ...lines] = text.split('\n');
  const head = read(header, first, 1) as TraceHeader;
  const records = lines
    .map((line, index) =>
      line === '' ? null : (read(record, line, index + 2) as TraceStep | TraceCheckpoint),
    )
    .filter((entry) => entry !== null);
  // Stable: a checkpoint stays behind its step.
  return { header: head, records: records.sort((a, b) => a.seq - b.seq) };
}
