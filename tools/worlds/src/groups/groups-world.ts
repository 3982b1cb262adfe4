/**
 * Several groups in each process: they share the node's log, its snapshots' folder and its connections, and agree each on its own.
 *
 * What one group rests on must not come from another: a flush that its frame was not in, an answer that was not for it. So every group has
 * checkers of its own, all look after every event, and the faults are of what is shared: the process, the disk, the network.
 */
import { type ClusterError, Prng } from '@cluster/core';
import { groupChannels, type RaftConfigInput, SnapshotFiles, WriteAheadLog } from '@cluster/raft';
import { nemesis, type NodePorts, type Process, World } from '@cluster/sim';
import { pickCounts, type SeedOptions, type SeedResult, type WorldKind } from '../world-kind.ts';
import { suspendingClock } from '../raft/leases.ts';
import { Group } from './group.ts';
import type { GroupsMutant } from './mutants.ts';
import { ChannelMeter, FlushMeter } from './sharing.ts';

const sizes = [3, 3, 3, 4, 5];
const groupsMax = 4;
const clientsPerGroup = 2;
const faultsMs = 2000;
// After calm: generous beside an election of at most 500 ms and a client's second try.
const settleMs = 5000;
const writesAfterCalm = 3;
// How long a supervisor takes to start a node again whose disk failed.
const superviseMs = 200;
const transferEveryMs = 400;
const lookEveryMs = 50;

const counted = [
  'elections',
  'commits',
  'acknowledged',
  'barriers',
  'reads',
  'gets',
  'puts',
  'swaps',
  'swapsFailed',
  'staleReads',
  'staleAnswers',
  'heartbeatsTogether',
  'flushes',
  'flushesShared',
  'ledApart',
  'ledByOne',
  'transfers',
  'snapshots',
  'installedFromLeader',
  'segmentsRemoved',
  'crashes',
  'restarts',
  'lostWrites',
  'storageFailures',
  'lost',
  'droppedByPartition',
  'duplicated',
  'reordered',
  'partitions',
  'cuts',
  'pauses',
  'drifts',
];

/** Small numbers, so that snapshots and segments of one group come and go beside those of another. */
const drawPolicy = (prng: Prng): Partial<RaftConfigInput> => ({
  snapshotEntries: prng.pick([5, 20]) ?? 20,
  logTailEntries: prng.pick([0, 5]) ?? 0,
  logTailBytes: 1024,
  logBytesMax: 1024,
  snapshotPieceBytes: 1024,
});

class GroupsRun {
  readonly #world: World;
  readonly #prng: Prng;
  readonly #mutant: GroupsMutant | undefined;
  readonly #nodes: readonly string[];
  readonly #groups: readonly Group[];
  readonly #waitsForTurn: boolean;
  readonly #segmentBytes: number;
  /** A pause is a suspend: the clock stands still meanwhile. */
  readonly #suspends: boolean;

