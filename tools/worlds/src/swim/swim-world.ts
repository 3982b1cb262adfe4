/**
 * SWIM in the simulator: members that come late, crash, freeze and are cut off, over datagrams and streams that fail by the seed.
 *
 * Timings are a fifth of the defaults, so that a run holds more. After the faults comes calm, in which all must agree; then one
 * member crashes and, in some seeds, another leaves, and the others must come to know it.
 */
import type { Logger, Metrics } from '@cluster/core';
import { nemesis, type NodePorts, type Process, World } from '@cluster/sim';
import {
  diskIncarnations,
  type MemberHappening,
  type MemberState,
  parseSwimConfig,
  SwimEngine,
} from '@cluster/swim';
import { pickCounts, type SeedOptions, type SeedResult, type WorldKind } from '../world-kind.ts';
import { SwimChecker } from './checker.ts';

const sizes = [5, 5, 6, 7, 7, 8, 9];
const largeSize = 20;
const largeRate = 0.02;
const port = 7946;
const timings = {
  probePeriodMs: 200,
  pingTimeoutMs: 80,
  suspectTimeoutMs: 1000,
  gossipPeriodMs: 50,
  pushPullPeriodMs: 3000,
  reconnectPeriodMs: 1500,
  gossipToTheDeadMs: 4000,
  nameReclaimMs: 4000,
  streamTimeoutMs: 1500,
};
const faultsMs = 6000;
const rejoinMs = 700;
// Several rounds of reconnection and of push/pull.
const agreeMs = 20_000;
// Every member is probed within 2n - 1 periods at the latest, then suspected, then the news spreads.
const deathMs = (size: number): number => 2 * size * timings.probePeriodMs + timings.suspectTimeoutMs + 2000;
// A goodbye that was missed comes with push/pull.
const leaveMs = (size: number): number => deathMs(size) + 5 * timings.pushPullPeriodMs;

const counted = [
  'joins',
  'joinsDuringPartition',
  'suspicions',
  'refutations',
  'deaths',
  'leaves',
  'pushPulls',
  'crashes',
  'restarts',
  'lost',
  'droppedByPartition',
  'duplicated',
  'reordered',
  'partitions',
  'cuts',
  'pauses',
  'blocks',
  'slowdowns',
  'starvations',
  'stalls',
  'drifts',
  'bridges',
  'oddLinks',
  'throttled',
  'wipes',
];

const unread = { add: () => undefined, set: () => undefined, observe: () => undefined };

class SwimRun {
  readonly #world: World;
  readonly #names: readonly string[];
  readonly #keepsIncarnation: boolean;
  readonly #checker: SwimChecker;
  readonly #engines = new Map<string, SwimEngine>();
  /** Of the members' numbers only the exchanges count here. */
  readonly #metrics: Metrics = {
    counter: (name) =>
      name === 'push_pull_count' ? { add: () => this.#world.counters.add('pushPulls') } : unread,
    gauge: () => unread,
    histogram: () => unread,
  };
  /** Whom somebody believes suspect or dead, as `observer/member`. */
  readonly #doubted = new Set<string>();
  #leaver: string | null = null;

