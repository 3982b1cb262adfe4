/** A SWIM pool of any size in the simulator: members as shipped, over datagrams and streams, on a quiet network. */
import { MetricsRegistry } from '@cluster/core';
import { type NetworkOptions, type NodePorts, World } from '@cluster/sim';
import { type MemberHappening, parseSwimConfig, SwimEngine } from '@cluster/swim';

const port = 7946;
const lookEveryMs = 100;

export interface PoolOptions {
  readonly seed: number;
  readonly size: number;
  /** Of the members' configuration, beside name and address. */
  readonly config?: Omit<Parameters<typeof parseSwimConfig>[0], 'name' | 'bind'>;
  readonly network?: NetworkOptions;
  /**
   * Everybody is introduced to everybody at the start: a pool that has been whole before. Default false: members join through the
   * first of them, and everybody has yet to be told of everybody.
   */
  readonly formed?: boolean;
  /** All start within so long: the first one takes in only so many at once. Default 20 ms for each member. */
  readonly startWithinMs?: number;
}

export class SwimPool {
  readonly world: World;
  /** Of all that have ever been members. */
  readonly names: string[];
  readonly engines = new Map<string, SwimEngine>();
  readonly #metrics = new Map<string, MetricsRegistry>();
  readonly #options: PoolOptions;
  readonly #listeners: ((observer: string, event: MemberHappening) => void)[] = [];

  constructor(options: PoolOptions) {
    this.#options = options;
    this.world = new World({ seed: options.seed, network: options.network ?? {} });
    this.names = Array.from({ length: options.size }, (_, i) => `n${i + 1}`);
    const { formed = false } = options;
    for (const name of this.names) this.world.spawn(name, (ports) => this.#boot(ports, formed));
    if (formed) this.#form();
  }

  /** One more member comes, and joins. */
  add(name: string): void {
    this.names.push(name);
    this.world.spawn(name, (ports) => this.#boot(ports, false));
  }

  /** Told of everything that any member notices. */
  onEvent(listener: (observer: string, event: MemberHappening) => void): void {
    this.#listeners.push(listener);
  }

  /** All run, and list all others alive. */
  get isWhole(): boolean {
    if (this.engines.size < this.names.length) return false;
    return [...this.engines.values()].every(({ counts }) => counts.alive === this.names.length - 1);
  }

  /** Whole, and nobody takes itself for slow: what was done to it before has no effect any more. */
  get isWell(): boolean {
    return this.isWhole && this.names.every((name) => this.metric(name, 'local_health_score') === 0);
  }

  /** Of the process that runs now, or ran last. */
  metric(name: string, metric: string): number {
    return this.#metrics.get(name)?.value(metric) ?? 0;
  }

  /** Lets time pass until this holds; looks only so often, for large pools. @throws Error when it does not come to it. */
  await(what: string, holds: () => boolean, withinMs: number): void {
    const limitMs = this.world.nowMs + withinMs;
    while (!holds()) {
      if (this.world.nowMs >= limitMs) throw new Error(`${what}: not within ${withinMs} ms`);
      this.world.runFor(lookEveryMs);
    }
  }

  /** Ends a member's process, without a word. */
  kill(name: string): void {
    this.world.crash(name);
    this.engines.delete(name);
  }

  #form(): void {
    if (!this.world.runWhileNot(() => this.engines.size === this.names.length, lookEveryMs))
      throw new Error('a member has not started');
    const records = [...this.engines.values()].flatMap((engine) => engine.records());
    for (const engine of this.engines.values()) engine.introduce(records);
  }

  /** @param formed it is introduced in its first life, and joins in later ones. */
  #boot(ports: NodePorts, formed: boolean): { stop: () => void } {
    const { name, host, clock, datagrams, streams, seed, tracer, incarnation } = ports;
    const isIntroduced = formed && incarnation === 1;
    const config = parseSwimConfig({ ...this.#options.config, name, bind: { host, port } });
    const metrics = new MetricsRegistry();
    this.#metrics.set(name, metrics);
    const engine = new SwimEngine(config, { clock, datagrams, streams, seed, tracer, metrics });
    engine.onEvent((event) => {
      for (const listener of this.#listeners) listener(name, event);
    });
    // The first one is everybody's seed.
    const seeds = [{ host: this.world.addressOf(this.names[0] as string), port }];
    const join = (): void =>
      void engine.join(seeds, (outcome) => {
        if (!outcome.ok) clock.setTimer(1000, join);
      });
    const isAtOnce = isIntroduced || name === this.names[0] || this.world.nowMs > 0;
    clock.setTimer(isAtOnce ? 0 : this.world.prng.float() * this.#startWithinMs, () =>
      engine.start(() => {
        this.engines.set(name, engine);
        if (name !== this.names[0] && !isIntroduced) join();
      }),
    );
    return { stop: () => engine.stop() };
  }

  get #startWithinMs(): number {
    return this.#options.startWithinMs ?? 20 * this.#options.size;
  }
}