  constructor(seed: number, { trace, started }: SeedOptions, mutant: GroupsMutant | undefined) {
    // Where a flush takes long, what other groups write waits for the next one.
    const syncMs = Prng.fromSeed(seed, 'disk').pick([0.3, 3, 10]) ?? 0.3;
    this.#world = new World({ seed, trace, disk: { syncMs } });
    started(this.#world);
    const prng = this.#world.prng;
    this.#prng = prng;
    this.#mutant = mutant;
    this.#nodes = Array.from({ length: prng.pick(sizes) ?? 3 }, (_, i) => `n${i + 1}`);
    this.#waitsForTurn = prng.chance(0.5);
    this.#segmentBytes = prng.pick([4096, 4096, 65_536]) ?? 4096;
    this.#suspends = prng.chance(0.5);
    const groupCount = prng.between(2, groupsMax);
    this.#groups = Array.from(
      { length: groupCount },
      (_, groupId) =>
        new Group(this.#world, {
          groupId,
          groupCount,
          nodes: this.#nodes,
          policy: drawPolicy(prng),
          isMachineDurable: prng.chance(0.5),
          staleBound: mutant?.staleBound ?? ((boundMs) => boundMs),
          onFailed: (ports, error) => this.#failed(ports, error),
        }),
    );
  }

  run(): SeedResult {
    const world = this.#world;
    for (const node of this.#nodes) world.spawn(node, (ports) => this.#boot(ports));
    for (let i = 0; i < clientsPerGroup * this.#groups.length; i++) {
      const group = this.#groups[i % this.#groups.length];
      world.spawn(`client${i + 1}`, (ports) => group?.client(ports) ?? {});
    }
    const failing = this.#prng.chance(0.3) ? { diskFailing: 2, diskFull: 1 } : {};
    world.schedule(
      nemesis(this.#prng, {
        nodes: this.#nodes,
        durationMs: faultsMs,
        everyMs: 250,
        lastsMaxMs: 1000,
        weights: { crashAtDisk: 15, crashTwice: 6, pause: 10, drift: 4, ...failing },
      }),
    );
    this.#transferNow();
    this.#lookAtLeaders();
    for (const group of this.#groups) group.readStale(faultsMs);
    world.runFor(faultsMs);
    this.#settle();
    return { steps: world.steps, coverage: pickCounts(world, counted) };
  }

  /** Calm has come: what must finally happen, in every group. */
  #settle(): void {
    const groups = this.#groups;
    const goals = groups.map((group) => group.acknowledged + writesAfterCalm);
    this.#await('writes go on in every group after the network has healed', () =>
      groups.every((group, i) => group.acknowledged >= (goals[i] ?? 0)),
    );
    for (const group of groups) group.halt();
    this.#world.runFor(1000);
    this.#await('every replica catches up', () => groups.every(({ isCaughtUp }) => isCaughtUp));
    for (const group of groups) group.verify();
    this.#world.runFor(0);
  }

  #await(invariant: string, happened: () => boolean): void {
    if (this.#world.runWhileNot(happened, settleMs)) return;
    const groups = this.#groups.map((group) => group.describe());
    this.#world.fail(invariant, `not within ${settleMs} ms: ${groups.join('; ')}`);
  }

  /** Now and then somebody wants another leader for one of the groups: any node, or the one that leads another group. */
  #transferNow(): void {
    const world = this.#world;
    world.after(this.#prng.exponential(transferEveryMs), () => {
      if (world.nowMs > faultsMs) return;
      const others = this.#prng.chance(0.5) ? this.#prng.pick(this.#groups)?.leaders : this.#nodes;
      this.#prng.pick(this.#groups)?.transfer(this.#prng.pick(others ?? []) ?? '');
      this.#transferNow();
    });
  }

  #lookAtLeaders(): void {
    const world = this.#world;
    world.after(lookEveryMs, () => {
      const leaders = this.#groups.flatMap((group) => group.leaders.slice(0, 1));
      if (leaders.length > 1) world.counters.add(new Set(leaders).size > 1 ? 'ledApart' : 'ledByOne');
      if (world.nowMs < faultsMs) this.#lookAtLeaders();
    });
  }

  #boot(ports: NodePorts): Process {
    const { name, disk } = ports;
    const { counters } = this.#world;
    const clock = this.#suspends
      ? suspendingClock(ports.clock, () => this.#world.pausedMs(name))
      : ports.clock;
    const mutant = this.#mutant;
    for (const group of this.#groups) group.gone(name);
    const flushes = new FlushMeter(counters);
    const afterTurn = this.#waitsForTurn ? (run: () => void): void => void clock.setTimer(0, run) : undefined;
    const log = new WriteAheadLog({
      disk,
      onFlush: (purpose) => {
        if (purpose === 'commit') flushes.flushing();
        if (purpose === 'removedName') counters.add('segmentsRemoved');
      },
      afterTurn,
      segmentBytes: this.#segmentBytes,
      growthBytes: 4096,
    });
    const watched = flushes.watch(log);
    const storage = mutant?.storage?.(watched) ?? watched;
    const snapshots = new SnapshotFiles({ disk, directory: 'snapshots' });
    const meter = new ChannelMeter(counters);
    const shared = groupChannels(meter.below(ports.messages('raft')), { clock });
    const channelOf = mutant?.channels?.(shared) ?? shared;
    const replicas = this.#groups.map((group, groupId) =>
      group.boot(ports, {
        clock,
        channel: meter.above(groupId, channelOf(groupId)),
        storage,
        snapshots,
        afterTurn,
      }),
    );
    return {
      stop: () => {
        for (const replica of replicas) replica.stop();
      },
    };
  }

  /** A disk that fails stops all groups of its node, and a supervisor starts the machine again; nothing else may. */
  #failed({ name, clock }: NodePorts, error: ClusterError): void {
    const world = this.#world;
    if (error.code !== 'RAFT_STORAGE_FAILED' || error.fault === 'bug')
      return world.fail('no replica stops by itself', `${name}: ${error.line}`);
    world.counters.add('storageFailures');
    // The first group's timer ends the process, and the others' with it.
    clock.setTimer(superviseMs, () => {
      world.crash(name);
      world.after(superviseMs, () => world.restart(name));
    });
  }
}

/** @param mutant a planted bug; without one the world is sound. */
export function groupsWorldWith(mutant?: GroupsMutant): WorldKind {
  return {
    name: 'raft-groups',
    mustHappen: counted,
    run: (seed, options) => new GroupsRun(seed, options, mutant).run(),
  };
}

export const groupsWorld: WorldKind = groupsWorldWith();
