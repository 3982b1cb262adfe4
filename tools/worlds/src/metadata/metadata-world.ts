/** Metadata in the simulator: members write, delete, crash and are cut off; every map must reach everybody, and none may go back. */
import type { Logger } from '@cluster/core';
import { nemesis, type NodePorts, type Process, World } from '@cluster/sim';
import { diskIncarnations, parseSwimConfig, SwimEngine } from '@cluster/swim';
import { pickCounts, type SeedOptions, type SeedResult, type WorldKind } from '../world-kind.ts';
import { MetadataChecker, textOf } from './checker.ts';

const sizes = [3, 4, 4, 5, 6];
// Of the steps: a look at everything after each would be most of the work.
const lookEvery = 7;
const port = 7946;
const timings = {
  probePeriodMs: 200,
  pingTimeoutMs: 80,
  suspectTimeoutMs: 1000,
  gossipPeriodMs: 50,
  pushPullPeriodMs: 3000,
  reconnectPeriodMs: 1500,
  gossipToTheDeadMs: 3000,
  nameReclaimMs: 3000,
  streamTimeoutMs: 1500,
  reapAfterMs: 5000,
  metadata: { periodMs: 600, tombstoneMs: 500, ownerBytesMax: 8192, pieceBytesMax: 12_288 },
};
const faultsMs = 9000;
const rejoinMs = 500;
// Members find together again first, then compare.
const agreeMs = 25_000;
const keys = ['a', 'b', 'c', 'd', 'e', 'f'];
// Such a value does not fit a packet; three of them fill a map.
const largeBytes = 2600;

const counted = [
  'writes',
  'deletes',
  'collected',
  'refusedWrites',
  'largeValues',
  'wholeMaps',
  'newLives',
  'emptyLives',
  'reaped',
  'crashes',
  'restarts',
  'lost',
  'droppedByPartition',
  'duplicated',
  'reordered',
  'partitions',
  'cuts',
  'pauses',
];

/** What a planted bug gets in the way of; without it the world is sound. */
export interface MetadataMutant {
  readonly name: string;
  readonly datagrams?: (datagrams: NodePorts['datagrams']) => NodePorts['datagrams'];
}

class MetadataRun {
  readonly #world: World;
  readonly #mutant: MetadataMutant;
  readonly #names: readonly string[];
  readonly #keepsIncarnation: boolean;
  readonly #checker: MetadataChecker;
  readonly #engines = new Map<string, SwimEngine>();
  #turn = 0;

  constructor(seed: number, { trace, started }: SeedOptions, mutant: MetadataMutant) {
    this.#world = new World({ seed, trace });
    started(this.#world);
    this.#mutant = mutant;
    const { prng } = this.#world;
    this.#names = Array.from({ length: prng.pick(sizes) ?? 4 }, (_, i) => `n${i + 1}`);
    this.#keepsIncarnation = prng.chance(0.6);
    this.#checker = new MetadataChecker(this.#world, this.#keepsIncarnation);
  }

  run(): SeedResult {
    const world = this.#world;
    world.onStep(() => this.#look());
    for (const name of this.#names) world.spawn(name, (ports) => this.#boot(ports));
    world.schedule(
      nemesis(world.prng, {
        nodes: this.#names,
        durationMs: faultsMs,
        everyMs: 500,
        lastsMaxMs: 6500,
        weights: { crashAtDisk: 0, crashTwice: 0, partition: 6, isolate: 4, crash: 6 },
      }),
    );
    this.#operate();
    world.runFor(faultsMs);
    this.#settle();
    return { steps: world.steps, coverage: pickCounts(world, counted) };
  }

  /** Members write, some of them in some of their lives only. */
  #operate(): void {
    const world = this.#world;
    const { prng } = world;
    world.after(prng.exponential(60), () => {
      if (world.nowMs < faultsMs) this.#operate();
      const name = prng.pick(this.#names) ?? '';
      const metadata = this.#engines.get(name)?.metadata;
      if (!world.isUp(name) || metadata === undefined || metadata === null) return;
      const { version, entries } = metadata.map(name);
      const key = prng.pick(keys) ?? '';
      const note = (value: string | null): void =>
        this.#checker.wrote(version.boot, version.counter + 1, key, value);
      // Noted first: the member itself is the first to show it.
      if (prng.chance(0.4)) {
        if ((entries.get(key)?.value ?? null) === null) return;
        note(null);
        metadata.delete(key);
        return world.counters.add('deletes');
      }
      const isLarge = prng.chance(0.4);
      const value = world.nowMs.toFixed(3).padEnd(isLarge ? largeBytes : 1, '.');
      note(value);
      try {
        metadata.set(key, new TextEncoder().encode(value));
        world.counters.add('writes');
        if (isLarge) world.counters.add('largeValues');
      } catch {
        this.#checker.refused(version.boot);
        world.counters.add('refusedWrites');
      }
    });
  }

  /** Calm has come: everybody holds the newest of everybody. */
  #settle(): void {
    const world = this.#world;
    if (world.runWhileNot(() => this.#agree(), agreeMs)) return;
    const views = this.#names.map((observer) => {
      const shown = this.#names.map((owner) => this.#shown(observer, owner));
      return `${observer}: ${shown.join(', ')}`;
    });
    world.fail('every member comes to hold the newest of every map', views.join('; '));
    world.runFor(0);
  }

  #agree(): boolean {
    return this.#names.every((owner) =>
      this.#names.every((observer) => this.#shown(observer, owner) === this.#shown(owner, owner)),
    );
  }

