/** The facade of the cluster. See README.md for what it guarantees. */
import { type Address, encodeTrace, type TraceHeader, traceFormat, traceVersion } from '@cluster/core';
import { ClusterMetadata } from './cluster-metadata.ts';
import type { MemberView, QuorumView, Route } from './components.ts';
import { Deadline } from './deadline.ts';
import type { BroadcastOutcome, MessageHandler, SendMessageOptions } from './dispatcher.ts';
import type { Environment } from './environment.ts';
import { managerError, throwIfAborted, unavailable } from './errors.ts';
import { assessHealth, type HealthReport } from './health-check.ts';
import {
  sessionManager,
  type RollingRestartOptions,
  type SessionManager,
  transactionManager,
  type TransactionManager,
} from './later.ts';
import type { Leadership } from './leadership.ts';
import { Lifecycle } from './lifecycle.ts';
import type { ClusterMessage, ClusterMessageInput, MessageKind } from './messages.ts';
import type { AllMetrics } from './metrics.ts';
import { toNodeInfo } from './node-info.ts';
import type { ProposeOptions, ProposeResult, ReadOptions, RouteOptions } from './options.ts';
import type { QueryOptions } from './query-service.ts';
import { type JoinRequest, Runtime } from './runtime.ts';
import type { RosterChanges } from './roster.ts';
import type { Services } from './services.ts';
import type { QueryResult, QueryRows } from './sql.ts';
import type { CallOptions, ClusterEvent, LifecycleState, NodeInfo, RoutingStrategy } from './types.ts';

export class ClusterNetworkManager implements AsyncDisposable {
  /** Sessions and their migration; not available yet. */
  readonly sessions: SessionManager = sessionManager;
  /** Distributed transactions; not available yet. */
  readonly transactions: TransactionManager = transactionManager;
  /** Who leads the replicated log, as this node knows it. */
  readonly leadership: Leadership;
  /** A key-value map of every node, each written by its owner and held by all. */
  readonly metadata: ClusterMetadata;
  readonly #environment: Environment;
  readonly #lifecycle: Lifecycle;
  readonly #runtime: Runtime;
  #joining: JoinRequest = { seeds: [], signal: undefined };

