/** The balancer people call: the core behind a driver, routes as handles, events to listeners, numbers to metrics. */
import {
  type Clock,
  type ClusterError,
  describeError,
  Driver,
  type Logger,
  silentLogger,
  type Tracer,
} from '@cluster/core';
import {
  type BalancerConfig,
  type BalancerConfigInput,
  parseBalancerConfig,
  type StrategyName,
} from './config.ts';
import { BalancerCore } from './core/balancer-core.ts';
import { type EndpointInput, type EndpointMode, latencyMsOf, type LoadReport } from './core/endpoint.ts';
import type { BalancerEffect, BalancerEvent, BalancerInput } from './core/messages.ts';
import type { PickRequest } from './core/picker.ts';
import { balancerBroken, endpointInvalid, tooManyEndpoints } from './errors.ts';
import { BalancerMetrics } from './metrics.ts';
import type { BalancerPorts, ReplicaMap } from './ports.ts';
import { type Outcome, Route } from './route.ts';

/** An endpoint as the router sees it now. */
export interface EndpointStatus {
  readonly nodeId: string;
  readonly state: EndpointMode;
  readonly weight: number;
  /** Own routes not reported yet. */
  readonly inFlight: number;
  /** Averaged; null where nothing is known. */
  readonly latencyMs: number | null;
  readonly queueDepth: number | null;
  readonly utilization: number | null;
  readonly errorStreak: number;
  readonly ejections: number;
}

const numberOrNull = (value: number): number | null => (Number.isNaN(value) ? null : value);

export class Balancer {
  readonly config: BalancerConfig;
  readonly #core: BalancerCore;
  readonly #driver: Driver<BalancerInput, BalancerEffect>;
  readonly #metrics: BalancerMetrics | null;
  readonly #logger: Logger;
  readonly #replicas: ReplicaMap | undefined;
  readonly #tracer: Tracer | undefined;
  readonly #listeners = new Set<(event: BalancerEvent) => void>();
  readonly #unpublished: BalancerEvent[] = [];
  #routed: Route | null = null;
  #bug: ClusterError | null = null;

