import { SimulationFailure, type World } from '@cluster/sim';

/** What running one event breaks; null: nothing. */
export function brokenBy(world: World, run: () => void): string | null {
  world.after(1, run);
  try {
    world.runFor(2);
    return null;
  } catch (error) {
    if (error instanceof SimulationFailure) return error.invariant;
    throw error;
  }
}
