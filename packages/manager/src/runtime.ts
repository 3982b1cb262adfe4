/** What stands behind the facade while it runs: opens the components, keeps the services, turns changes into events. */
import { ClusterError, EventHub } from '@cluster/core';
import { MessageCodec } from './codec.ts';
import type { Components, LogChange, LogComponent, MembershipChange, PeerContext } from './components.ts';
import { TokenBuckets } from './core/token-buckets.ts';
import { Deadline } from './deadline.ts';
import { Dispatcher } from './dispatcher.ts';
import type { Environment } from './environment.ts';
import { managerError } from './errors.ts';
import { join } from './join.ts';
import { controlTypeIds } from './messages.ts';
import { decodeSessionRequest, encodeSessionAnswer, identityOf } from './session-wire.ts';
import { Leadership } from './leadership.ts';
import { type AllMetrics, ManagerMetrics } from './metrics.ts';
import { toNodeInfo } from './node-info.ts';
import { Services } from './services.ts';
import type { ClusterEvent } from './types.ts';

export interface JoinRequest {
  readonly seeds: readonly string[];
  readonly signal: AbortSignal | undefined;
}

/** What the life-cycle has to hear. */
export interface RuntimeNotices {
  memberSeen(): void;
  componentFailed(error: ClusterError): void;
}

export class Runtime {
  readonly leadership: Leadership;
  readonly dispatcher: Dispatcher;
  readonly events: EventHub<ClusterEvent>;
  readonly metrics: ManagerMetrics;
  services: Services | null = null;
  /** This node's log, whether it takes part or not; null once it has given it up, and where there is none. */
  #log: LogComponent | null = null;
  /** Whose word it takes on who votes: that of its log, of one that has failed the last. */
  #informant: LogComponent | null = null;
  /** Logs this node will not take part in again. */
  readonly #retired: LogComponent[] = [];
  readonly #environment: Environment;
  readonly #notices: RuntimeNotices;
  readonly #sessionOpens: TokenBuckets;

  constructor(environment: Environment, notices: RuntimeNotices) {
    const { config, metrics, wallClock } = environment;
    this.#environment = environment;
    this.#notices = notices;
    const { perSecond, burst, clientsMax } = config.sessionOpens;
    this.#sessionOpens = new TokenBuckets({ perSecond, burst, namesMax: clientsMax });
    this.metrics = new ManagerMetrics(metrics);
    this.dispatcher = new Dispatcher(new MessageCodec(), () => this.metrics.add('messages_refused'));
    this.events = new EventHub({
      capacity: config.eventQueue,
      onOverflow: (dropped) => ({ type: 'Overflow', dropped, at: wallClock.nowMs() }),
    });
    this.leadership = new Leadership(
      () => this.services?.components.log ?? null,
      () => wallClock.nowMs(),
      config.eventQueue,
    );
  }

  get components(): Components {
    if (this.services === null) throw managerError('MANAGER_NOT_RUNNING', 'Nothing is open.');
    return this.services.components;
  }

  allMetrics(): AllMetrics {
    const { metrics } = this;
    const components = this.services?.components;
    const { term, commitIndex, appliedIndex, isLeader } = this.leadership.status();
    return {
      topology: components?.membership.metrics() ?? {},
      communication: {
        ...components?.messenger.metrics(),
        ...metrics.values(['messages_refused', 'session_opens_refused']),
      },
      loadBalancer: {
        ...components?.balancer.metrics(),
        ...metrics.values([
          'queries_served',
          'queries_failed',
          'queries_retried',
          'reads_behind',
          'retries_refused',
          'writes_proposed',
        ]),
        queries_routed: metrics.value('routes_given'),
        average_latency_ms: metrics.averageLatencyMs,
      },
      failover: {
        ...metrics.values(['failover_events', 'role_changes', 'log_failures']),
        term,
        is_leader: isLeader ? 1 : 0,
        commit_index: commitIndex,
        applied_index: appliedIndex,
      },
      health: components?.paths.metrics() ?? {},
    };
  }