  /** @throws ClusterError `BALANCER_CONFIG_INVALID` */
  constructor(config: BalancerConfigInput, ports: BalancerPorts) {
    this.config = parseBalancerConfig(config);
    this.#core = new BalancerCore(this.config, ports.seed);
    this.#metrics = ports.metrics ? new BalancerMetrics(ports.metrics, this.config.endpointsMax) : null;
    this.#logger = ports.logger ?? silentLogger;
    this.#replicas = ports.replicas;
    this.#tracer = ports.tracer;
    this.#driver = new Driver({
      node: this.config.nodeId ?? 'local',
      name: 'balancer',
      core: this.#core,
      clock: this.#publishingClock(ports.clock),
      execute: (effect) => this.#execute(effect),
      onBug: (error) => {
        this.#bug = balancerBroken(error);
        this.#logger.log('error', this.#bug.line, { cause: describeError(error) });
      },
      tracer: ports.tracer,
    });
  }

  /**
   * The endpoints from now on. One that stays keeps its record; one that goes takes its open routes with it.
   * @throws ClusterError `BALANCER_ENDPOINT_INVALID`, `BALANCER_TOO_MANY_ENDPOINTS`
   */
  setEndpoints(endpoints: readonly EndpointInput[]): void {
    if (endpoints.length > this.config.endpointsMax)
      throw tooManyEndpoints(endpoints.length, this.config.endpointsMax);
    const seen = new Set<string>();
    for (const { nodeId, weight = 1 } of endpoints) {
      if (nodeId === '') throw endpointInvalid(nodeId, 'it has no name');
      if (seen.has(nodeId)) throw endpointInvalid(nodeId, 'it is listed twice');
      if (!(weight > 0 && Number.isFinite(weight)))
        throw endpointInvalid(nodeId, `its weight ${weight} is not above 0`);
      seen.add(nodeId);
    }
    this.#dispatch({ type: 'SET_ENDPOINTS', endpoints: endpoints.map((endpoint) => ({ ...endpoint })) });
  }

  get strategy(): StrategyName {
    return this.#core.strategy;
  }

  setStrategy(strategy: StrategyName): void {
    this.#dispatch({ type: 'SET_STRATEGY', strategy });
  }

  /** Load learned by other means than an answer, e.g. gossip. Ignored (and counted) for an unknown node. */
  report(nodeId: string, load: LoadReport): void {
    this.#dispatch({ type: 'REPORT', nodeId, load: { ...load } });
  }

  /**
   * Chooses an endpoint; null when none may take the query. Report how it went: `route.done(…)`, or at least `using route`.
   * @throws ClusterError `BALANCER_BROKEN` after a bug in the balancer.
   */
  pick(request: PickRequest = {}): Route | null {
    const { key, readOnly, candidates, exclude } = request;
    const replicas = key === undefined ? undefined : this.#replicas?.replicasOf(key);
    return this.#dispatch({
      type: 'PICK',
      ...(key === undefined ? {} : { key }),
      ...(readOnly === undefined ? {} : { readOnly }),
      // Copies: what is recorded must not change when the caller's list does.
      ...(candidates === undefined ? {} : { candidates: [...candidates] }),
      ...(exclude === undefined ? {} : { exclude: [...exclude] }),
      ...(replicas === undefined ? {} : { replicas: [...replicas] }),
    });
  }

  /** No new queries for the node; those under way finish. Lasts until `resume` or until the endpoint is removed. */
  drain(nodeId: string): void {
    this.#dispatch({ type: 'DRAIN', nodeId });
  }

  /** Ends a drain: the node is in use again once one query has succeeded there. */
  resume(nodeId: string): void {
    this.#dispatch({ type: 'RESUME', nodeId });
  }

  endpoints(): readonly EndpointStatus[] {
    return Array.from(this.#core.endpoints(), (endpoint) => ({
      nodeId: endpoint.nodeId,
      state: endpoint.mode,
      weight: endpoint.weight,
      inFlight: endpoint.inFlight,
      latencyMs: latencyMsOf(endpoint),
      queueDepth: numberOrNull(endpoint.queue.value),
      utilization: numberOrNull(endpoint.utilization.value),
      errorStreak: endpoint.errorStreak,
      ejections: endpoint.ejections,
    }));
  }

  /** Told of every change of an endpoint's state, after the step that made it. Returns how to stop being told. */
  onEvent(listener: (event: BalancerEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Cancels the timers; every later pick gives null. Idempotent. */
  stop(): void {
    this.#driver.stop();
    this.#listeners.clear();
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  /** @returns the route that the input brought about. */
  #dispatch(input: BalancerInput): Route | null {
    if (this.#bug !== null) throw this.#bug;
    this.#routed = null;
    this.#driver.dispatch(input);
    // Before listeners are told: one of them may pick, too.
    const routed = this.#routed;
    this.#publish();
    // A step may have broken it.
    const bug = this.#bug as ClusterError | null;
    if (bug !== null) throw bug;
    return routed;
  }

  #execute(effect: BalancerEffect): void {
    this.#metrics?.count(effect);
    if (effect.type === 'routed') {
      const { route, nodeId, reason } = effect;
      const tracer = this.#tracer;
      const cause = tracer?.cause ?? null;
      // In the trace, the outcome is a consequence of the pick, however much later it comes.
      this.#routed = new Route(nodeId, reason, (outcome) =>
        tracer ? tracer.within(cause, () => this.#close(route, outcome)) : this.#close(route, outcome),
      );
    } else if (effect.type === 'notify') this.#unpublished.push(effect.event);
  }

  #close(route: number, { ok, latencyMs, load }: Outcome): void {
    if (this.#bug !== null) return;
    this.#dispatch({
      type: 'OUTCOME',
      route,
      ok,
      ...(latencyMs === undefined ? {} : { latencyMs }),
      ...(load === undefined ? {} : { load: { ...load } }),
    });
  }

  /** Listeners are called between steps, so that they may pick, and so that what they throw is not the core's fault. */
  #publish(): void {
    for (let event = this.#unpublished.shift(); event !== undefined; event = this.#unpublished.shift()) {
      for (const listener of this.#listeners) {
        try {
          listener(event);
        } catch (error) {
          this.#logger.log('error', 'a listener of the balancer failed', {
            event: event.type,
            error: describeError(error),
          });
        }
      }
    }
  }

  #publishingClock(clock: Clock): Clock {
    return {
      nowMs: () => clock.nowMs(),
      setTimer: (delayMs, fire) =>
        clock.setTimer(delayMs, () => {
          fire();
          this.#publish();
        }),
    };
  }
}
