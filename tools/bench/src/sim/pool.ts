/** A SWIM pool of any size in the simulator: members as shipped, over datagrams and streams, on a quiet network. */
import { type NetworkOptions, type NodePorts, World } from '@cluster/sim';
import { type MemberHappening, parseSwimConfig, SwimEngine } from '@cluster/swim';

const port = 7946;

export interface PoolOptions {
  readonly seed: number;
  readonly size: number;
  /** Of the members' configuration, beside name and address. */
  readonly config?: Omit<Parameters<typeof parseSwimConfig>[0], 'name' | 'bind'>;
  readonly network?: NetworkOptions;
  /** All start within so long. Default 1,000 ms. */
  readonly startWithinMs?: number;
}

export class SwimPool {
  readonly world: World;
  readonly names: readonly string[];
  readonly engines = new Map<string, SwimEngine>();
  readonly #options: PoolOptions;
  readonly #listeners: ((observer: string, event: MemberHappening) => void)[] = [];

  constructor(options: PoolOptions) {
    this.#options = options;
    this.world = new World({ seed: options.seed, network: options.network ?? {} });
    this.names = Array.from({ length: options.size }, (_, i) => `n${i + 1}`);
    for (const name of this.names) this.world.spawn(name, (ports) => this.#boot(ports));
  }

  /** Told of everything that any member notices. */
  onEvent(listener: (observer: string, event: MemberHappening) => void): void {
    this.#listeners.push(listener);
  }

  /** Every running member lists every member alive. */
  get isWhole(): boolean {
    return [...this.engines.values()].every(({ counts }) => counts.alive === this.names.length - 1);
  }

  #boot({ name, host, clock, datagrams, streams, seed, tracer }: NodePorts): { stop: () => void } {
    const config = parseSwimConfig({ ...this.#options.config, name, bind: { host, port } });
    const engine = new SwimEngine(config, { clock, datagrams, streams, seed, tracer });
    engine.onEvent((event) => {
      for (const listener of this.#listeners) listener(name, event);
    });
    // The first one is everybody's seed.
    const seeds = [{ host: this.world.addressOf(this.names[0] as string), port }];
    const join = (): void =>
      void engine.join(seeds, (outcome) => {
        if (!outcome.ok) clock.setTimer(1000, join);
      });
    const afterMs =
      name === this.names[0] ? 0 : this.world.prng.float() * (this.#options.startWithinMs ?? 1000);
    clock.setTimer(afterMs, () =>
      engine.start(() => {
        this.engines.set(name, engine);
        if (name !== this.names[0]) join();
      }),
    );
    return { stop: () => engine.stop() };
  }
}