  async open(signal: AbortSignal): Promise<void> {
    const components = await this.#environment.open(signal, (error) => this.#notices.componentFailed(error));
    this.#log = this.#informant = components.log;
    this.services = this.#compose(components);
    this.dispatcher.bind(components.messenger);
    components.messenger.handle(controlTypeIds.openSession, ['node', 'client'], (bytes, context) =>
      this.#openSession(bytes, context),
    );
    components.messenger.handle(controlTypeIds.roster, ['node'], (bytes, context) => {
      if (this.services === null) throw managerError('MANAGER_NOT_RUNNING', 'Nothing is open.');
      return this.services.changeRoster(bytes, context);
    });
    components.membership.onEvent((change) => this.#membershipChanged(change));
    components.membership.metadata.onChange((change) =>
      this.events.publish({
        type: 'MetadataChanged',
        ...change,
        at: this.#environment.wallClock.nowMs(),
      }),
    );
    components.messenger.onPeer(({ up, peer, reason }) => {
      this.services?.refresh();
      const at = this.#environment.wallClock.nowMs();
      this.events.publish({ type: up ? 'PeerUp' : 'PeerDown', nodeId: peer, reason, at });
    });
    components.log?.onEvent((change) => this.#logChanged(change));
    components.quorum?.onEvent((change) =>
      this.events.publish({ ...change, at: this.#environment.wallClock.nowMs() }),
    );
    this.services.refresh();
  }

  async join(request: JoinRequest): Promise<number> {
    const { clock, config, logger } = this.#environment;
    const { membership, messenger } = this.components;
    const { joinTimeoutMs: timeoutMs, joinRetryMs: retryMs } = config;
    const answered = await join({ clock, membership, messenger, timeoutMs, retryMs, ...request });
    if (config.voters === undefined && this.#log !== null) {
      // Alone it had a log of its own; in company the voters have to be agreed, and nobody has told us who they are.
      logger.log('warn', 'this node joined without `voters`: it takes no part in the replicated log');
      this.#informant = null;
      await this.#retireLog()?.stop();
    }
    return answered;
  }

  async close(): Promise<void> {
    const components = this.services?.components;
    if (components !== undefined) {
      const { balancer, membership, messenger, paths, quorum } = components;
      paths.stop();
      balancer.stop();
      // Each is closed even when another cannot be.
      const closed = [
        await settle(quorum?.stop()),
        await settle(this.#log?.stop()),
        ...(await Promise.all(this.#retired.map((one) => settle(one.stop())))),
        await settle(membership.stop()),
        await settle(messenger.close()),
        await settle(components.release?.()),
      ];
      const failure = closed.find((error) => error !== null);
      if (failure)
        this.#environment.logger.log('warn', 'a component did not close cleanly', { error: failure });
    }
    this.leadership.close();
  }

  async #openSession(bytes: Uint8Array, { role, from, signal }: PeerContext): Promise<Uint8Array> {
    if (this.services === null) throw managerError('MANAGER_NOT_RUNNING', 'Nothing is open.');
    const { clock, config } = this.#environment;
    const sender = identityOf(role, from);
    if (role === 'client' && !this.#sessionOpens.take(sender, clock.nowMs())) {
      this.metrics.add('session_opens_refused');
      throw managerError('MANAGER_RATE_LIMITED', `${sender} opens sessions too fast.`);
    }
    // A node may ask for a client that it serves; a client only for itself.
    const owner = role === 'node' ? (decodeSessionRequest(bytes) ?? sender) : sender;
    const deadline = new Deadline(clock, config.queryTimeoutMs, signal);
    return encodeSessionAnswer(await this.services.openSession(owner, deadline));
  }

  /** Goes on without the log. */
  #retireLog(): LogComponent | null {
    const log = this.#log;
    if (log === null) return null;
    this.#retired.push(log);
    this.#log = null;
    this.#fitServices();
    return log;
  }

  /** A node that is no member goes on as a gateway, and its log stays at hand: it may be added, or added again. */
  #fitServices(): void {
    const before = this.services;
    if (before === null) return;
    const takesPart = this.#log !== null && this.#log.status().standing !== 'none';
    if (takesPart === (before.components.log !== null)) return;
    this.services = this.#compose(before.components);
    this.services.refresh();
  }

  #compose(components: Components): Services {
    const { config } = this.#environment;
    const log = this.#log?.status().standing === 'none' ? null : this.#log;
    return new Services(this.#environment, { ...components, log }, this.dispatcher, this.metrics, () => {
      const voters = this.#informant?.status().voters ?? [];
      return voters.length === 0 ? (config.voters ?? []) : voters;
    });
  }

  #membershipChanged({ type, member }: MembershipChange): void {
    this.services?.refresh();
    const at = this.#environment.wallClock.nowMs();
    if (type === 'Overflow') {
      this.events.publish({ type: 'Overflow', dropped: 1, at });
      return;
    }
    if (member === null) return;
    if (member.id !== this.#environment.nodeId && type === 'Joined') this.#notices.memberSeen();
    this.events.publish({ type, node: toNodeInfo(member, member.state, at), at });
  }

  #logChanged(change: LogChange): void {
    const at = this.#environment.wallClock.nowMs();
    this.#fitServices();
    switch (change.type) {
      case 'LeaderChanged': {
        this.metrics.add('failover_events');
        const event = { ...change, at };
        this.leadership.publish(event);
        this.events.publish(event);
        return;
      }
      case 'RoleChanged': {
        this.metrics.add('role_changes');
        const event = { ...change, at };
        this.leadership.publish(event);
        this.events.publish(event);
        return;
      }
      case 'Failed': {
        this.metrics.add('log_failures');
        this.#environment.logger.log('error', change.error.line);
        // Its data grows old from here on: it becomes a gateway to the other voters.
        this.#retireLog();
        const event = { type: 'LogFailed', error: change.error, at } as const;
        this.leadership.publish(event);
        this.events.publish(event);
        return;
      }
      case 'MembersChanged': {
        const { voters, learners, index: epoch } = change;
        this.events.publish({ type: 'RosterChanged', voters, learners, epoch, at });
        return;
      }
      case 'LeftOut':
        this.#environment.logger.log('warn', 'this node is no member of the replicated log any more');
        return;
      case 'SnapshotTaken':
      case 'SnapshotInstalled':
      case 'SnapshotFailed':
        // The replica's own housekeeping: it is in its log and its numbers.
        return;
      case 'Overflow':
        this.events.publish({ type: 'Overflow', dropped: 1, at });
    }
  }
}

async function settle(work: Promise<void> | undefined): Promise<string | null> {
  try {
    await work;
    return null;
  } catch (error) {
    return ClusterError.is(error) ? error.line : String(error);
  }
}
