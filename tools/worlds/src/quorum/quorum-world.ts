/** Rosters of three to nine under partitions of every shape, with roster changes, joins and restarts while they last. */
import type { Logger } from '@cluster/core';
import { nemesis, type NemesisOptions, type NodePorts, type Process, World } from '@cluster/sim';
import {
  type LeasePort,
  type MembershipView,
  parseQuorumConfig,
  parseSwimConfig,
  type PartitionHappening,
  QuorumEngine,
  type QuorumChannel,
  type RosterPort,
  type Strategy,
  SwimEngine,
} from '@cluster/swim';
import { pickCounts, type SeedOptions, type SeedResult, type WorldKind } from '../world-kind.ts';
import { QuorumChecker } from './checker.ts';
import { Coordinator } from './coordinator.ts';
import type { LeaseLogOptions } from './lease-log.ts';

const sizes = [3, 4, 5, 5, 6, 7, 9];
const swimPort = 7946;
const ttlMs = 500;
const clockMargin = 0.1;
const timings = {
  beatPeriodMs: 100,
  quorumTtlMs: ttlMs,
  clockMargin,
  stabilityMs: 700,
  minorityDelayMs: 200,
  leaseTimeoutMs: 1500,
  shrinkAfterMs: 1200,
};
const swimTimings = {
  probePeriodMs: 100,
  pingTimeoutMs: 40,
  suspectTimeoutMs: 500,
  gossipPeriodMs: 30,
  pushPullPeriodMs: 2000,
  reconnectPeriodMs: 800,
  gossipToTheDeadMs: 3000,
  nameReclaimMs: 3000,
  streamTimeoutMs: 800,
  reapAfterMs: 4000,
};
const faultsMs = 12_000;
const rejoinMs = 300;
// Several windows, and several rejoins of those that come too late for one.
const convergeMs = 25_000;
// A grant or a lease may have been asked for just before the cut, by a clock that is slow; and the look comes a little after it.
const lastsMs = ttlMs * (1 + clockMargin / 2) + 10;
// A death takes two rounds of probes, the suspicion and the gossip; then the window.
const decidedMs = 4000;

/** What a planted bug gets in the way of; without it the world is sound. */
export interface QuorumMutant {
  readonly name: string;
  readonly strategies?: readonly Strategy[];
  /** Of faults, beside the usual ones. */
  readonly weights?: NemesisOptions['weights'];
  readonly channel?: (channel: QuorumChannel, ports: NodePorts) => QuorumChannel;
  readonly roster?: (roster: RosterPort, ports: NodePorts, reached: () => readonly string[]) => RosterPort;
  readonly lease?: (lease: LeasePort, ports: NodePorts) => LeasePort;
  readonly leaseOutlastMs?: number;
  /** Of the lease in a log, which is then where it is kept. */
  readonly replica?: LeaseLogOptions['replica'];
}

const strategies: readonly Strategy[] = [
  'roster-majority',
  'roster-majority',
  'roster-majority',
  'static-quorum',
  'static-quorum',
  'lease-majority',
  'lease-majority',
  'keep-oldest',
  'down-all',
  'keep-majority',
];

const always = [
  'partitionsDetected',
  'partitionsHealed',
  'quorumLost',
  'quorumRegained',
  'takeOvers',
  'rosterChanges',
  'shrinks',
  'removals',
  'additions',
  'rejoins',
  'downed.minority',
  'downed.unstable',
  'downed.fenced',
  'downed.expendable',
  'downed.no_lease',
  'downed.unrostered',
  'upheld',
  'leavesOfPool',
  'crashes',
  'restarts',
  'pauses',
  'partitions',
  'cuts',
  'droppedByPartition',
  'starvations',
  'drifts',
  'bridges',
  'oddLinks',
  'lateLeaseRequests',
  'leaseImages',
];
// Whose zero would not show in the counts over all strategies.
const duringPartition = ['changesDuringPartition', 'additionsDuringPartition', 'restartsDuringPartition'];
const kinds = [
  ...[...new Set(strategies)].map((strategy) => `seeds.${strategy}`),
  ...['roster-majority', 'static-quorum', 'lease-majority'].flatMap((strategy) =>
    duringPartition.map((count) => `${strategy}.${count}`),
  ),
  'lease-majority.leavesDuringPartition',
  'lease-majority.reapedDuringPartition',
];

class QuorumRun {
  readonly #world: World;
  readonly #strategy: Strategy;
  readonly #mutant: QuorumMutant;
  readonly #names: readonly string[];
  readonly #staticQuorum: number;
  readonly #coordinator: Coordinator;
  readonly #checker: QuorumChecker;
  readonly #engines = new Map<string, QuorumEngine>();
  readonly #pools = new Map<string, SwimEngine>();
  readonly #shrinks: boolean;
  /** Both sides of a cut go on until it has been decided. */
  readonly #decides: boolean;

