/**
 * Reads that may be stale by a stated bound, asked of any replica, cut off, suspended or left behind as it may be: none misses what had been
 * observed before its bound began. It is told by the true time, which no replica knows.
 */
import type { World } from '@cluster/sim';
import type { RaftReplica } from '@cluster/raft';
import type { History } from './history.ts';

const boundsMs = [20, 100, 400] as const;
// How slow a clock of the simulator may run, and how far a suspended one may lag before that is noticed, for each election timeout.
const driftMax = 0.04;
const unnoticedShare = 0.05;

export interface StaleReadsOptions {
  readonly nodes: readonly string[];
  readonly replicas: ReadonlyMap<string, RaftReplica>;
  readonly history: History;
  /** Between two of them, in the mean. */
  readonly everyMs: number;
  /** What the replicas are asked for: another bound than that which is checked is a planted bug. */
  readonly asked: (boundMs: number) => number;
}

export class StaleReads {
  readonly #world: World;
  readonly #options: StaleReadsOptions;

  constructor(world: World, options: StaleReadsOptions) {
    this.#world = world;
    this.#options = options;
  }

  begin(untilMs: number): void {
    const world = this.#world;
    const { prng } = world;
    world.after(prng.exponential(this.#options.everyMs), () => {
      if (world.nowMs > untilMs) return;
      this.#ask(prng.pick(this.#options.nodes) ?? '', prng.pick(boundsMs) ?? 100);
      this.begin(untilMs);
    });
  }

  #ask(node: string, boundMs: number): void {
    const world = this.#world;
    const { replicas, history, asked } = this.#options;
    const replica = replicas.get(node);
    if (replica === undefined || !world.isUp(node) || world.isPaused(node)) return;
    const spanMs = replica.config.electionTimeoutMinMs;
    const unnoticedMs = unnoticedShare * (boundMs + 2 * spanMs);
    const sinceMs = world.nowMs - (boundMs + unnoticedMs) / (1 - driftMax);
    const due = history.observedBy(sinceMs);
    const latest = history.observedIndex;
    replica.read(
      (outcome) => {
        if (!outcome.ok) return;
        world.counters.add('staleReads');
        if (outcome.value < latest) world.counters.add('staleAnswers');
        if (outcome.value >= due && replica.status().appliedIndex >= outcome.value) return;
        world.fail(
          'a stale read is within its bound',
          `${node} read at ${outcome.value}, by ${boundMs} ms stale, where ${due} was observed before that`,
        );
      },
      { staleMsMax: asked(boundMs) },
    );
  }
}