  #shown(observer: string, owner: string): string {
    const map = this.#engines.get(observer)?.metadata?.map(owner);
    if (map === undefined) return 'nothing';
    const { epoch, boot, counter } = map.version;
    // A life that has not written need not be known.
    return counter === 0 ? '' : `${owner} ${epoch}/${boot}/${counter} ${textOf(map)}`;
  }

  #boot(ports: NodePorts): Process {
    const { name, host } = ports;
    const world = this.#world;
    const engine = new SwimEngine(parseSwimConfig({ name, bind: { host, port }, ...timings }), {
      ...ports,
      datagrams: this.#mutant.datagrams?.(ports.datagrams) ?? ports.datagrams,
      incarnations: this.#keepsIncarnation ? diskIncarnations(ports.disk, 'swim') : undefined,
      logger: this.#logger(name),
    });
    engine.onEvent(({ type, member }) => {
      if (type !== 'Reaped') return;
      world.counters.add('reaped');
      this.#checker.reaped(name, member.name);
    });
    engine.start((outcome) => {
      if (!outcome.ok) return world.fail('a member starts', `${name}: ${outcome.error.line}`);
      this.#engines.set(name, engine);
      this.#watch(name, engine);
      this.#join(ports, engine);
    });
    return { stop: () => engine.stop() };
  }

  #watch(name: string, { metadata }: SwimEngine): void {
    if (metadata === null) return this.#world.fail('metadata is on', name);
    this.#checker.started(name, metadata.map(name).version.boot);
    metadata.onChange(({ member }) => this.#checker.shows(name, member, metadata.map(member)));
  }

  /** What comes without a change that people see: collected tombstones, and lives that have written nothing yet. */
  #look(): void {
    const world = this.#world;
    if (world.steps % lookEvery !== 0) return;
    const name = this.#names[this.#turn++ % this.#names.length] ?? '';
    const metadata = this.#engines.get(name)?.metadata;
    if (!world.isUp(name) || metadata === undefined || metadata === null) return;
    const owners = metadata.owners();
    const owner = owners[this.#turn % Math.max(1, owners.length)] ?? '';
    const map = metadata.map(owner);
    this.#checker.shows(name, owner, map);
    if (map.collectedTo > 0) world.counters.add('collected');
    if (map.version.counter === 1 && map.entries.size === 0) world.counters.add('emptyLives');
  }

  /** Joins through all others until one attempt has reached more than half of them. */
  #join(ports: NodePorts, engine: SwimEngine): void {
    const seeds = this.#names
      .filter((name) => name !== ports.name)
      .map((name) => ({ host: this.#world.addressOf(name), port }));
    engine.join(seeds, (outcome) => {
      if (outcome.ok && outcome.value > this.#names.length / 2) return;
      ports.clock.setTimer(rejoinMs, () => this.#join(ports, engine));
    });
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

/** A world with a planted bug; with none it is sound. */
export const metadataWorldWith = (mutant: MetadataMutant): WorldKind => ({
  name: 'metadata',
  mustHappen: counted,
  run: (seed, options) => new MetadataRun(seed, options, mutant).run(),
});

export const metadataWorld: WorldKind = metadataWorldWith({ name: 'sound' });