  constructor(seed: number, { trace, started }: SeedOptions, mutant: QuorumMutant) {
    this.#world = new World({ seed, trace });
    started(this.#world);
    this.#mutant = mutant;
    const { prng } = this.#world;
    this.#strategy = prng.pick(mutant.strategies ?? strategies) ?? 'roster-majority';
    const size = prng.pick(sizes) ?? 5;
    const spare = this.#strategy === 'keep-majority' ? 0 : prng.between(0, 2);
    this.#names = Array.from({ length: size + spare }, (_, i) => `n${i + 1}`);
    // With room for one newcomer, or none.
    this.#staticQuorum = Math.floor(size / 2) + 1;
    this.#shrinks = prng.chance(0.5);
    const isLease = this.#strategy === 'lease-majority';
    const isOutside = isLease && prng.chance(0.7);
    this.#coordinator = new Coordinator({
      world: this.#world,
      members: this.#names.slice(0, size),
      leaseOutlastMs: mutant.leaseOutlastMs ?? ttlMs * (1 + clockMargin),
      arbitrates: isLease,
      isOutside,
      isLogged: mutant.replica !== undefined || (isLease && prng.chance(0.7)),
      replica: mutant.replica,
    });
    const isBestEffort = this.#strategy === 'keep-majority';
    // The others are cut off from who arbitrates as well.
    this.#decides = isBestEffort || isOutside;
    this.#checker = new QuorumChecker(this.#world, {
      strategy: this.#strategy,
      graceMs: isBestEffort ? 0 : lastsMs,
      decidedMs: this.#decides ? decidedMs : 0,
      isBestEffort,
    });
    this.#world.counters.add(`seeds.${this.#strategy}`);
  }

  run(): SeedResult {
    const world = this.#world;
    for (const name of this.#names) world.spawn(name, (ports) => this.#boot(ports));
    const script = nemesis(world.prng, {
      nodes: this.#names,
      durationMs: faultsMs,
      everyMs: 900,
      lastsMaxMs: this.#decides ? 9000 : 5000,
      weights: {
        crashAtDisk: 0,
        crashTwice: 0,
        partition: 8,
        isolate: 3,
        cut: 3,
        crash: 3,
        ...this.#mutant.weights,
      },
    });
    world.schedule(script.map((fault) => ({ ...fault, atMs: fault.atMs + 2000 })));
    if (this.#usesSwim) this.#leaveAndReturn();
    if (this.#strategy !== 'keep-majority') this.#operate();
    world.runFor(faultsMs + 2000);
    this.#settle();
    return { steps: world.steps, coverage: pickCounts(world, [...always, ...kinds, 'keepMajoritySplits']) };
  }

  get #usesSwim(): boolean {
    return this.#strategy === 'lease-majority' || this.#strategy === 'keep-majority';
  }

  /** Somebody adds and removes members while all this goes on, through any node that holds quorum. */
  #operate(): void {
    const world = this.#world;
    const { prng } = world;
    world.after(200 + prng.exponential(1500), () => {
      if (world.nowMs < faultsMs) this.#operate();
      const through = prng.shuffle([...this.#engines.values()]).find(({ holdsQuorum }) => holdsQuorum);
      if (through === undefined) return;
      const { members } = through.roster;
      const strangers = this.#names.filter((name) => !members.includes(name));
      const adds = strangers.length > 0 && prng.chance(0.6);
      const name = prng.pick(adds ? strangers : members) ?? '';
      through.proposeRoster({ type: adds ? 'add' : 'remove', name }, ({ ok }) => {
        if (!ok) return;
        world.counters.add(adds ? 'additions' : 'removals');
        if (through.missing.length === 0) return;
        this.#count('changesDuringPartition');
        if (adds) this.#count('additionsDuringPartition');
      });
    });
  }

  /** Members say goodbye to the pool, and come back as a new process. */
  #leaveAndReturn(): void {
    const world = this.#world;
    const { prng } = world;
    world.after(2000 + prng.exponential(6000), () => {
      if (world.nowMs > faultsMs) return;
      const name = prng.pick(this.#names) ?? '';
      const member = this.#pools.get(name);
      if (member !== undefined && world.isUp(name))
        member.leave(() => {
          world.counters.add('leavesOfPool');
          if (this.#isCut) this.#count('leavesDuringPartition');
          // In a turn of its own: it is the member itself that says it has left.
          world.after(1, () => world.stop(name));
          world.after(1000 + prng.float() * 2000, () => world.restart(name));
        });
      this.#leaveAndReturn();
    });
  }

  /** Calm has come: every partition heals, and all on the roster hold quorum again. */
  #settle(): void {
    const world = this.#world;
    const isWhole = (): boolean =>
      this.#members().every((name) => {
        const engine = this.#engines.get(name);
        // Under keep-majority the roster is what is known: everybody must know everybody again.
        const counted = engine?.roster.members.length === this.#members().length;
        return engine?.partition === 'rostered.whole' && engine.holdsQuorum && counted;
      });
    if (world.runWhileNot(isWhole, convergeMs)) return;
    const states = [...this.#engines].map(
      ([name, engine]) =>
        `${name}: ${engine.partition} ${engine.boot} holds ${engine.holdsQuorum} roster ${engine.roster.epoch} missing ${engine.missing.join()}`,
    );
    world.fail('a partition that heals converges', `${this.#strategy}: ${states.join('; ')}`);
    world.runFor(0);
  }

  #count(what: string): void {
    this.#world.counters.add(`${this.#strategy}.${what}`);
  }

  /** Somebody does not reach somebody. */
  get #isCut(): boolean {
    return this.#names.some((a) => this.#names.some((b) => !this.#world.reaches(a, b)));
  }

  #members(): readonly string[] {
    return this.#strategy === 'keep-majority' ? this.#names : this.#coordinator.roster.members;
  }

  #boot(ports: NodePorts): Process {
    const { name } = ports;
    const world = this.#world;
    this.#checker.gone(name);
    this.#engines.delete(name);
    if (ports.incarnation > 1 && this.#isCut) this.#count('restartsDuringPartition');
    const swim = this.#usesSwim ? this.#pool(ports) : undefined;
    const config = parseQuorumConfig({
      name,
      strategy: this.#strategy,
      ...(this.#strategy === 'static-quorum' ? { staticQuorum: this.#staticQuorum } : {}),
      shrink: this.#shrinks,
      rosterFloor: 2,
      ...timings,
    });
    let life = 1;
    const boot = (): string => `${ports.incarnation}.${life++}`;
    const channel = ports.messages('quorum');
    const roster = this.#coordinator.rosterPort(ports);
    const lease = this.#coordinator.leasePort(ports);
    const reached = (): readonly string[] => this.#names.filter((other) => world.reaches(name, other));
    const engine: QuorumEngine = new QuorumEngine(config, {
      clock: ports.clock,
      boot: boot(),
      tracer: ports.tracer,
      logger: this.#logger(name),
      channel: this.#mutant.channel?.(channel, ports) ?? channel,
      roster: this.#noting(this.#mutant.roster?.(roster, ports, reached) ?? roster),
      lease: this.#mutant.lease?.(lease, ports) ?? lease,
      membership: swim,
      owner: {
        standDown: (reason) => {
          world.counters.add(`downed.${reason}`);
          ports.clock.setTimer(rejoinMs, () => {
            if (engine.partition !== 'downed') return;
            world.counters.add('rejoins');
            engine.rejoin(boot());
          });
        },
        takeOver: () => world.counters.add('takeOvers'),
      },
    });
    engine.onEvent((event) => this.#hear(engine, event));
    engine.start();
    this.#engines.set(name, engine);
    this.#checker.started(name, engine);
    return {
      stop: () => {
        engine.stop();
        this.#pools.get(name)?.stop();
      },
    };
  }

  /** Counts what a node proposes by itself. */
  #noting(roster: RosterPort): RosterPort {
    if (roster.propose === undefined) return roster;
    return {
      ...roster,
      propose: (change, epoch, done) =>
        roster.propose?.(change, epoch, (outcome) => {
          const isDone = outcome.ok && outcome.value.epoch === epoch + 1;
          if (isDone && change.type === 'remove') this.#world.counters.add('shrinks');
          done(outcome);
        }),
    };
  }

  #hear({ partition }: QuorumEngine, { type }: PartitionHappening): void {
    const { counters } = this.#world;
    if (type === 'PartitionDetected') counters.add('partitionsDetected');
    if (type === 'PartitionHealed') counters.add('partitionsHealed');
    if (type === 'QuorumLost') counters.add('quorumLost');
    if (type === 'QuorumRegained') counters.add('quorumRegained');
    if (partition === 'rostered.upheld') counters.add('upheld');
  }

  #pool(ports: NodePorts): MembershipView {
    const { name, host } = ports;
    const world = this.#world;
    const engine = new SwimEngine(parseSwimConfig({ name, bind: { host, port: swimPort }, ...swimTimings }), {
      ...ports,
      logger: this.#logger(name),
    });
    const others = this.#names.filter((other) => other !== name);
    const seeds = () => others.map((other) => ({ host: world.addressOf(other), port: swimPort }));
    const join = (): void =>
      void engine.join(seeds(), (outcome) => {
        if (!outcome.ok || outcome.value <= this.#names.length / 2) ports.clock.setTimer(rejoinMs, join);
      });
    engine.onEvent(({ type }) => {
      if (type === 'Reaped' && this.#isCut) this.#count('reapedDuringPartition');
    });
    this.#pools.set(name, engine);
    // Joined once all have been spawned.
    ports.clock.setTimer(1, () => engine.start(join));
    return engine;
  }

  #logger(name: string): Logger {
    return {
      log: (level, message) => {
        const isBug = level === 'error' && message.includes('bug');
        if (isBug) this.#world.fail('no member stops by itself', `${name}: ${message}`);
      },
    };
  }
}

/** A world with a planted bug; with none it is sound. */
export const quorumWorldWith = (mutant: QuorumMutant): WorldKind => ({
  name: 'quorum',
  mustHappen: [...always, ...kinds],
  run: (seed, options) => new QuorumRun(seed, options, mutant).run(),
});

export const quorumWorld: WorldKind = quorumWorldWith({ name: 'sound' });
