/**
 * The balancer without I/O. Picks and outcomes are data plane: arithmetic on columns. A machine hears of an outcome only
 * when it may change an endpoint's mode: the fifth error in a row, or the end of a probe.
 */
import {
  type ActionOf,
  MachineTable,
  packPlain,
  Prng,
  type ProtocolCore,
  type Sink,
  Stepper,
  type TimerInput,
  unpackPlain,
  unreachable,
} from '@cluster/core';
import type { BalancerConfig, StrategyName } from '../config.ts';
import {
  type Endpoint,
  type EndpointInput,
  type EndpointMode,
  makeEndpoint,
  observeLatency,
  observeLoad,
  tierOf,
} from './endpoint.ts';
import { type EndpointEvent, endpointMachine } from './endpoint.machine.ts';
import { nextEjection, restOfPool } from './ejection.ts';
import type { BalancerEffect, BalancerInput, RouteReason } from './messages.ts';
import { OpenRoutes } from './open-routes.ts';
import type { PickView } from './picker.ts';
import { pickers } from './pickers/index.ts';

type Out = Sink<BalancerEffect>;
type Input<T extends BalancerInput['type']> = Extract<BalancerInput, { type: T }>;

const expiryTimer = 'routes/expiry';

export class BalancerCore implements ProtocolCore<BalancerInput, BalancerEffect> {
  readonly #config: BalancerConfig;
  readonly #prng: Prng;
  readonly #machines: MachineTable<typeof endpointMachine, BalancerEffect>;
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #routes = new OpenRoutes();
  #strategy: StrategyName;
  #picks = 0;
  #turns = 0;
  #expiryArmed = false;
  // Filled anew by every pick.
  readonly #usable: Endpoint[] = [];
  readonly #unhealthy: Endpoint[] = [];

