/** What could make a leader answer from a lease that is over: a clock that stands still, and a leader that hears nothing of the next. */
import type { Clock } from '@cluster/core';
import type { World } from '@cluster/sim';
import type { RaftReplica } from '@cluster/raft';
import type { History } from './history.ts';

const askEveryMs = 10;
const suspendEveryMs = 500;
const suspendMs = { min: 300, max: 1000 } as const;
const deafMs = 200;

/**
 * The clock of a machine that is suspended when its process is paused: for it no time passes, as for most systems' monotonic clocks.
 *
 * @param pausedMs how long the process has been paused in all.
 */
export function suspendingClock(clock: Clock, pausedMs: () => number): Clock {
  const beforeMs = pausedMs();
  let lastMs = -Infinity;
  return {
    // A host whose clock runs slow has paused for less by its own reckoning; time still never goes back.
    nowMs: () => (lastMs = Math.max(lastMs, clock.nowMs() - (pausedMs() - beforeMs))),
    setTimer: (delayMs, fire) => clock.setTimer(delayMs, fire),
  };
}

export class LeaseTrial {
  readonly #world: World;
  readonly #nodes: readonly string[];
  readonly #replicas: ReadonlyMap<string, RaftReplica>;
  readonly #leaders: () => readonly string[];
  readonly #history: History;
  #endMs = 0;

  constructor(
    world: World,
    nodes: readonly string[],
    replicas: ReadonlyMap<string, RaftReplica>,
    leaders: () => readonly string[],
    history: History,
  ) {
    this.#world = world;
    this.#nodes = nodes;
    this.#replicas = replicas;
    this.#leaders = leaders;
    this.#history = history;
  }

  /** From now until `endMs`. */
  begin(endMs: number): void {
    this.#endMs = endMs;
    this.#askLeaders();
    this.#suspendLeader();
  }

  /** Whoever takes itself for the leader is asked again and again: most of all one that was away, and is the leader no more. */
  #askLeaders(): void {
    const world = this.#world;
    world.after(world.prng.exponential(askEveryMs), () => {
      if (world.nowMs > this.#endMs) return;
      for (const [node, replica] of this.#replicas) {
        if (!world.isUp(node) || world.isPaused(node) || replica.core.role !== 'leader') continue;
        const behind = this.#history.observedIndex;
        const before = replica.core.leaseReads;
        replica.read(
          (outcome) => {
            if (!outcome.ok) return;
            const { appliedIndex } = replica.status();
            this.#history.read('a leader', behind, { index: outcome.value, appliedIndex });
          },
          { consistency: 'lease' },
        );
        world.counters.add('leaseReads', replica.core.leaseReads - before);
      }
      this.#askLeaders();
    });
  }

  /** A leader is away until there is another, and comes back where it hears nothing of that. */
  #suspendLeader(): void {
    const world = this.#world;
    world.after(world.prng.exponential(suspendEveryMs), () => {
      if (world.nowMs > this.#endMs - suspendMs.max) return;
      const leader = world.prng.pick(this.#leaders()) ?? '';
      if (leader === '' || !world.isUp(leader)) return this.#suspendLeader();
      // Before it is away, so that nothing waits for it when it comes back.
      world.partition([[leader], this.#nodes.filter((node) => node !== leader)]);
      world.pause(leader);
      world.after(world.prng.between(suspendMs.min, suspendMs.max), () => {
        world.resume(leader);
        world.after(deafMs, () => {
          world.heal();
          this.#suspendLeader();
        });
      });
    });
  }
}
