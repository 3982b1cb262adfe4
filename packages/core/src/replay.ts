/** Replays a recorded core: restores a checkpoint, feeds the inputs that followed, and compares what it does with the record. */
import type { ProtocolCore, Sink, Typed } from './core.ts';
import { ClusterError } from './errors.ts';
import { plainEqual } from './plain.ts';
import type { TraceRecord, TraceStep } from './trace.ts';

export interface ReplayDivergence {
  readonly seq: number;
  readonly recorded: readonly unknown[];
  readonly replayed: readonly unknown[];
}

export interface ReplayResult {
  /** Steps replayed, the diverging one included. */
  readonly steps: number;
  /** The first step whose effects differ from the record; null when the replay is faithful. */
  readonly divergence: ReplayDivergence | null;
}

/**
 * Starts at the first checkpoint of the core that `records` hold.
 *
 * @param makeCore a fresh core of the recorded configuration.
 * @param untilSeq stop after this step (inclusive); default: the end.
 */
export function replay<C extends ProtocolCore<never, never>>(
  records: readonly TraceRecord[],
  node: string,
  name: string,
  makeCore: () => C,
  untilSeq = Infinity,
): ReplayResult & { readonly core: C } {
  const mine = records.filter(
    (record) =>
      record.kind !== 'header' && record.node === node && record.core === name && record.seq <= untilSeq,
  );
  const start = mine.findIndex((record) => record.kind === 'checkpoint');
  const checkpoint = mine[start];
  if (checkpoint?.kind !== 'checkpoint') {
    throw new ClusterError({
      code: 'TRACE_NO_CHECKPOINT',
      fault: 'caller',
      message: `The trace has no checkpoint of ${name} on ${node} to replay from.`,
      advice:
        'Name a core of the trace, or record more of it: a checkpoint comes with the first step and now and again.',
    });
  }
  const core = makeCore();
  core.restore(checkpoint.state);
  const steps = mine.slice(start + 1).filter((record): record is TraceStep => record.kind === 'step');
  let count = 0;
  for (const step of steps) {
    count++;
    const replayed: Typed[] = [];
    const out: Sink<never> = { observer: null, emit: (effect) => void replayed.push(effect) };
    core.handle(step.input as never, step.t, out);
    if (!plainEqual(replayed, step.effects)) {
      return { core, steps: count, divergence: { seq: step.seq, recorded: step.effects, replayed } };
    }
  }
  return { core, steps: count, divergence: null };
}
