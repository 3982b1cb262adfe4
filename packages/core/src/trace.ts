/**
 * The trace: one record per core input, as lines of JSON, the same from the simulator, a failing test and a live node.
 *
 * Line 1 is the header. Then steps in the order they happened, with a checkpoint of a core now and again, so that any point is
 * reached by replaying the inputs after the nearest checkpoint. `cause` is the `seq` of the step whose effect brought this
 * input about, which makes the whole file a causal graph.
 */
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
  /** The state after the step of this `seq` (0 = before any). */
  readonly seq: number;
  readonly t: number;
  readonly node: string;
  readonly core: string;
  readonly state: Uint8Array;
}

export type TraceRecord = TraceHeader | TraceStep | TraceCheckpoint;

/** Takes records as they happen; the objects may be kept, and must not be changed. */
export interface TraceSink {
  record(record: TraceStep | TraceCheckpoint): void;
}

export function encodeTrace(records: Iterable<TraceRecord>): string {
  let text = '';
  for (const record of records) text += `${stringifyPlain(record)}\n`;
  return text;
}

const broken = (line: number, why: string): ClusterError =>
  new ClusterError({
    code: 'TRACE_UNREADABLE',
    fault: 'caller',
    message: `The trace cannot be read at line ${line}: ${why}.`,
    advice: 'Give a file written by this version (its first line is a header), whole and unedited.',
  });

/** @throws ClusterError `TRACE_UNREADABLE` naming the line. */
export function decodeTrace(text: string): {
  readonly header: TraceHeader;
  readonly records: readonly TraceRecord[];
} {
  const records: TraceRecord[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') continue;
    try {
      records.push(parsePlain(line) as TraceRecord);
    } catch (error) {
      throw broken(index + 1, describeError(error));
    }
  }
  const [header] = records;
  if (header?.kind !== 'header' || header.format !== traceFormat) throw broken(1, 'it is not a trace header');
  if (header.version !== traceVersion)
    throw broken(1, `version ${String(header.version)} is not ${traceVersion}`);
  return { header, records: records.slice(1) };
}
