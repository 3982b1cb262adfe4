/**
 * Raft in the simulator: three to seven replicas with the production log on a disk that loses and tears, clients that write
 * through any of them, faults by the seed, and every promise checked after every event.
 */
import { type ClusterError, Prng } from '@cluster/core';
import { nemesis, type NemesisOptions, type NodePorts, type Process, World } from '@cluster/sim';
import {
  type LogStorage,
  type RaftConfigInput,
  RaftReplica,
  SnapshotFiles,
  WriteAheadLog,
} from '@cluster/raft';
import { pickCounts, type SeedOptions, type SeedResult, type WorldKind } from '../world-kind.ts';
import { AppendMachine, type AppendState, emptyState } from './append-machine.ts';
import { RaftChecker } from './checker.ts';
import { describeReplica, viewOf } from './views.ts';
import { Client, type Registers, Requests } from './clients.ts';
import { unwritten } from './commands.ts';
import { DurabilityWitness } from './durability-witness.ts';
import { withHints } from './hints.ts';
import { History } from './history.ts';
import { Churn } from './churn.ts';
import { counted } from './coverage.ts';
import { DiskDamage } from './disk-damage.ts';
import { FlushGate, type Mutant } from './mutants.ts';
import { LeaseTrial, suspendingClock } from './leases.ts';
import { drawProtections, type Protections } from './protections.ts';
import { turnsOf } from './turns.ts';
import { StaleReads } from './stale-reads.ts';

const sizes = [3, 3, 3, 4, 5, 5, 6, 7];
// Where members change, the others wait to be added.
const foundersMax = 3;
const clientCount = 3;
const sessionsExpireRate = 0.2;
const faultsMs = 4000;
// After calm: generous beside an election of at most 500 ms and a client's second try.
const progressMs = 5000;
const catchUpMs = 5000;
const writesAfterCalm = 5;
// How long a supervisor takes to start a replica again that gave up, e.g. because its disk failed.
const superviseMs = 200;
const transferEveryMs = 600;
const staleReadEveryMs = 80;

/** Small numbers, so that there are many snapshots, in several pieces, a log that is soon short, and followers that are soon far behind. */
const drawPolicy = (prng: Prng): Partial<RaftConfigInput> => ({
  snapshotEntries: prng.pick([5, 20, 60, 1000]) ?? 20,
  logTailEntries: prng.pick([0, 5, 30]) ?? 0,
  logTailBytes: 1024,
  logBytesMax: prng.pick([1024, 65_536]) ?? 1024,
  appendBytesMax: prng.pick([1024, 1 << 18]) ?? 1024,
  inflightBytesMax: prng.pick([2048, 1 << 22]) ?? 2048,
  catchUpMs: 500,
  snapshotPieceBytes: 1024,
  snapshotBytesPerSecondMax: prng.pick([1 << 16, 1 << 20]) ?? 1 << 16,
});

class RaftRun {
  readonly #world: World;
  readonly #prng: Prng;
  readonly #mutant: Mutant | undefined;
  readonly #weights: NemesisOptions['weights'];
  readonly #nodes: readonly string[];
  // Who votes when the group begins.
  readonly #voters: readonly string[];
  readonly #isMachineDurable: boolean;
  readonly #segmentBytes: number;
  readonly #policy: Partial<RaftConfigInput>;
  readonly #history: History;
  readonly #requests = new Requests();
  readonly #witnesses = new Map<string, DurabilityWitness>();
  readonly #checker: RaftChecker;
  readonly #churn: Churn;
  readonly #damage: DiskDamage;
  readonly #states = new Map<string, AppendState>();
  readonly #replicas = new Map<string, RaftReplica>();
  readonly #clients: Client[] = [];
  readonly #changesMembers: boolean;
  readonly #leaseReads: boolean;
  readonly #sessionsExpire: boolean;
  readonly #protections: ReadonlyMap<string, Protections>;
  /** What is asked of a replica in one turn goes on together, as it does on a loop of events. */
  readonly #gathers: boolean;
  /** A pause is a suspend: the clock stands still meanwhile. */
  readonly #suspends: boolean;
  #operations = 0;

