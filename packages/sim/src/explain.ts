/** Runs a seed, and once more with a trace when it fails: so that tracing costs nothing while all is well. */
import type { TraceRecord } from '@cluster/core';
import { SimulationFailure } from './failure.ts';
import type { World } from './world.ts';

export interface Explained<T> {
  /** What the run gave; undefined when it failed. */
  readonly result: T | undefined;
  readonly failure: SimulationFailure | null;
  /** The failing run's trace, header first; null when the run passed. */
  readonly trace: readonly TraceRecord[] | null;
}

/** @param run builds the world (tracing when told to), hands it to `started`, and runs it. Must depend on nothing but its seed. */
export function explain<T>(run: (trace: boolean, started: (world: World) => void) => T): Explained<T> {
  try {
    return { result: run(false, () => undefined), failure: null, trace: null };
  } catch (error) {
    if (!(error instanceof SimulationFailure)) throw error;
    return { result: undefined, failure: error, trace: traceOfFailure(run, error) };
  }
}

function traceOfFailure<T>(
  run: (trace: boolean, started: (world: World) => void) => T,
  failure: SimulationFailure,
): readonly TraceRecord[] {
  let world: World | undefined;
  try {
    run(true, (started) => {
      world = started;
    });
  } catch (error) {
    if (!(error instanceof SimulationFailure)) throw error;
  }
  return world?.trace(failure.message) ?? [];
}