  constructor(seed: number, { trace, started }: SeedOptions) {
    this.#world = new World({ seed, trace });
    started(this.#world);
    const { prng } = this.#world;
    const size = prng.chance(largeRate) ? largeSize : (prng.pick(sizes) ?? 5);
    this.#names = Array.from({ length: size }, (_, i) => `n${i + 1}`);
    this.#keepsIncarnation = prng.chance(0.5);
    this.#checker = new SwimChecker(this.#world, size);
  }

  run(): SeedResult {
    const world = this.#world;
    const { prng } = world;
    const late = prng.between(1, 2);
    for (const [index, name] of this.#names.entries()) {
      world.spawn(name, (ports) => this.#boot(ports), { down: index >= this.#names.length - late });
    }
    const script = nemesis(prng, {
      nodes: this.#names,
      durationMs: faultsMs,
      everyMs: 350,
      lastsMaxMs: 2500,
      // An empty disk keeps no incarnation.
      weights: { crashAtDisk: 0, crashTwice: 0, wipe: this.#keepsIncarnation ? 0 : 1, block: 1 },
    });
    world.schedule(script);
    const cuts = script.filter(({ type }) => type === 'partition').map(({ atMs }) => atMs);
    for (const name of this.#names.slice(-late)) {
      // Some come while the pool is cut in two, some at any time.
      const atMs = prng.chance(0.6) ? (prng.pick(cuts) ?? 0) + 50 : prng.float() * faultsMs;
      world.after(Math.min(atMs, faultsMs - 1), () => world.restart(name));
    }
    world.runFor(faultsMs);
    this.#settle();
    return { steps: world.steps, coverage: pickCounts(world, counted) };
  }

  /** Calm has come: what must finally happen. */
  #settle(): void {
    const { prng } = this.#world;
    const everyone = this.#names;
    this.#demand('all agree that all are alive after the network has healed', agreeMs, () =>
      this.#agree(everyone, everyone, ['Alive']),
    );
    const crashed = prng.pick(everyone) ?? '';
    const survivors = everyone.filter((name) => name !== crashed);
    this.#world.crash(crashed);
    this.#demand('all survivors declare a crashed member dead', deathMs(everyone.length), () =>
      this.#agree(survivors, [crashed], ['Dead']),
    );
    this.#demand('nobody else suffers from it', 3000, () => this.#agree(survivors, survivors, ['Alive']));
    if (!prng.chance(0.5)) return;
    const leaver = prng.pick(survivors) ?? '';
    const staying = survivors.filter((name) => name !== leaver);
    this.#world.counters.add('leaves');
    this.#leaver = leaver;
    this.#engines.get(leaver)?.leave(() => undefined);
    // Who missed the goodbye (it is sent a bounded number of times) suspects the leaver, and learns from others in the end.
    this.#demand('all learn that a member has left', leaveMs(everyone.length), () =>
      this.#agree(staying, [leaver], ['Left']),
    );
  }

  #demand(what: string, withinMs: number, isTrue: () => boolean): void {
    const world = this.#world;
    if (world.runWhileNot(isTrue, withinMs)) return;
    const views = this.#names.map((name) => {
      const members = this.#engines.get(name)?.members() ?? [];
      return `${name}: ${members.map((one) => `${one.name} ${one.state} ${one.incarnation}`).join(' ')}`;
    });
    world.fail(what, `not within ${withinMs} ms; ${views.join('; ')}`);
    world.runFor(0);
  }

  /** All observers hold each subject in one of the states, at an incarnation they agree on. */
  #agree(observers: readonly string[], subjects: readonly string[], states: readonly MemberState[]): boolean {
    return subjects.every((subject) => {
      let incarnation: number | undefined;
      return observers.every((observer) => {
        const engine = this.#engines.get(observer);
        const member = engine?.members().find(({ name }) => name === subject);
        if (member === undefined || !states.includes(member.state)) return false;
        incarnation ??= member.incarnation;
        return member.incarnation === incarnation;
      });
    });
  }

  #boot(ports: NodePorts): Process {
    const { name, clock, host, datagrams, streams, disk, seed, tracer } = ports;
    const world = this.#world;
    this.#checker.gone(name);
    const config = parseSwimConfig({ name, bind: { host, port }, ...timings });
    const engine = new SwimEngine(config, {
      clock,
      datagrams,
      streams,
      seed,
      tracer,
      incarnations: this.#keepsIncarnation ? diskIncarnations(disk, 'swim') : undefined,
      metrics: this.#metrics,
      logger: this.#logger(name),
    });
    engine.onEvent((event) => this.#hear(name, event));
    engine.start((outcome) => {
      if (!outcome.ok) return world.fail('a member starts', `${name}: ${outcome.error.line}`);
      this.#engines.set(name, engine);
      this.#checker.started(name, engine, this.#keepsIncarnation);
      this.#join(ports, engine);
    });
    return { stop: () => engine.stop() };
  }

  /**
   * Joins through all others, again and again until one attempt has reached more than half of them: two groups that joined like
   * that have a member in common, so nobody is left alone with those it found.
   */
  #join(ports: NodePorts, engine: SwimEngine): void {
    const world = this.#world;
    const seeds = this.#names
      .filter((name) => name !== ports.name)
      .map((name) => ({ host: world.addressOf(name), port }));
    engine.join(seeds, (outcome) => {
      if (outcome.ok && outcome.value > 0) {
        world.counters.add('joins');
        const cutOff = this.#names.some((name) => !world.reaches(ports.name, name));
        if (cutOff) world.counters.add('joinsDuringPartition');
      }
      if (outcome.ok && outcome.value > this.#names.length / 2) return;
      ports.clock.setTimer(rejoinMs, () => this.#join(ports, engine));
    });
  }

  #hear(observer: string, { type, member }: MemberHappening): void {
    const { counters } = this.#world;
    if (type === 'Suspect') counters.add('suspicions');
    const key = `${observer}/${member.name}`;
    if (this.#doubted.delete(key) && member.state === 'Alive') counters.add('refutations');
    if (type === 'Suspect' || type === 'Dead') this.#doubted.add(key);
    if (type === 'Dead') counters.add('deaths');
    if (type === 'Dead' && member.name === this.#leaver) counters.add('leavesTakenForDeaths');
    if (type === 'Reaped') this.#checker.reaped(observer, member.name);
    else if (type !== 'Conflict') this.#checker.believes(observer, member);
    else this.#world.fail('nobody disputes a name', `${observer} sees ${member.name} at two addresses`);
  }

  /** A member that says `error` has stopped on a bug. */
  #logger(name: string): Logger {
    return {
      log: (level, message) => {
        if (level === 'error') this.#world.fail('no member stops by itself', `${name}: ${message}`);
      },
    };
  }
}

export const swimWorld: WorldKind = {
  name: 'swim',
  mustHappen: counted,
  run: (seed, options) => new SwimRun(seed, options).run(),
};
