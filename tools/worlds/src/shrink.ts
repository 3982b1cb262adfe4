/**
 * Shrinks a failing seed: the same seed with fewer faults, as long as the same invariant breaks.
 *
 * The seed goes on deciding everything else, so a shorter script is another run, and most of those do not fail; fast-check looks
 * for one that does. What cannot be taken away any more is what the bug needs.
 */
import { type ScriptedFault, SimulationFailure, type World } from '@cluster/sim';
import fc from 'fast-check';
import type { WorldKind } from './world-kind.ts';

export interface Shrunk {
  /** How many faults the seed had drawn. */
  readonly from: number;
  /** What is left, in order of time. */
  readonly script: readonly ScriptedFault[];
  /** How many runs that took. */
  readonly runs: number;
  /** Gives a world of the seed the shorter script, from its beginning on. */
  readonly prepare: (world: World) => void;
}

/** Runs at the most: a run takes from a hundredth of a second up to a second. */
export const shrinkRunsMax = 200;

/** @returns null when the seed does not break the invariant, or breaks it without any fault. */
export function shrink(
  kind: WorldKind,
  seed: number,
  invariant: string,
  runsMax: number = shrinkRunsMax,
): Shrunk | null {
  const whole = new Selection(null);
  if (invariantBroken(kind, seed, whole) !== invariant || whole.offered === 0) return null;
  let best = whole;
  let runs = 1;
  const holds = (chosen: readonly number[]): boolean => {
    // Out of runs: what is best so far is what there is.
    if (runs === runsMax) return true;
    runs++;
    const selection = new Selection(new Set(chosen));
    if (invariantBroken(kind, seed, selection) !== invariant) return true;
    best = selection;
    return false;
  };
  const all = Array.from({ length: whole.offered }, (_, i) => i);
  fc.check(
    fc.property(fc.subarray(all), (chosen) => holds(chosen)),
    { numRuns: 1, examples: [[all]], seed: 1 },
  );
  const { kept, chosen } = best;
  const prepare = (world: World): void => new Selection(chosen).attach(world);
  return { from: whole.offered, script: kept.toSorted((a, b) => a.atMs - b.atMs), runs, prepare };
}

/** Some of the faults of a run, by their number in the order they are scheduled; null stands for all. Calm is none. */
class Selection {
  readonly chosen: ReadonlySet<number> | null;
  readonly kept: ScriptedFault[] = [];
  offered = 0;

  constructor(chosen: ReadonlySet<number> | null) {
    this.chosen = chosen;
  }

  attach(world: World): void {
    world.editScripts((script) => script.filter((fault) => this.#keeps(fault)));
  }

  #keeps(fault: ScriptedFault): boolean {
    if (fault.type === 'calm') return true;
    const keeps = this.chosen === null || this.chosen.has(this.offered);
    this.offered++;
    if (keeps) this.kept.push(fault);
    return keeps;
  }
}

function invariantBroken(kind: WorldKind, seed: number, selection: Selection): string | null {
  try {
    kind.run(seed, { trace: false, started: (world) => selection.attach(world) });
    return null;
  } catch (error) {
    if (error instanceof SimulationFailure) return error.invariant;
    throw error;
  }
}

/** A line for each fault. */
export const renderScript = (script: readonly ScriptedFault[]): string =>
  script
    .map(
      ({ atMs, type, ...details }) =>
        `${atMs.toFixed(1).padStart(10)} ms  ${type}  ${JSON.stringify(details)}\n`,
    )
    .join('');
