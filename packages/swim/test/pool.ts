/** Whole members in the simulated world, joining through the first of them. */
import { type Address, MetricsRegistry, type Outcome } from '@cluster/core';
import { type NodePorts, World, type WorldOptions } from '@cluster/sim';
import {
  diskIncarnations,
  type MemberHappening,
  parseSwimConfig,
  type SwimConfigInput,
  SwimEngine,
  type SwimPorts,
} from '@cluster/swim';

export interface Seen extends MemberHappening {
  readonly on: string;
  readonly worldMs: number;
}

/** A world of members that join through the first of them. */
export class Pool {
  readonly world: World;
  readonly engines = new Map<string, SwimEngine>();
  readonly metrics = new Map<string, MetricsRegistry>();
  readonly seen: Seen[] = [];
  readonly joins: Outcome<number>[] = [];
  readonly names: readonly string[];
  readonly extras: (name: string, ports: NodePorts) => Partial<SwimPorts>;

  constructor(
    count: number,
    seed: number,
    config: Partial<SwimConfigInput> = {},
    options: Partial<WorldOptions> = {},
    extras: (name: string, ports: NodePorts) => Partial<SwimPorts> = () => ({}),
  ) {
    this.extras = extras;
    this.world = new World({ seed, ...options });
    this.names = Array.from({ length: count }, (_, i) => `n${i + 1}`);
    for (const name of this.names) this.spawn(name, config);
  }

  spawn(name: string, config: Partial<SwimConfigInput> = {}): void {
    this.world.spawn(name, (ports) => {
      const metrics = new MetricsRegistry();
      const engine = new SwimEngine(
        parseSwimConfig({ name, bind: { host: ports.host, port: 7946 }, ...config }),
        {
          ...ports,
          metrics,
          incarnations: diskIncarnations(ports.disk, 'swim'),
          ...this.extras(name, ports),
        },
      );
      this.engines.set(name, engine);
      this.metrics.set(name, metrics);
      engine.onEvent((event) => this.seen.push({ ...event, on: name, worldMs: this.world.nowMs }));
      engine.start((started) => {
        if (!started.ok) throw started.error;
        const join = (): void => {
          const seeds = this.seedsFor(name);
          if (seeds.length === 0) return;
          engine.join(seeds, (joined) => {
            this.joins.push(joined);
            // All seeds may still be starting: try again, as an operator's script would.
            if (!joined.ok) ports.clock.setTimer(200, join);
          });
        };
        join();
      });
      return { stop: () => engine.stop() };
    });
  }

  seedsFor(name: string): Address[] {
    return this.names
      .slice(0, 3)
      .filter((seed) => seed !== name && this.engines.has(seed))
      .map((seed) => ({ host: this.world.addressOf(seed), port: 7946 }));
  }

  engine(name: string): SwimEngine {
    return this.engines.get(name) as SwimEngine;
  }

  /** Joins one through another, by hand, and waits for the outcome. */
  join(name: string, through: string): Outcome<number> | null {
    let outcome: Outcome<number> | null = null;
    const seed = { host: this.world.addressOf(through), port: 7946 };
    this.engine(name).join([seed], (done) => (outcome = done));
    this.world.runWhileNot(() => outcome !== null, 15_000);
    return outcome;
  }

  stateOf(on: string, name: string): string | undefined {
    return this.engine(on)
      .members()
      .find((member) => member.name === name)?.state;
  }

  agree(names: readonly string[], about: readonly string[], state: string): boolean {
    return names.every((on) => about.every((name) => on === name || this.stateOf(on, name) === state));
  }

  converged(names: readonly string[] = this.names): boolean {
    return this.agree(names, names, 'Alive');
  }
}
