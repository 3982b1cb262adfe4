/** Replays a recorded core: restores a checkpoint, feeds the inputs that followed, and compares what it does with the record. */
import type { ProtocolCore, Sink, TimerEffect, Typed } from './core.ts';
import { plainEqual } from './plain.ts';
import type { TraceRecord, TraceStep } from './trace.ts';

export interface ReplayDivergence {
  readonly seq: number;
  readonly recorded: readonly unknown[];
  readonly replayed: readonly unknown[];
}

export interface ReplayResult {
  readonly steps: number;
  /** The first step whose effects differ from the record; null when the replay is faithful. */
  readonly divergence: ReplayDivergence | null;
}

/**
 * @param makeCore a fresh core of the recorded configuration.
 * @param untilSeq stop after this step (inclusive); default: the end.
 */
export function replay<I extends Typed, E extends Typed>(
  records: readonly TraceRecord[],
  node: string,
  name: string,
  makeCore: () => ProtocolCore<I, E>,
  untilSeq = Infinity,
): ReplayResult & { readonly core: ProtocolCore<I, E> } {
  const mine = records.filter(
    (record) =>
      record.kind !== 'header' && record.node === node && record.core === name && record.seq <= untilSeq,
  );
  const start = mine.findIndex((record) => record.kind === 'checkpoint');
  const core = makeCore();
  const checkpoint = mine[start];
  if (checkpoint?.kind === 'checkpoint') core.restore(checkpoint.state);
  const steps = mine.slice(start + 1).filter((record): record is TraceStep => record.kind === 'step');
  for (const step of steps) {
    const replayed: (E | TimerEffect)[] = [];
    const out: Sink<E> = { observer: null, emit: (effect) => void replayed.push(effect) };
    core.handle(step.input as I, step.t, out);
    if (!plainEqual(replayed, step.effects)) {
      return { core, steps: steps.length, divergence: { seq: step.seq, recorded: step.effects, replayed } };
    }
  }
  return { core, steps: steps.length, divergence: null };
}
