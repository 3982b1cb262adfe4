/** One group of the world of groups: its replicas, its clients, and checkers of its own. */
import { type Clock, type ClusterError, Prng } from '@cluster/core';
import type { NodePorts, Process, World } from '@cluster/sim';
import {
  type LogStorage,
  type RaftChannel,
  type RaftConfigInput,
  RaftReplica,
  type SnapshotStorage,
} from '@cluster/raft';
import { AppendMachine, type AppendState, emptyState } from '../raft/append-machine.ts';
import { RaftChecker } from '../raft/checker.ts';
import { Client, Requests } from '../raft/clients.ts';
import { unwritten } from '../raft/commands.ts';
import { DurabilityWitness } from '../raft/durability-witness.ts';
import { History } from '../raft/history.ts';
import { StaleReads } from '../raft/stale-reads.ts';
import { describeReplica, viewOf } from '../raft/views.ts';

/** What a node lends to each of its groups. */
export interface Shared {
  /** Stands still in some worlds while the process is paused. */
  readonly clock: Clock;
  readonly channel: RaftChannel;
  readonly storage: LogStorage;
  readonly snapshots: SnapshotStorage;
  /** As a replica's port of that name. */
  readonly afterTurn: ((run: () => void) => void) | undefined;
}

const staleReadEveryMs = 15;

export interface GroupOptions {
  readonly groupId: number;
  readonly groupCount: number;
  readonly nodes: readonly string[];
  readonly policy: Partial<RaftConfigInput>;
  readonly isMachineDurable: boolean;
  readonly staleBound: (boundMs: number) => number;
  readonly onFailed: (ports: NodePorts, error: ClusterError) => void;
}

export class Group {
  readonly #world: World;
  readonly #options: GroupOptions;
  readonly #history: History;
  readonly #checker: RaftChecker;
  readonly #requests: Requests;
  readonly #witnesses = new Map<string, DurabilityWitness>();
  readonly #replicas = new Map<string, RaftReplica>();
  readonly #states = new Map<string, AppendState>();
  readonly #clients: Client[] = [];
  #operations = 0;

  constructor(world: World, options: GroupOptions) {
    this.#world = world;
    this.#options = options;
    const { nodes, groupId } = options;
    const where = `group ${groupId}: `;
    this.#history = new History(world, where);
    for (const node of nodes) this.#witnesses.set(node, new DurabilityWitness(world, where + node));
    this.#checker = new RaftChecker(world, this.#witnesses, nodes, where);
    this.#requests = new Requests(`clients of ${groupId}`);
  }

  /** Who takes itself for the leader. */
  get leaders(): readonly string[] {
    return this.#checker.leaders;
  }

  get acknowledged(): number {
    return this.#history.acknowledged;
  }

  client(ports: NodePorts): Process {
    const { nodes, groupId, groupCount } = this.#options;
    // The number tells whose operation it is.
    const next = (): number => ++this.#operations * groupCount + groupId;
    this.#clients.push(
      new Client(this.#world, ports, {
        requests: this.#requests,
        servers: nodes,
        history: this.#history,
        nextOperation: next,
        sessionsExpire: false,
      }),
    );
    return {};
  }

  /** Reads that may be stale, of any replica. */
  readStale(untilMs: number): void {
    const { nodes, staleBound } = this.#options;
    const [replicas, history] = [this.#replicas, this.#history];
    const options = { nodes, replicas, history, everyMs: staleReadEveryMs, asked: staleBound };
    new StaleReads(this.#world, options).begin(untilMs);
  }

  halt(): void {
    for (const client of this.#clients) client.halt();
  }

  gone(node: string): void {
    this.#checker.gone(node);
  }

  boot(ports: NodePorts, { clock, channel, storage, snapshots, afterTurn }: Shared): RaftReplica {
    const { name, seed, tracer } = ports;
    const { groupId, nodes, policy, isMachineDurable, onFailed } = this.#options;
    const state = (isMachineDurable ? this.#states.get(name) : undefined) ?? emptyState();
    this.#states.set(name, state);
    const witness = this.#witnesses.get(name) as DurabilityWitness;
    const prng = Prng.fromSeed(seed, `machine of ${groupId}`);
    const replica = new RaftReplica(
      { nodeId: name, groupId, voters: [...nodes], ...policy },
      {
        clock,
        wallClock: ports.clock,
        channel,
        storage: witness.watch(storage),
        snapshots,
        stateMachine: new AppendMachine(name, clock, prng, state, this.#history),
        seed: seed + groupId,
        tracer,
        afterTurn,
      },
    );
    replica.onEvent((event) => {
      if (event.type === 'Failed') onFailed(ports, event.error);
      if (event.type === 'SnapshotTaken') this.#world.counters.add('snapshots');
      if (event.type === 'SnapshotInstalled') this.#world.counters.add('installedFromLeader');
    });
    replica.start((outcome) => {
      if (!outcome.ok) return onFailed(ports, outcome.error);
      this.#checker.started(name, viewOf(replica));
      this.#requests.serve(ports, replica, (key) => state.registers.get(key) ?? unwritten);
    });
    this.#replicas.set(name, replica);
    return replica;
  }

  transfer(to: string): void {
    const [leader = ''] = this.leaders;
    this.#replicas.get(leader)?.transferLeadership(to, (outcome) => {
      if (outcome.ok && to !== leader) this.#world.counters.add('transfers');
    });
  }

  get isCaughtUp(): boolean {
    const { committedIndex } = this.#checker;
    return this.#options.nodes.every(
      (node) => this.#replicas.get(node)?.status().appliedIndex === committedIndex,
    );
  }

  /** After everything has settled. */
  verify(): void {
    const { nodes, groupId, groupCount } = this.#options;
    this.#checker.compareLogs();
    for (const node of nodes) {
      const state = this.#states.get(node) ?? emptyState();
      this.#history.verify(node, state);
      const stray = state.operations.find((operation) => operation % groupCount !== groupId);
      if (stray !== undefined)
        this.#world.fail('a command stays in its group', `${node} holds #${stray} in group ${groupId}`);
    }
    this.#history.registers.check();
  }

  describe(): string {
    const { nodes, groupId } = this.#options;
    const replicas = nodes.map((node) => describeReplica(node, this.#replicas.get(node)));
    return `group ${groupId}: ${replicas.join(', ')}`;
  }
}