  constructor(config: BalancerConfig, seed: number) {
    this.#config = config;
    this.#strategy = config.strategy;
    this.#prng = Prng.fromSeed(seed, 'balancer');
    this.#machines = new MachineTable(
      'endpoint',
      new Stepper(endpointMachine),
      (nodeId, action, nowMs, out) => this.#perform(nodeId, action, nowMs, out),
    );
  }

  get strategy(): StrategyName {
    return this.#strategy;
  }

  get openRoutes(): number {
    return this.#routes.size;
  }

  endpoints(): Iterable<Readonly<Endpoint>> {
    return this.#endpoints.values();
  }

  has(nodeId: string): boolean {
    return this.#endpoints.has(nodeId);
  }

  handle(input: BalancerInput | TimerInput, nowMs: number, out: Out): void {
    switch (input.type) {
      case 'PICK':
        return this.#pick(input, nowMs, out);
      case 'OUTCOME':
        return this.#outcome(input, nowMs, out);
      case 'REPORT':
        return this.#report(input, nowMs, out);
      case 'SET_ENDPOINTS':
        return this.#setEndpoints(input.endpoints, nowMs, out);
      case 'SET_STRATEGY':
        this.#strategy = input.strategy;
        return;
      case 'DRAIN':
      case 'RESUME':
        if (this.#endpoints.has(input.nodeId)) this.#raise(input.nodeId, { type: input.type }, nowMs, out);
        return;
      case 'TIMER':
        if (input.timer === expiryTimer) return this.#expire(nowMs, out);
        this.#machines.fire(input.timer, nowMs, out);
        return this.#refreshModes();
      default:
        return unreachable(input);
    }
  }

  #setEndpoints(inputs: readonly EndpointInput[], nowMs: number, out: Out): void {
    const wanted = new Set(inputs.map(({ nodeId }) => nodeId));
    for (const endpoint of this.#endpoints.values()) {
      if (wanted.has(endpoint.nodeId)) continue;
      this.#endpoints.delete(endpoint.nodeId);
      this.#machines.remove(endpoint.nodeId, out);
      this.#routes.forget(endpoint);
      out.emit({ type: 'closed', nodeId: endpoint.nodeId, inFlight: 0 });
    }
    for (const input of inputs) {
      const known = this.#endpoints.get(input.nodeId);
      if (known === undefined) {
        this.#endpoints.set(input.nodeId, makeEndpoint(input, nowMs, this.#config));
        this.#machines.add(input.nodeId, nowMs, out);
      } else {
        known.weight = input.weight ?? 1;
        known.tier = tierOf(input, this.#config);
      }
    }
  }

  #pick(input: Input<'PICK'>, nowMs: number, out: Out): void {
    const probe = this.#sortCandidates(input);
    if (probe !== undefined) return this.#route(probe, 'probe', nowMs, out);
    const reason = this.#usable.length > 0 ? 'strategy' : 'panic';
    const candidates = reason === 'panic' ? this.#unhealthy : this.#usable;
    if (candidates.length === 0) return out.emit({ type: 'notRouted' });
    const index = pickers[this.#strategy].pick(candidates, input, this.#view(nowMs));
    this.#route(candidates[index] as Endpoint, reason, nowMs, out);
  }

  /** Sorts who may take the query into usable and unhealthy; returns one that waits for its probe, if there is any. */
  #sortCandidates({ candidates, replicas, exclude }: Input<'PICK'>): Endpoint | undefined {
    this.#picks++;
    this.#usable.length = 0;
    this.#unhealthy.length = 0;
    let probe: Endpoint | undefined;
    const consider = (endpoint: Endpoint | undefined): void => {
      if (endpoint === undefined || endpoint.seenBy === this.#picks || exclude?.includes(endpoint.nodeId))
        return;
      endpoint.seenBy = this.#picks;
      if (endpoint.mode === 'healthy') this.#usable.push(endpoint);
      else if (endpoint.mode !== 'draining') this.#unhealthy.push(endpoint);
      if (endpoint.mode === 'probing' && endpoint.probe === 0) probe ??= endpoint;
    };
    const names = candidates ?? replicas;
    if (names === undefined) for (const endpoint of this.#endpoints.values()) consider(endpoint);
    else {
      for (const name of names) {
        if (replicas === undefined || replicas.includes(name)) consider(this.#endpoints.get(name));
      }
    }
    return probe;
  }

  #view(nowMs: number): PickView {
    const { routers } = this.#config;
    return {
      config: this.#config,
      nowMs,
      routers: routers === 'endpoints' ? this.#endpoints.size : routers,
      below: (bound) => this.#prng.below(bound),
      nextTurn: () => ++this.#turns,
    };
  }

  #route(endpoint: Endpoint, reason: RouteReason, nowMs: number, out: Out): void {
    if (this.#routes.size >= this.#config.routesMax) this.#expireOldest('overflow', out);
    const route = this.#routes.open(endpoint, nowMs);
    if (reason === 'probe') endpoint.probe = route;
    if (!this.#expiryArmed) this.#armExpiry(this.#config.routeTtlMs, out);
    const { nodeId, inFlight } = endpoint;
    out.emit({ type: 'routed', route, nodeId, strategy: this.#strategy, reason, inFlight });
  }

  #outcome({ route, ok, latencyMs, load }: Input<'OUTCOME'>, nowMs: number, out: Out): void {
    const closed = this.#routes.close(route);
    if (closed === undefined) return out.emit({ type: 'ignored', what: 'outcome' });
    const { endpoint, openedAtMs } = closed;
    const wasProbe = endpoint.probe === route;
    if (wasProbe) endpoint.probe = 0;
    out.emit({ type: 'closed', nodeId: endpoint.nodeId, inFlight: endpoint.inFlight });
    if (load !== undefined && !observeLoad(endpoint, load, nowMs, this.#config))
      out.emit({ type: 'ignored', what: 'report' });
    if (ok === null) return;
    const tookMs = latencyMs !== undefined && latencyMs >= 0 ? latencyMs : nowMs - openedAtMs;
    if (ok) this.#succeeded(endpoint, tookMs, wasProbe, nowMs, out);
    else this.#failed(endpoint, tookMs, wasProbe, nowMs, out);
  }

  #succeeded(endpoint: Endpoint, tookMs: number, wasProbe: boolean, nowMs: number, out: Out): void {
    endpoint.errorStreak = 0;
    // What its latency was before the ejection says nothing about it now.
    if (wasProbe) endpoint.logLatency.value = Number.NaN;
    observeLatency(endpoint, tookMs, nowMs, this.#config);
    if (wasProbe) this.#raise(endpoint.nodeId, { type: 'PROBE_SUCCEEDED' }, nowMs, out);
  }

  #failed(endpoint: Endpoint, tookMs: number, wasProbe: boolean, nowMs: number, out: Out): void {
    const { ejection, errorLatencyMs } = this.#config;
    endpoint.errorStreak++;
    observeLatency(endpoint, Math.max(tookMs, errorLatencyMs), nowMs, this.#config);
    const next = nextEjection(endpoint, nowMs, ejection);
    if (wasProbe) return this.#raise(endpoint.nodeId, { type: 'PROBE_FAILED', ...next }, nowMs, out);
    if (endpoint.errorStreak < ejection.consecutiveErrors) return;
    const rest = restOfPool(endpoint, this.#endpoints.values(), nowMs, this.#config);
    this.#raise(endpoint.nodeId, { type: 'ERRORS_REPEATED', ...next, ...rest }, nowMs, out);
  }

  #report({ nodeId, load }: Input<'REPORT'>, nowMs: number, out: Out): void {
    const endpoint = this.#endpoints.get(nodeId);
    if (endpoint === undefined || !observeLoad(endpoint, load, nowMs, this.#config))
      out.emit({ type: 'ignored', what: 'report' });
  }

  #raise(nodeId: string, event: EndpointEvent, nowMs: number, out: Out): void {
    this.#machines.send(nodeId, event, nowMs, out);
    this.#refreshModes();
  }

  #refreshModes(): void {
    for (const endpoint of this.#endpoints.values())
      endpoint.mode = this.#machines.state(endpoint.nodeId) as EndpointMode;
  }

  #perform(nodeId: string, action: ActionOf<typeof endpointMachine>, nowMs: number, out: Out): void {
    const endpoint = this.#endpoints.get(nodeId) as Endpoint;
    switch (action.type) {
      case 'startEjection':
        endpoint.ejections = action.params.ejection;
        return out.emit({ type: 'notify', event: { type: 'Ejected', nodeId, ...action.params } });
      case 'reportRefusal':
        return out.emit({ type: 'notify', event: { type: 'EjectionRefused', nodeId } });
      case 'awaitProbe':
        endpoint.probe = 0;
        return out.emit({ type: 'notify', event: { type: 'Probing', nodeId } });
      case 'welcomeBack':
        endpoint.errorStreak = 0;
        endpoint.healthySinceMs = nowMs;
        return out.emit({ type: 'notify', event: { type: 'Restored', nodeId } });
      case 'reportDrain':
        return out.emit({ type: 'notify', event: { type: 'Draining', nodeId } });
      default:
        return unreachable(action);
    }
  }

  #armExpiry(delayMs: number, out: Out): void {
    this.#expiryArmed = true;
    out.emit({ type: 'setTimer', timer: expiryTimer, delayMs });
  }

  #expire(nowMs: number, out: Out): void {
    this.#expiryArmed = false;
    for (let oldest = this.#routes.oldest(); oldest !== undefined; oldest = this.#routes.oldest()) {
      const leftMs = oldest.openedAtMs + this.#config.routeTtlMs - nowMs;
      if (leftMs > 0) return this.#armExpiry(leftMs, out);
      this.#expireOldest('time', out);
    }
  }

  #expireOldest(cause: 'time' | 'overflow', out: Out): void {
    const id = this.#routes.oldest()?.id ?? 0;
    const route = this.#routes.close(id);
    if (route === undefined) return;
    const { endpoint } = route;
    // Nobody knows how the probe ended: let another one through.
    if (endpoint.probe === id) endpoint.probe = 0;
    out.emit({ type: 'closed', nodeId: endpoint.nodeId, inFlight: endpoint.inFlight });
    out.emit({ type: 'expired', nodeId: endpoint.nodeId, cause });
  }

  checkpoint(): Uint8Array {
    const state: CoreState = {
      strategy: this.#strategy,
      picks: this.#picks,
      turns: this.#turns,
      expiryArmed: this.#expiryArmed,
      prng: this.#prng.state,
      endpoints: [...this.#endpoints.values()],
      machines: this.#machines.checkpoint(),
      routes: this.#routes.checkpoint(),
    };
    return packPlain(state);
  }

  restore(bytes: Uint8Array): void {
    const state = unpackPlain(bytes) as CoreState;
    this.#strategy = state.strategy;
    this.#picks = state.picks;
    this.#turns = state.turns;
    this.#expiryArmed = state.expiryArmed;
    this.#prng.restore(state.prng);
    this.#endpoints.clear();
    for (const endpoint of state.endpoints) this.#endpoints.set(endpoint.nodeId, endpoint);
    this.#machines.restore(state.machines);
    this.#routes.restore(state.routes, (nodeId) => this.#endpoints.get(nodeId) as Endpoint);
  }
}

interface CoreState {
  readonly strategy: StrategyName;
  readonly picks: number;
  readonly turns: number;
  readonly expiryArmed: boolean;
  readonly prng: Prng['state'];
  readonly endpoints: readonly Endpoint[];
  readonly machines: ReturnType<MachineTable<typeof endpointMachine, BalancerEffect>['checkpoint']>;
  readonly routes: ReturnType<OpenRoutes['checkpoint']>;
}