  /** For composers; applications call `create()` of `@cluster/manager/node`. */
  constructor(environment: Environment) {
    const { clock, config, nodeId, tracer, wallClock } = environment;
    this.#environment = environment;
    const runtime = new Runtime(environment, {
      memberSeen: () => this.#lifecycle.memberSeen(),
      componentFailed: (error) => this.#lifecycle.componentFailed(error),
    });
    this.#runtime = runtime;
    this.leadership = runtime.leadership;
    this.metadata = new ClusterMetadata(nodeId, () => {
      this.#lifecycle.assertOpen('metadata');
      return runtime.components.membership.metadata;
    });
    this.#lifecycle = new Lifecycle({
      nodeId,
      clock,
      tracer,
      leaveTimeoutMs: config.leaveTimeoutMs,
      stopTimeoutMs: config.stopTimeoutMs,
      work: {
        open: (signal) => runtime.open(signal),
        join: () => runtime.join(this.#joining),
        leave: () => runtime.components.membership.leave(),
        close: () => runtime.close(),
      },
      onState: (state) => {
        runtime.events.publish({ type: 'LifecycleChanged', state, at: wallClock.nowMs() });
        if (state === 'stopped') runtime.events.close();
      },
    });
  }

  get nodeId(): string {
    return this.#environment.nodeId;
  }

  get state(): LifecycleState {
    return this.#lifecycle.state;
  }

  /** Where seeds of others point. @throws ClusterError `MANAGER_NOT_RUNNING` */
  get gossipAddress(): Address {
    this.#lifecycle.assertOpen('gossipAddress');
    return this.#runtime.components.membership.address;
  }

  /** Where clients and nodes dial. @throws ClusterError `MANAGER_NOT_RUNNING` */
  get transportAddress(): Address {
    this.#lifecycle.assertOpen('transportAddress');
    return this.#runtime.components.messenger.address;
  }

  /**
   * Opens sockets and the log. Everything or nothing: after an error nothing stays open.
   * @throws ClusterError of whatever could not be opened (its own code), `MANAGER_ALREADY_STARTED`, `MANAGER_STOPPED`.
   */
  start(): Promise<void> {
    return this.#lifecycle.start();
  }

  /**
   * Joins through gossip addresses of members, `host:port`; resolves to the number that answered, once one member has accepted
   * this node's certificate. Tries for `joinTimeoutMs`.
   * @throws ClusterError `MANAGER_JOIN_FAILED`, `MANAGER_JOIN_IN_PROGRESS`, `MANAGER_VOTERS_REQUIRED`, or what refused it.
   */
  async joinCluster(
    seeds: readonly string[],
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<number> {
    throwIfAborted(options.signal);
    if (seeds.length === 0)
      throw managerError('MANAGER_JOIN_FAILED', 'No seed was given.', { retry: 'useless' });
    if (
      this.#environment.config.voters === undefined &&
      this.#runtime.services?.proposer?.hasWritten === true
    ) {
      throw managerError(
        'MANAGER_VOTERS_REQUIRED',
        'This node has written to a log of its own, which would be lost.',
      );
    }
    this.#joining = { seeds, signal: options.signal };
    return this.#lifecycle.join();
  }

  /** All members known of, this node included, the dead and the left too until they are forgotten. */
  getClusterMembers(): readonly NodeInfo[] {
    this.#lifecycle.assertOpen('getClusterMembers');
    return this.#runtime.components.membership.members().map((member) => this.#info(member));
  }

  getAliveMembers(): readonly NodeInfo[] {
    return this.getClusterMembers().filter(({ state }) => state === 'Alive');
  }

  /** Everything that happens from now on, in one bounded stream; a slow reader meets `Overflow`. */
  subscribeToEvents(options: { readonly signal?: AbortSignal } = {}): AsyncIterableIterator<ClusterEvent> {
    return this.#runtime.events.subscribe(options);
  }

  /**
   * Chooses a node for a query that the caller sends itself. Report with `route.done(…)`, or at least `using route`.
   * @throws ClusterError `MANAGER_NO_ENDPOINT`, `MANAGER_NOT_RUNNING`
   */
  async routeQuery(sql: string, options: RouteOptions = {}): Promise<Route> {
    const services = this.#running('routeQuery');
    throwIfAborted(options.signal);
    if (options.sessionId !== undefined) throw unavailable('routeQuery({sessionId})');
    const readOnly = options.readOnly ?? this.#environment.database?.classify(sql, []).readOnly ?? true;
    const route = services.queries.pick({ key: options.key, readOnly });
    if (route === null)
      throw managerError('MANAGER_NO_ENDPOINT', 'No node is alive and connected that could serve it.');
    return route;
  }

  /**
   * Runs one statement: a write through the log, exactly once; a read on a replica the balancer chooses, tried elsewhere when
   * that one fails, within the retry budget. Default deadline `queryTimeoutMs`.
   * @throws ClusterError `MANAGER_DATABASE_REQUIRED`, `MANAGER_QUERY_TIMEOUT`, `MANAGER_NO_ENDPOINT`, `MANAGER_OVERLOADED`,
   * `MANAGER_SESSION_EXPIRED`, or the database's own.
   */
  async query(sql: string, options: QueryOptions = {}): Promise<QueryResult> {
    const services = this.#running('query');
    return services.queries.query(sql, options);
  }

  /**
   * Handles one kind of message; one handler a kind, the last registered. What it returns answers `sendMessage`; what it throws
   * fails it. A handler for Query replaces the built-in execution.
   * @returns how to take it away again.
   */
  onMessage<K extends MessageKind>(kind: K, handler: MessageHandler<K>): () => void {
    return this.#runtime.dispatcher.on(kind, handler);
  }

  /**
   * Resolves when the remote handler has completed, to what it returned; with `{ack: 'received'}` on arrival.
   * @throws ClusterError `MANAGER_MESSAGE_INVALID`, or the transport's; an error of the remote handler carries its code.
   */
  async sendMessage(
    nodeId: string,
    message: ClusterMessageInput,
    options: SendMessageOptions = {},
  ): Promise<ClusterMessage | undefined> {
    this.#lifecycle.assertOpen('sendMessage');
    throwIfAborted(options.signal);
    return this.#runtime.dispatcher.send(nodeId, message, options);
  }

  /** Sends to every other member that is alive; resolves when each has completed or failed. */
  async broadcastMessage(
    message: ClusterMessageInput,
    options: SendMessageOptions = {},
  ): Promise<BroadcastOutcome> {
    this.#lifecycle.assertOpen('broadcastMessage');
    throwIfAborted(options.signal);
    const others = this.getAliveMembers()
      .map(({ id }) => id)
      .filter((id) => id !== this.nodeId);
    return this.#runtime.dispatcher.broadcast(others, message, options);
  }

  /**
   * Takes a command into the replicated log and resolves when it has been applied here or by the leader. Exactly once, over
   * leader changes too. Default deadline `queryTimeoutMs`.
   * @throws ClusterError `MANAGER_NOT_VOTER`, `MANAGER_QUERY_TIMEOUT` (it may have been applied), `MANAGER_SESSION_EXPIRED`.
   */
  async propose(command: Uint8Array, options: ProposeOptions = {}): Promise<ProposeResult> {
    const { proposer, self } = this.#running('propose');
    if ((options.group ?? 0) !== 0) throw unavailable('propose({group})');
    if (proposer === null)
      throw managerError('MANAGER_NOT_VOTER', 'propose needs a replicated log on this node.');
    const deadline = this.#deadline(options);
    if (options.session === undefined) return proposer.propose(command, deadline);
    await proposer.authorize(options.session, self, deadline);
    return proposer.proposeAs(command, options.session, deadline);
  }

  /** A session for exactly-once writes whose sequence the caller keeps: the client id, sequences from 1. */
  async openSession(options: CallOptions = {}): Promise<number> {
    const services = this.#running('openSession');
    return services.openSession(services.self, this.#deadline(options));
  }

  /**
   * Reads on this node's replica. `linearizable`: sees every write acknowledged before the call. `lease`: the same, without asking the
   * others where this node leads and has a lease (`raft.leaseReads`), as long as their clocks run at about one speed. `stale`: as applied here, at most
   * `maxStalenessMs` old.
   * @throws ClusterError `MANAGER_NOT_VOTER`, `MANAGER_DATABASE_REQUIRED`.
   */
  async read(sql: string, options: ReadOptions = {}): Promise<QueryRows> {
    const { components, freshness } = this.#running('read');
    const { consistency = 'linearizable', params = [] } = options;
    const { database } = this.#environment;
    if (database === null) throw managerError('MANAGER_DATABASE_REQUIRED', 'There is no database to read.');
    if (components.log === null)
      throw managerError('MANAGER_NOT_VOTER', 'read needs a replica on this node.');
    const deadline = this.#deadline(options);
    if (!database.classify(sql, params).readOnly) {
      throw managerError('MANAGER_MESSAGE_INVALID', 'read takes statements that only read; use query.');
    }
    if (consistency !== 'stale') {
      await components.log.barrier({ consistency, timeoutMs: deadline.leftMs, signal: deadline.signal });
    } else if (freshness?.isFresh !== true) {
      throw managerError('MANAGER_REPLICA_BEHIND', 'This replica is behind by more than maxStalenessMs.');
    }
    return database.read(sql, params, options.signal ?? new AbortController().signal);
  }

  setRoutingStrategy(strategy: RoutingStrategy): void {
    this.#running('setRoutingStrategy').components.balancer.setStrategy(strategy);
  }

  /** Never throws: a node that is not running says so. */
  async healthCheck(): Promise<HealthReport> {
    const open = this.#lifecycle.isOpen ? this.#runtime.services : null;
    return assessHealth({
      nodeId: this.nodeId,
      lifecycle: this.state,
      members: open === null ? [] : this.getClusterMembers(),
      leadership: this.leadership.status(),
      paths: open?.components.paths.paths() ?? [],
      isConnected: (nodeId) => open?.components.messenger.isConnected(nodeId) ?? false,
    });
  }

  getAllMetrics(): AllMetrics {
    return this.#runtime.allMetrics();
  }

  /** All metrics as Prometheus text. */
  prometheus(): string {
    return this.#environment.metrics.prometheus();
  }

  /**
   * The last steps of this node's cores as a trace file. With a path it is written there and the path returned, else the text.
   * @throws ClusterError `MANAGER_CONFIG_INVALID` when `trace.steps` is 0.
   */
  async dumpTrace(path?: string): Promise<string> {
    const { recorder, config, versions, nodeId } = this.#environment;
    if (recorder === null)
      throw managerError('MANAGER_CONFIG_INVALID', 'trace.steps is 0: nothing was recorded.');
    // What a trace must not carry: it is shown to others.
    const shown = { ...config, tls: undefined, gossipKeys: undefined };
    const header: TraceHeader = {
      kind: 'header',
      format: traceFormat,
      version: traceVersion,
      versions,
      config: { manager: shown },
      note: `live node ${nodeId}; ${recorder.dropped} older records are gone`,
    };
    const text = encodeTrace(recorder.dump(header));
    if (path === undefined) return text;
    await this.#environment.writeFile(path, text);
    return path;
  }

  /** @throws ClusterError `NOT_AVAILABLE` */
  rollingRestart(_options: RollingRestartOptions): Promise<void> {
    return Promise.reject(unavailable('rollingRestart'));
  }

  /**
   * Makes a node a member of the replicated log, by agreement: it gets the log, counts nowhere until it has nearly caught up, and
   * votes from then on; with `voter: false` it never does. It has to run, joined and with `voters: []`. Call it at any member; to
   * repeat the call is safe. Default deadline `rosterTimeoutMs`.
   * @throws ClusterError `MANAGER_NOT_VOTER` on a node that is no member, `RAFT_CHANGE_UNDER_WAY`, `RAFT_CHANGE_INVALID`,
   * `MANAGER_CHANGE_UNFINISHED` when the time is up: it may still happen; or the transport's when the node cannot be reached.
   */
  async addNode(
    { id }: Pick<NodeInfo, 'id'>,
    { voter = true, ...options }: CallOptions & { readonly voter?: boolean } = {},
  ): Promise<void> {
    const deadline = this.#rosterDeadline(options);
    await this.#roster('addNode').add(id, voter, deadline);
    await this.#runtime.components.quorum?.roster.add(id, voter, deadline);
  }

  /**
   * Takes a node out of the replicated log, by agreement; the leader too, which another follows. It is told, serves as a gateway
   * from then on, and may be added again. Default deadline `rosterTimeoutMs`.
   * @throws ClusterError as {@link ClusterNetworkManager.addNode}; of the last voter `RAFT_CHANGE_INVALID`.
   */
  async removeNode(nodeId: string, options: CallOptions = {}): Promise<void> {
    const deadline = this.#rosterDeadline(options);
    const roster = this.#roster('removeNode');
    // First it counts no more, then it has nothing to count for.
    await this.#runtime.components.quorum?.roster.remove(nodeId, deadline);
    await roster.remove(nodeId, deadline);
  }

  /** Whether this node may act for the cluster, and what it makes of a partition; null unless `quorum` is configured. */
  get quorum(): QuorumView | null {
    this.#lifecycle.assertOpen('quorum');
    return this.#runtime.components.quorum?.view ?? null;
  }

  /** Tells the others that this node goes. Calls are refused from here on; `stop()` closes. */
  leave(): Promise<void> {
    return this.#lifecycle.leave();
  }

  /** Closes everything; idempotent, and right in every state. Without `leave()` the others will take the node for dead. */
  stop(): Promise<void> {
    return this.#lifecycle.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#lifecycle.isOpen) await this.leave();
    await this.stop();
  }

  #running(what: string): Services {
    this.#lifecycle.assertOpen(what);
    if (this.#runtime.services === null) throw managerError('MANAGER_INTERNAL', 'running without services.');
    return this.#runtime.services;
  }

  #roster(what: string): RosterChanges {
    const { roster } = this.#running(what);
    if (roster !== null) return roster;
    throw managerError('MANAGER_NOT_VOTER', `${what} is called at a member of the replicated log.`);
  }

  #rosterDeadline({ signal, timeoutMs = this.#environment.config.rosterTimeoutMs }: CallOptions): Deadline {
    return new Deadline(this.#environment.clock, timeoutMs, signal);
  }

  #deadline({ signal, timeoutMs }: CallOptions): Deadline {
    const deadline = new Deadline(
      this.#environment.clock,
      timeoutMs ?? this.#environment.config.queryTimeoutMs,
      signal,
    );
    deadline.check('MANAGER_QUERY_TIMEOUT');
    return deadline;
  }

  #info(member: MemberView): NodeInfo {
    const joining = member.id === this.nodeId && this.state === 'running.joining';
    return toNodeInfo(member, joining ? 'Joining' : member.state, this.#environment.wallClock.nowMs());
  }
}
