/** Membership as people use it: promises and an asynchronous stream of events over the engine. */
import { type Address, type Done, EventHub } from '@cluster/core';
import { parseSwimConfig, type SwimConfigInput } from './config.ts';
import { SwimEngine } from './engine.ts';
import type { Member, MembershipEvent } from './member.ts';
import type { SwimPorts } from './ports.ts';
import { parseAddress, type Tags } from './wire.ts';

export interface Cancellable {
  readonly signal?: AbortSignal | undefined;
}

export class Swim {
  readonly #engine: SwimEngine;
  readonly #events: EventHub<MembershipEvent>;
  #joining: Promise<unknown> = Promise.resolve();

  private constructor(engine: SwimEngine, nowMs: () => number) {
    this.#engine = engine;
    this.#events = new EventHub<MembershipEvent>({
      onOverflow: (dropped) => ({ type: 'Overflow', member: null, dropped, atMs: nowMs() }),
    });
    engine.onEvent((event) => this.#events.publish(event));
  }

  /**
   * Binds and starts a member; it is alone until it joins.
   * @throws ClusterError `SWIM_CONFIG_INVALID`, `SWIM_PORT_IN_USE`, or what the disk or the network says.
   */
  static async start(config: SwimConfigInput, ports: SwimPorts): Promise<Swim> {
    const engine = new SwimEngine(parseSwimConfig(config), ports);
    const swim = new Swim(engine, () => ports.clock.nowMs());
    await cancellable<Address>((done) => engine.start(done));
    return swim;
  }

  /**
   * Joins through members that are there already; joins of one member run one after another.
   * @param seeds `host:port`; names are resolved, and IPv6 is written `[::1]:7000`.
   * @returns how many seeds answered.
   * @throws ClusterError `SWIM_JOIN_FAILED`, `SWIM_KEY_MISMATCH` or `SWIM_LABEL_MISMATCH` when none did, naming each and why; `SWIM_SEED_INVALID`.
   */
  async join(seeds: readonly string[], { signal }: Cancellable = {}): Promise<number> {
    signal?.throwIfAborted();
    const addresses = seeds.map(parseAddress);
    const before = this.#joining;
    const joined = before.then(() =>
      cancellable<number>((done) => this.#engine.join(addresses, done), signal),
    );
    this.#joining = joined.catch(() => undefined);
    return joined;
  }

  /** Everybody on record, this member first. */
  members(): readonly Member[] {
    return this.#engine.members();
  }

  /** Those believed alive, this member first; suspects are not among them. */
  alive(): readonly Member[] {
    return this.members().filter(({ state }) => state === 'Alive');
  }

  get self(): Member {
    return this.#engine.self();
  }

  /** From now on. A reader more than 1,024 events behind loses the oldest and is told so by one `Overflow`. */
  events(options: Cancellable = {}): AsyncIterableIterator<MembershipEvent> {
    return this.#events.subscribe(options);
  }

  /** Replaces the tags and spreads them. @throws ClusterError `SWIM_TAGS_TOO_LARGE`. */
  setTags(tags: Tags): void {
    this.#engine.setTags(tags);
  }

  /** Says goodbye and waits until the others have been told; the member then only waits to be stopped. */
  async leave({ signal }: Cancellable = {}): Promise<void> {
    signal?.throwIfAborted();
    await cancellable<void>((done) => this.#engine.leave(done), signal);
  }

  /** Closes everything without a goodbye; idempotent. */
  async stop(): Promise<void> {
    this.#engine.stop();
    this.#events.close();
  }

  /** Stops; to go in good order, `leave` first. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** The promise of a callback call whose returned function gives it up. */
function cancellable<T>(start: (done: Done<T>) => (() => void) | void, signal?: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    signal?.throwIfAborted();
    let cancel: (() => void) | void;
    const abort = (): void => cancel?.();
    cancel = start((outcome) => {
      signal?.removeEventListener('abort', abort);
      if (outcome.ok) resolve(outcome.value);
      else reject(outcome.error);
    });
    signal?.addEventListener('abort', abort, { once: true });
  });
}
