/** A protocol in the simulator: what the `sim` command and the tests can run by seed. */
import type { World } from '@cluster/sim';

export interface SeedOptions {
  readonly trace: boolean;
  /** Told of the world before anything happens in it. */
  readonly started: (world: World) => void;
}

export interface SeedResult {
  readonly steps: number;
  /** How often what the seed was to show has happened. */
  readonly coverage: Readonly<Record<string, number>>;
}

export interface WorldKind {
  readonly name: string;
  /** What must have happened over enough seeds; a zero means the checkers have seen nothing. */
  readonly mustHappen: readonly string[];
  /** @throws SimulationFailure */
  run(seed: number, options: SeedOptions): SeedResult;
}

/** Picks counters for a report; absent ones count as 0. */
export function pickCounts(world: World, names: readonly string[]): Record<string, number> {
  return Object.fromEntries(names.map((name) => [name, world.counters.get(name)]));
}

export function addCounts(total: Record<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(more)) total[name] = (total[name] ?? 0) + count;
}
