import { Prng, type Sink, type TimerEffect } from '@cluster/core';
import {
  type Configuration,
  type CoreConfig,
  type Entry,
  type HardState,
  type LogBase,
  type MemberKind,
  RaftCore,
  type RaftEffect,
  type RaftInput,
  type RaftMessage,
  type SessionRecord,
  type SnapshotId,
  type Transition,
} from '../../src/index.ts';

type Effect<T extends RaftEffect['type']> = Extract<RaftEffect, { type: T }>;
type MessageOf<T extends RaftMessage['type']> = Extract<RaftMessage, { type: T }>;

export const defaults: CoreConfig = {
  nodeId: 'a',
  voters: ['a', 'b', 'c'],
  priorities: {},
  heartbeatMs: 50,
  electionTimeoutMinMs: 250,
  electionTimeoutMaxMs: 500,
  preVote: true,
  checkQuorum: true,
  leaseReads: false,
  leaseShare: 0.7,
  commandBytesMax: 1 << 20,
  appendBytesMax: 1 << 18,
  inflightMessagesMax: 64,
  inflightBytesMax: 1 << 22,
  catchUpMs: 10_000,
  uncommittedBytesMax: 1 << 26,
  pendingProposalsMax: 1000,
  applyBytesMax: 1 << 20,
  sessionsMax: 4096,
  sessionResultsMax: 256,
  takesSnapshots: true,
  snapshotEntries: 1_000_000,
  snapshotBytes: 1 << 28,
  logTailEntries: 0,
  logTailBytes: 1 << 20,
  logBytesMax: 1 << 28,
  snapshotPieceBytes: 1 << 16,
  snapshotBytesPerSecondMax: 1 << 26,
};

export interface Past {
  readonly hardState?: HardState;
  readonly base?: LogBase;
  readonly entries?: readonly Entry[];
  readonly appliedIndex?: number;
  readonly sessions?: readonly SessionRecord[];
  readonly snapshot?: SnapshotId | null;
  readonly configuration?: Configuration | null;
}

/** Entries from their terms: `log(1, 1, 2)` is three entries. */
export const log = (...terms: number[]): Entry[] =>
  terms.map((term, i) => ({
    index: i + 1,
    term,
    kind: 'command',
    session: null,
    command: new Uint8Array([i]),
  }));

/** One core, its effects and its timers, with time and disk in the test's hand. */
export class Bench {
  readonly core: RaftCore;
  readonly config: CoreConfig;
  nowMs = 0;
  /** Whether a write is done at once. */
  syncs = true;
  /** Whether a batch is applied at once; results are the indexes. */
  applies = true;
  effects: RaftEffect[] = [];
  readonly timers = new Map<string, number>();
  readonly applied: Effect<'apply'>[] = [];
  readonly changed = new Map<number, string>();
  readonly #out: Sink<RaftEffect>;
  #waiting: RaftInput[] = [];
  #sequence = 0;

  constructor(config: Partial<CoreConfig> = {}, past: Past = {}, seed = 1) {
    this.config = { ...defaults, ...config };
    this.core = new RaftCore(this.config, seed);
    this.#out = { observer: null, emit: (effect) => this.#take(effect) };
    const {
      hardState = { term: past.entries?.at(-1)?.term ?? 0, vote: null },
      base = { index: 0, term: 0 },
      entries = [],
      appliedIndex = 0,
      sessions = [],
      snapshot = null,
      configuration = null,
    } = past;
    this.input({ type: 'START', hardState, base, entries, appliedIndex, sessions, snapshot, configuration });
  }

  get name(): string {
    return this.config.nodeId;
  }

