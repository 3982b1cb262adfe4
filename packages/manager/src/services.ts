/** What a running manager consists of, put together once its components are open. */
import type { Components, PeerContext } from './components.ts';
import { RetryBudget } from './core/retry-budget.ts';
import type { Deadline } from './deadline.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Environment } from './environment.ts';
import { asClusterError, managerError } from './errors.ts';
import { Freshness } from './freshness.ts';
import { LoadMeter } from './load.ts';
import { type ClusterMessageInput, controlTypeIds, type MessageOf } from './messages.ts';
import type { ManagerMetrics } from './metrics.ts';
import { toEndpoint } from './node-info.ts';
import { Proposer } from './proposer.ts';
import { QueryService, type QueryServiceOptions } from './query-service.ts';
import { RemoteQueries } from './remote.ts';
import { decodeRosterRequest, encodeRosterAnswer, forwardRosterChange } from './roster-wire.ts';
import { RosterChanges } from './roster.ts';
import { decodeSessionAnswer, encodeSessionRequest, identityOf } from './session-wire.ts';

export class Services {
  readonly components: Components;
  /** Who this node is to the others. */
  readonly self: string;
  readonly proposer: Proposer | null;
  /** Null without a log. */
  readonly freshness: Freshness | null;
  /** Null without a log. */
  readonly roster: RosterChanges | null;
  readonly queries: QueryService;
  readonly #knownVoters: () => readonly string[];
  readonly #environment: Environment;
  readonly #dispatcher: Dispatcher;
  readonly #remote: RemoteQueries;
  readonly #watched = new Set<string>();

  /** @param knownVoters as far as this node has heard, whether it takes part or not. */
  constructor(
    environment: Environment,
    components: Components,
    dispatcher: Dispatcher,
    metrics: ManagerMetrics,
    knownVoters: () => readonly string[],
  ) {
    const { clock, config, database, nodeId } = environment;
    const { balancer, log, messenger } = components;
    this.#environment = environment;
    this.#knownVoters = knownVoters;
    this.self = identityOf('node', nodeId);
    this.#dispatcher = dispatcher;
    this.components = components;
    this.proposer =
      log === null
        ? null
        : new Proposer({ clock, log, attemptTimeoutMs: config.attemptTimeoutMs, self: this.self });
    const { maxStalenessMs } = config;
    this.freshness = log === null ? null : new Freshness({ clock, log, maxStalenessMs });
    this.roster =
      log === null
        ? null
        : new RosterChanges({
            nodeId,
            clock,
            log,
            attemptTimeoutMs: config.attemptTimeoutMs,
            meet: (id, { leftMs, signal }) => messenger.ping(id, { timeoutMs: leftMs, signal }),
            forward: forwardRosterChange(messenger, 'data'),
          });
    const send: QueryServiceOptions['send'] = (to, message, options) => this.#sendQuery(to, message, options);
    this.#remote = new RemoteQueries({
      clock,
      attemptTimeoutMs: config.attemptTimeoutMs,
      port: {
        targets: () => this.replicas().filter((id) => messenger.isConnected(id)),
        query: (to, message, { priority, signal, timeoutMs }) =>
          send(
            to,
            { ...message, kind: 'Query', params: [...message.params], timeoutMs },
            {
              timeoutMs,
              ...(priority === undefined ? {} : { priority }),
              ...(signal === undefined ? {} : { signal }),
            },
          ),
        openSession: async (to, owner, call) =>
          decodeSessionAnswer(
            await messenger.request(to, controlTypeIds.openSession, encodeSessionRequest(owner), call),
          ),
      },
    });
    this.queries = new QueryService({
      nodeId,
      clock,
      database,
      log,
      proposer: this.proposer,
      remote: this.#remote,
      balancer,
      metrics,
      send,
      budget: new RetryBudget(
        { ratio: config.retryRatio, perSecond: config.retriesPerSecond },
        clock.nowMs(),
      ),
      load: new LoadMeter(database, environment.utilization),
      queryTimeoutMs: config.queryTimeoutMs,
      attemptTimeoutMs: config.attemptTimeoutMs,
      maxPending: config.maxPendingQueries,
      replicas: () => this.replicas(),
      isFresh: () => this.freshness?.isFresh ?? false,
    });
    if (database !== null)
      dispatcher.setBuiltIn('Query', (message, _from, context) => this.queries.serve(message, context));
  }

  /** Nodes that hold the data: the voters, this node only while it takes part. */
  replicas(): readonly string[] {
    const { nodeId } = this.#environment;
    const voters = this.#knownVoters();
    return this.components.log === null ? voters.filter((id) => id !== nodeId) : voters;
  }

  /** A change of the roster from another node, for this one as the leader. What stands against it is an answer. */
  async changeRoster(bytes: Uint8Array, { signal }: PeerContext): Promise<Uint8Array> {
    const { attemptTimeoutMs: timeoutMs } = this.#environment.config;
    try {
      const { log, change } = decodeRosterRequest(bytes);
      const roster = log === 'data' ? this.roster : this.components.quorum?.roster;
      if (!roster) throw managerError('MANAGER_NOT_VOTER', 'This node holds no such log.');
      await roster.serve(change, { timeoutMs, signal });
      return encodeRosterAnswer(null);
    } catch (error) {
      return encodeRosterAnswer(asClusterError(error));
    }
  }

  openSession(owner: string, deadline: Deadline): Promise<number> {
    if (this.proposer !== null) return this.proposer.openSession(owner, deadline);
    if (this.replicas().length > 0) return this.#remote.openSession(owner, deadline);
    throw managerError('MANAGER_VOTERS_REQUIRED', 'This node knows no voters that could open a session.');
  }

  /** Tells the balancer and the path probes who is there now. */
  refresh(): void {
    const { balancer, membership, messenger, paths } = this.components;
    const { nodeId } = this.#environment;
    const alive = membership.members().filter(({ state }) => state === 'Alive');
    balancer.setEndpoints(
      alive.filter(({ id }) => id === nodeId || messenger.isConnected(id)).map(toEndpoint),
    );
    const peers = new Set(alive.map(({ id }) => id).filter((id) => id !== nodeId));
    for (const peer of peers) {
      if (this.#watched.has(peer)) continue;
      paths.watch(peer);
      // Connected before it is needed; whether that worked shows in isConnected.
      messenger.ping(peer, {}).catch(() => undefined);
    }
    for (const peer of this.#watched) if (!peers.has(peer)) paths.unwatch(peer);
    this.#watched.clear();
    for (const peer of peers) this.#watched.add(peer);
  }

  async #sendQuery(
    to: string,
    message: ClusterMessageInput,
    options: Parameters<QueryServiceOptions['send']>[2],
  ): Promise<MessageOf<'QueryResult'>> {
    const answer = await this.#dispatcher.send(to, message, { ...options, failFast: true });
    if (answer?.kind === 'QueryResult') return answer;
    throw managerError(
      'MANAGER_MESSAGE_REFUSED',
      `${to} answered a query with ${answer?.kind ?? 'nothing'}.`,
    );
  }
}