  constructor(
    seed: number,
    { trace, started }: SeedOptions,
    mutant: Mutant | undefined,
    weights: NemesisOptions['weights'],
  ) {
    this.#world = new World({ seed, trace });
    started(this.#world);
    this.#prng = this.#world.prng;
    this.#mutant = mutant;
    this.#weights = weights;
    const size = this.#prng.pick(sizes) ?? 3;
    this.#nodes = Array.from({ length: size }, (_, i) => `n${i + 1}`);
    this.#changesMembers = this.#prng.chance(0.5);
    this.#voters = this.#changesMembers ? this.#nodes.slice(0, foundersMax) : this.#nodes;
    this.#isMachineDurable = this.#prng.chance(0.5);
    this.#segmentBytes = this.#prng.pick([4096, 8192, 65_536]) ?? 4096;
    this.#policy = drawPolicy(this.#prng);
    this.#leaseReads = this.#prng.chance(0.5);
    this.#sessionsExpire = Prng.fromSeed(seed, 'sessions').chance(sessionsExpireRate);
    this.#protections = drawProtections(seed, this.#nodes, this.#leaseReads);
    this.#gathers = Prng.fromSeed(seed, 'turns').chance(0.5);
    this.#suspends = this.#prng.chance(0.5);
    this.#history = new History(this.#world);
    for (const node of this.#nodes) this.#witnesses.set(node, new DurabilityWitness(this.#world, node));
    this.#checker = new RaftChecker(this.#world, this.#witnesses, this.#voters);
    this.#damage = new DiskDamage(this.#world, {
      voters: this.#voters,
      isCaughtUp: (node) => this.#isCaughtUp(node),
      writeMore: () => this.#writeMore(),
      describe: () => this.#describe(),
    });
    this.#churn = new Churn(this.#world, this.#nodes, this.#replicas, () =>
      this.#replicas.get(this.#prng.pick(this.#checker.leaders) ?? ''),
    );
  }

  run(): SeedResult {
    const world = this.#world;
    for (const node of this.#nodes) world.spawn(node, (ports) => this.#boot(ports));
    for (let i = 0; i < clientCount; i++) world.spawn(`client${i + 1}`, (ports) => this.#client(ports));
    const failing = this.#prng.chance(0.2) ? { diskFailing: 2, diskFull: 1 } : {};
    world.schedule(
      nemesis(this.#prng, {
        nodes: this.#nodes,
        durationMs: faultsMs,
        everyMs: 250,
        lastsMaxMs: 1200,
        weights: { crashAtDisk: 5, crashTwice: 3, block: 1, ...failing, ...this.#weights },
      }),
    );
    this.#transferNow();
    if (this.#leaseReads) {
      const leaders = (): readonly string[] => this.#checker.leaders;
      new LeaseTrial(world, this.#nodes, this.#replicas, leaders, this.#history).begin(faultsMs);
    }
    new StaleReads(world, {
      nodes: this.#nodes,
      replicas: this.#replicas,
      history: this.#history,
      everyMs: staleReadEveryMs,
      asked: (boundMs) => boundMs,
    }).begin(faultsMs);
    if (this.#changesMembers) this.#churn.begin(faultsMs);
    world.runFor(faultsMs);
    this.#settle();
    this.#damage.happen();
    this.#checker.compareLogs();
    world.runFor(0);
    return { steps: world.steps, coverage: pickCounts(world, counted) };
  }

  /** Calm has come: what must finally happen. */
  #settle(): void {
    const world = this.#world;
    if (!world.runWhileNot(() => this.#churn.outsidersRest, progressMs)) {
      world.fail('who is no member asks for no votes', `not within ${progressMs} ms: ${this.#describe()}`);
    }
    if (!world.runWhileNot(() => this.#churn.restores(), progressMs)) {
      world.fail(
        'members can be changed after the network has healed',
        `not within ${progressMs} ms: ${this.#describe()}`,
      );
    }
    const goal = this.#history.acknowledged + writesAfterCalm;
    if (!world.runWhileNot(() => this.#history.acknowledged >= goal, progressMs)) {
      world.fail(
        'writes go on after the network has healed',
        `not within ${progressMs} ms: ${this.#describe()}`,
      );
    }
    for (const client of this.#clients) client.halt();
    world.runFor(1000);
    const behind = (): boolean => this.#nodes.some((node) => !this.#isCaughtUp(node));
    if (!world.runWhileNot(() => !behind(), catchUpMs)) {
      world.fail('every replica catches up', `not within ${catchUpMs} ms: ${this.#describe()}`);
    }
    this.#churn.checkSilenced();
    this.#checker.compareLogs();
    for (const node of this.#nodes) this.#history.verify(node, this.#states.get(node) ?? emptyState());
    this.#history.registers.check();
    world.runFor(0);
  }

  /** The clients go on for a while. */
  #writeMore(): void {
    const goal = this.#history.acknowledged + writesAfterCalm;
    for (const client of this.#clients) client.goOn();
    this.#world.runWhileNot(() => this.#history.acknowledged >= goal, progressMs);
    for (const client of this.#clients) client.halt();
  }

  /** Now and then, as long as there are faults, somebody wants another leader. */
  #transferNow(): void {
    const world = this.#world;
    world.after(this.#prng.exponential(transferEveryMs), () => {
      if (world.nowMs > faultsMs) return;
      const leader = this.#prng.pick(this.#checker.leaders) ?? '';
      const to = this.#prng.pick(this.#nodes) ?? '';
      this.#replicas.get(leader)?.transferLeadership(to, (outcome) => {
        world.counters.add('transfersAsked');
        if (outcome.ok && to !== leader) world.counters.add('transfers');
      });
      this.#transferNow();
    });
  }

  #isCaughtUp(node: string): boolean {
    return this.#replicas.get(node)?.status().appliedIndex === this.#checker.committedIndex;
  }

  #describe(): string {
    return this.#nodes.map((node) => describeReplica(node, this.#replicas.get(node))).join(', ');
  }

  #client(ports: NodePorts): Process {
    const next = (): number => ++this.#operations;
    this.#clients.push(
      new Client(this.#world, ports, {
        requests: this.#requests,
        servers: this.#nodes,
        history: this.#history,
        nextOperation: next,
        sessionsExpire: this.#sessionsExpire,
      }),
    );
    return {};
  }

  #boot(ports: NodePorts): Process {
    const { name } = ports;
    const clock = this.#suspends
      ? suspendingClock(ports.clock, () => this.#world.pausedMs(name))
      : ports.clock;
    this.#checker.gone(name);
    const state = (this.#isMachineDurable ? this.#states.get(name) : undefined) ?? emptyState();
    this.#states.set(name, state);
    const mutant = this.#mutant;
    const turns = this.#gathers ? turnsOf(clock, this.#world.counters) : {};
    const gate = mutant?.flushes && new FlushGate(ports.disk, clock, mutant.flushes);
    const log = new WriteAheadLog({
      disk: gate?.disk ?? ports.disk,
      onFlush: (purpose) => {
        if (purpose === 'removedName') this.#world.counters.add('segmentsRemoved');
        gate?.onFlush(purpose);
      },
      afterTurn: turns.afterTurn,
      directory: 'data/wal',
      segmentBytes: this.#segmentBytes,
      growthBytes: 4096,
    });
    const files = new SnapshotFiles({
      disk: gate?.disk ?? ports.disk,
      onFlush: (purpose) => gate?.onFlush(purpose),
      directory: 'snapshots',
    });
    const storage: LogStorage = mutant?.storage?.(log, clock) ?? log;
    const witness = this.#witnesses.get(name) as DurabilityWitness;
    const channel = withHints(
      mutant?.channel?.(ports.messages('raft'), clock) ?? ports.messages('raft'),
      clock,
      Prng.fromSeed(ports.seed, 'hints'),
      this.#nodes,
      () => this.#world.counters.add('lossesHinted'),
    );
    const protections = this.#protections.get(name);
    if (protections?.preVote === false) this.#world.counters.add('startsWithoutPreVote');
    if (protections?.checkQuorum === false) this.#world.counters.add('startsWithoutCheckQuorum');
    const replica = new RaftReplica(
      {
        nodeId: name,
        voters: this.#voters.includes(name) ? [...this.#voters] : [],
        leaseReads: this.#leaseReads,
        ...protections,
        ...(this.#sessionsExpire ? { sessionsMax: clientCount - 1 } : {}),
        ...this.#policy,
      },
      {
        clock,
        wallClock: mutant?.wallClock?.(ports.clock, clock) ?? ports.clock,
        channel,
        storage: witness.watch(storage),
        snapshots: mutant?.snapshots?.(files) ?? files,
        stateMachine: new AppendMachine(
          name,
          clock,
          Prng.fromSeed(ports.seed, 'machine'),
          state,
          this.#history,
        ),
        seed: ports.seed,
        ...turns,
        tracer: ports.tracer,
      },
      mutant?.rules,
    );
    replica.onEvent((event) => {
      if (event.type === 'Failed') this.#failed(ports, event.error);
      if (event.type === 'LeftOut') this.#world.counters.add('leftOut');
      if (event.type === 'SnapshotTaken') this.#world.counters.add('snapshots');
      if (event.type === 'SnapshotInstalled') this.#world.counters.add('installedFromLeader');
    });
    replica.start((outcome) => {
      if (!outcome.ok) return this.#failed(ports, outcome.error);
      this.#checker.started(name, viewOf(replica));
      const registers: Registers = (key) => state.registers.get(key) ?? unwritten;
      this.#requests.serve(ports, replica, mutant?.registers?.(registers) ?? registers);
    });
    this.#replicas.set(name, replica);
    return { stop: () => replica.stop() };
  }

  /** A disk that fails stops a replica, and a supervisor starts the machine again; nothing else may. */
  #failed({ name, clock }: NodePorts, error: ClusterError): void {
    const world = this.#world;
    if (this.#damage.isFound(name, error)) return;
    if (error.code !== 'RAFT_STORAGE_FAILED' || error.fault === 'bug') {
      return world.fail('no replica stops by itself', `${name}: ${error.line}`);
    }
    world.counters.add('storageFailures');
    clock.setTimer(superviseMs, () => {
      world.crash(name);
      world.after(superviseMs, () => world.restart(name));
    });
  }
}

/**
 * @param mutant a planted bug; without one the world is sound.
 * @param weights of faults, beside the usual ones.
 */
export function raftWorldWith(mutant?: Mutant, weights?: NemesisOptions['weights']): WorldKind {
  return {
    name: 'raft',
    mustHappen: counted,
    run: (seed, options) => new RaftRun(seed, options, mutant, weights).run(),
  };
}

export const raftWorld: WorldKind = raftWorldWith();
