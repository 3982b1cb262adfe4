import {
  type ClusterError,
  type Disk,
  type Logger,
  memoryDisk,
  type Outcome,
  type Tracer,
} from '@cluster/core';
import {
  type LogStorage,
  MemoryLogStorage,
  type ProposalResult,
  type ProposeOptions,
  type RaftConfigInput,
  type RaftEvent,
  RaftReplica,
  SnapshotFiles,
} from '../../src/index.ts';
import { ManualClock } from './clock.ts';
import { Ledger, text } from './ledger.ts';
import { TestNetwork } from './network.ts';

export interface TestNode {
  readonly name: string;
  readonly ledger: Ledger;
  /** Where its snapshots are. */
  readonly disk: Disk;
  storage: LogStorage;
  replica: RaftReplica;
  readonly events: RaftEvent[];
}

/** What became of a call: undefined while it is open. */
export interface Call<T> {
  outcome: Outcome<T> | undefined;
  readonly abandon: () => void;
}

export interface GroupOptions {
  readonly config?: Partial<RaftConfigInput>;
  readonly tracer?: Tracer;
  readonly logger?: Logger;
  /** Default: true. */
  readonly hasWallClock?: boolean;
  readonly storage?: (node: string) => LogStorage;
  readonly disk?: (node: string) => Disk;
  readonly afterTurn?: (run: () => void) => void;
  readonly afterPoll?: (run: () => void) => void;
}

/** Replicas over fake ports, in virtual time. */
export class TestGroup {
  readonly clock = new ManualClock();
  readonly network = new TestNetwork(this.clock);
  readonly nodes = new Map<string, TestNode>();
  readonly #options: GroupOptions;
  readonly #names: readonly string[];
  #seed = 1;
  /** How much more time has passed than the clock says. */
  wallAheadMs = 0;

  constructor(names: readonly string[], options: GroupOptions = {}) {
    this.#names = names;
    this.#options = options;
    for (const name of names)
      this.#boot(
        name,
        new Ledger(),
        options.storage?.(name) ?? new MemoryLogStorage(),
        [],
        options.disk?.(name) ?? memoryDisk(),
      );
  }

  readonly #wallClock = { nowMs: (): number => this.clock.nowMs() + this.wallAheadMs };

  node(name: string): TestNode {
    const node = this.nodes.get(name);
    if (node === undefined) throw new Error(`no node ${name}`);
    return node;
  }

  get leader(): TestNode | undefined {
    const leaders = [...this.nodes.values()].filter(({ replica }) => replica.status().role === 'leader');
    return leaders.sort((a, b) => b.replica.status().term - a.replica.status().term)[0];
  }

  get followers(): TestNode[] {
    return [...this.nodes.values()].filter((node) => node !== this.leader);
  }

  electLeader(): TestNode {
    this.clock.advanceUntil(
      () =>
        this.leader !== undefined &&
        this.followers.every(({ replica }) => replica.status().leaderId === this.leader?.name),
    );
    return this.leader as TestNode;
  }

  /** Ends the process; the log and the state machine's data remain. */
  crash(name: string): void {
    this.node(name).replica.stop();
  }

  restart(name: string, storage?: LogStorage): void {
    const { ledger, storage: before, events, disk } = this.node(name);
    const again = storage ?? (before instanceof MemoryLogStorage ? new MemoryLogStorage(before) : before);
    this.#boot(name, ledger, again, events, disk);
  }

  propose(name: string, command: string, options: ProposeOptions = {}): Call<ProposalResult> {
    const call: { outcome: Outcome<ProposalResult> | undefined; abandon: () => void } = {
      outcome: undefined,
      abandon: () => undefined,
    };
    call.abandon = this.node(name).replica.propose(
      text(command),
      options,
      (outcome) => (call.outcome = outcome),
    );
    return call;
  }

  #boot(name: string, ledger: Ledger, storage: LogStorage, events: RaftEvent[], disk: Disk): void {
    const replica = new RaftReplica(
      { nodeId: name, voters: [...this.#names], ...this.#options.config },
      {
        clock: this.clock,
        ...(this.#options.hasWallClock === false ? {} : { wallClock: this.#wallClock }),
        channel: this.network.channel(name),
        storage,
        stateMachine: ledger,
        snapshots: new SnapshotFiles({ disk }),
        seed: this.#seed++,
        tracer: this.#options.tracer,
        logger: this.#options.logger,
        afterTurn: this.#options.afterTurn,
        afterPoll: this.#options.afterPoll,
      },
    );
    replica.onEvent((event) => void events.push(event));
    this.nodes.set(name, { name, ledger, disk, storage, replica, events });
    replica.start((outcome) => {
      if (!outcome.ok) throw outcome.error;
    });
  }
}

export const valueOf = <T>(call: { readonly outcome: Outcome<T> | undefined }): T => {
  if (call.outcome === undefined) throw new Error('the call is still open');
  if (!call.outcome.ok) throw call.outcome.error;
  return call.outcome.value;
};

export const errorOf = <T>(call: { readonly outcome: Outcome<T> | undefined }): ClusterError => {
  if (call.outcome === undefined || call.outcome.ok) throw new Error('the call has not failed');
  return call.outcome.error;
};

/** Proposes, and lets time pass until there is an answer. */
export function proposeAndWait(group: TestGroup, name: string, command: string): Call<ProposalResult> {
  const call = group.propose(name, command);
  group.clock.advanceUntil(() => call.outcome !== undefined);
  return call;
}