  input(input: RaftInput): void {
    this.core.handle(input, this.nowMs, this.#out);
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      this.core.handle(next, this.nowMs, this.#out);
    }
  }

  receive(from: string, message: RaftMessage): void {
    this.input({ type: 'MESSAGE', from, message });
  }

  /** Asks for a change of members. @returns its reference. */
  change(
    changes: Readonly<Record<string, MemberKind>>,
    transition: Transition = 'auto',
    timeoutMs = 5000,
  ): number {
    const ref = ++this.#ref;
    const list = Object.entries(changes).map(([nodeId, becomes]) => ({ nodeId, becomes }));
    this.input({ type: 'CHANGE', ref, changes: list, transition, timeoutMs });
    return ref;
  }

  /** How a change ended; undefined while it has not. */
  outcomeOf(ref: number): string | undefined {
    return this.changed.get(ref);
  }

  /** Everything written so far is on the disk. */
  sync(): void {
    this.input({ type: 'PERSISTED', sequence: this.#sequence });
  }

  /** The batch under way is applied. */
  apply(): void {
    const batch = this.applied.at(-1);
    this.input({
      type: 'APPLIED',
      results: batch?.entries.map(({ index }) => new Uint8Array([index])) ?? [],
    });
  }

  propose(
    command: string,
    more: Partial<Extract<RaftInput, { type: 'PROPOSE' }>['proposals'][number]> = {},
  ): number {
    const ref = ++this.#ref;
    const proposal = {
      ref,
      kind: 'command',
      session: null,
      command: new TextEncoder().encode(command),
      timeoutMs: 5000,
      ...more,
    } as const;
    this.input({ type: 'PROPOSE', proposals: [proposal] });
    return ref;
  }
  #ref = 0;

  /** The connection to a peer breaks. */
  lose(peer: string): void {
    this.core.handle({ type: 'PEER_LOST', peer }, this.nowMs, this.#out);
  }

  /** Time passes; timers fire as they fall due. */
  pass(ms: number): void {
    const end = this.nowMs + ms;
    for (;;) {
      const due = [...this.timers].filter(([, at]) => at <= end).sort((a, b) => a[1] - b[1])[0];
      if (due === undefined) break;
      this.timers.delete(due[0]);
      this.nowMs = Math.max(this.nowMs, due[1]);
      this.#fire(due[0]);
    }
    this.nowMs = end;
  }

  #fire(timer: string): void {
    this.core.handle({ type: 'TIMER', timer }, this.nowMs, this.#out);
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      this.core.handle(next, this.nowMs, this.#out);
    }
  }

  /** Until the election timer has fired once; it must be armed. */
  passElectionTimeout(): void {
    const due = [...this.timers].find(([timer]) => timer.includes('electionTimeout'));
    if (due === undefined) throw new Error('no election timer is armed');
    this.pass(due[1] - this.nowMs);
  }

  /** Effects of a kind since the last `clear`. */
  of<T extends RaftEffect['type']>(type: T): Effect<T>[] {
    return this.effects.filter((effect): effect is Effect<T> => effect.type === type);
  }

  /** Messages of a kind since the last `clear`, to one node or to all. */
  sent<T extends RaftMessage['type']>(type: T, to?: string): MessageOf<T>[] {
    return this.of('send')
      .filter((effect) => (to === undefined || effect.to === to) && effect.message.type === type)
      .map(({ message }) => message as MessageOf<T>);
  }

  clear(): void {
    this.effects = [];
  }

  /** Elects this node: the others agree to everything. */
  becomeLeader(): void {
    const { peers } = this;
    this.passElectionTimeout();
    for (const from of peers) {
      this.receive(from, { type: 'voteResponse', term: this.core.currentTerm + 1, pre: true, granted: true });
      if (this.core.role !== 'preCandidate') break;
    }
    this.#complete();
    for (const from of peers)
      this.receive(from, { type: 'voteResponse', term: this.core.currentTerm, pre: false, granted: true });
    this.#complete();
    if (this.core.role !== 'leader') throw new Error(`it became ${this.core.role}`);
  }

  get peers(): string[] {
    return this.config.voters.filter((voter) => voter !== this.name);
  }

  /** A follower acknowledges everything. */
  accept(from: string, match = this.core.lastIndex): void {
    this.receive(from, { type: 'appendAccepted', term: this.core.currentTerm, match });
  }

  /** The terms along the log. */
  get terms(): number[] {
    return Array.from({ length: this.core.lastIndex }, (_, i) => this.core.log.termAt(i + 1) ?? 0);
  }

  #complete(): void {
    if (!this.syncs) this.sync();
  }

  #take(effect: RaftEffect | TimerEffect): void {
    if (effect.type === 'setTimer') return void this.timers.set(effect.timer, this.nowMs + effect.delayMs);
    if (effect.type === 'cancelTimer') return void this.timers.delete(effect.timer);
    if (effect.type === 'persist') {
      this.#sequence = effect.sequence;
      if (this.syncs) this.#waiting.push({ type: 'PERSISTED', sequence: effect.sequence });
    }
    if (effect.type === 'changed') this.changed.set(effect.ref, effect.outcome);
    if (effect.type === 'apply') {
      this.applied.push(effect);
      const results = effect.entries.map(({ index }) => new Uint8Array([index]));
      if (this.applies) this.#waiting.push({ type: 'APPLIED', results });
    }
    this.effects.push(effect);
  }
}

interface Flying {
  readonly from: string;
  readonly to: string;
  readonly message: RaftMessage;
}

/** Several cores whose messages the test delivers. */
export class BenchCluster {
  readonly nodes: Map<string, Bench>;
  flying: Flying[] = [];

  /** @param own what a node has in place of `config`, by name. */
  constructor(
    names: readonly string[],
    config: Partial<CoreConfig> = {},
    pasts: Readonly<Record<string, Past>> = {},
    own: Readonly<Record<string, Partial<CoreConfig>>> = {},
  ) {
    this.nodes = new Map(
      names.map((nodeId, i) => [
        nodeId,
        new Bench({ ...config, ...own[nodeId], nodeId, voters: names }, pasts[nodeId], i + 1),
      ]),
    );
  }

  /** All that lead as far as they know. */
  get leaders(): Bench[] {
    return [...this.nodes.values()].filter(({ core }) => core.role === 'leader');
  }

  node(name: string): Bench {
    const node = this.nodes.get(name);
    if (node === undefined) throw new Error(`no node ${name}`);
    return node;
  }

  /** A node that waits to be added. */
  join(nodeId: string, config: Partial<CoreConfig> = {}): Bench {
    const node = new Bench({ ...config, nodeId, voters: [] }, {}, this.nodes.size + 1);
    node.nowMs = Math.max(...[...this.nodes.values()].map(({ nowMs }) => nowMs));
    this.nodes.set(nodeId, node);
    return node;
  }

  /** Takes up what the nodes have sent. */
  collect(): Flying[] {
    for (const [from, node] of this.nodes) {
      this.flying.push(...node.of('send').map(({ to, message }) => ({ from, to, message })));
      node.effects = node.effects.filter(({ type }) => type !== 'send');
    }
    return this.flying;
  }

  /** Delivers until nothing is under way; what `keep` refuses is lost. */
  settle(keep: (flight: Flying) => boolean = () => true): void {
    for (let left = 10_000; this.collect().length > 0; left--) {
      if (left === 0) throw new Error('it never settles');
      const flight = this.flying.shift();
      if (flight !== undefined && keep(flight))
        this.nodes.get(flight.to)?.receive(flight.from, flight.message);
    }
  }

  /** Time passes for all, in steps of a millisecond, with messages delivered at once. */
  pass(ms: number, keep: (flight: Flying) => boolean = () => true): void {
    for (let i = 0; i < ms; i++) {
      for (const node of this.nodes.values()) node.pass(1);
      this.settle(keep);
    }
  }

  /** Makes this node stand until it leads. */
  elect(name: string, keep: (flight: Flying) => boolean = () => true): Bench {
    const node = this.node(name);
    for (const other of this.nodes.values()) if (other !== node) other.nowMs += 1000;
    for (let tries = 0; node.core.role !== 'leader'; tries++) {
      if (tries > 5) throw new Error(`${name} does not win`);
      node.passElectionTimeout();
      this.settle(keep);
    }
    return node;
  }
}

/** For tests that want chance. */
export const chance = (seed: number): Prng => Prng.fromSeed(seed, 'test');
