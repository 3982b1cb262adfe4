/**
 * A pool of servers in virtual time: each has four workers and a queue, routers send to it open-loop (Poisson), service times
 * are lognormal with a mean of 10 ms. Every answer carries the server's load. One seed gives one run.
 */
import { Prng } from '@cluster/core';
import { Balancer, type BalancerConfigInput, type Route } from '../../src/index.ts';
import { VirtualClock } from '@cluster/sim';

export interface Scenario {
  readonly seed: number;
  readonly servers: number;
  /** Share of the capacity of the servers that work properly. */
  readonly load: number;
  readonly queries: number;
  readonly config: BalancerConfigInput;
  /** Speed of a server by index; default 1. */
  readonly speedOf?: (server: number) => number;
  /** A server that answers every query with an error at once. */
  readonly failing?: number;
  /** From which query on it fails; default from the first. */
  readonly failingFrom?: number;
  /** Two datacenters, half of the servers and routers in each, the demand 1.3 to 0.7, 30 ms apart. */
  readonly twoDatacenters?: boolean;
}

export interface Result {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly errorRatio: number;
  /** Queries by server. */
  readonly counts: readonly number[];
  /** Share of the queries that left their datacenter. */
  readonly crossRatio: number;
}

const workers = 4;
const meanMs = 10;
const nearMs = 0.5;
const farMs = 30;
/** Share of the demand that arises in the first of two datacenters. */
const firstShare = 0.65;
/** Queries at the start that are not counted: the routers know nothing yet. */
const warmUp = 2000;

class Server {
  readonly #clock: VirtualClock;
  readonly #waiting: (() => void)[] = [];
  #busy = 0;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  get load() {
    return { queueDepth: this.#waiting.length, utilization: this.#busy / workers };
  }

  serve(serviceMs: number, done: () => void): void {
    const start = (): void => {
      this.#busy++;
      this.#clock.setTimer(serviceMs, () => {
        this.#busy--;
        this.#waiting.shift()?.();
        done();
      });
    };
    if (this.#busy < workers) start();
    else this.#waiting.push(start);
  }
}

export function simulate({
  seed,
  servers,
  load,
  queries,
  config,
  speedOf = () => 1,
  failing,
  failingFrom = 0,
  twoDatacenters = false,
}: Scenario): Result {
  const prng = Prng.fromSeed(seed, 'queueing');
  const clock = new VirtualClock();
  const names = Array.from({ length: servers }, (_, i) => `s${i}`);
  const pool = names.map(() => new Server(clock));
  const isFirst = (i: number): boolean => !twoDatacenters || i < servers / 2;
  const datacenterOf = (i: number): string => (isFirst(i) ? 'first' : 'second');
  const routers = names.map((_, i) => {
    const balancer = new Balancer(
      { ...config, datacenter: datacenterOf(i) },
      { clock, seed: seed * 1000 + i },
    );
    balancer.setEndpoints(names.map((nodeId, at) => ({ nodeId, datacenter: datacenterOf(at) })));
    return balancer;
  });
  const someRouter = (): number => {
    if (!twoDatacenters) return prng.below(servers);
    return prng.chance(firstShare) ? prng.below(servers / 2) : servers / 2 + prng.below(servers / 2);
  };
  const capacity =
    names.reduce((sum, _, i) => sum + (i === failing ? 0 : speedOf(i)), 0) * (workers / meanMs);
  const latencies: number[] = [];
  const counts = names.map(() => 0);
  let [errors, crossed] = [0, 0];

  let sent = 0;
  const send = (from: number, counted: boolean): void => {
    const serviceMs = lognormal(prng, meanMs);
    const route = routers[from]?.pick() as Route;
    const at = names.indexOf(route.nodeId);
    const server = pool[at] as Server;
    const startMs = clock.nowMs();
    const oneWayMs = (isFirst(from) === isFirst(at) ? nearMs : farMs) / 2;
    if (counted && isFirst(from) !== isFirst(at)) crossed++;
    if (counted) counts[at] = (counts[at] ?? 0) + 1;
    const answer = (ok: boolean): void => {
      const load = server.load;
      clock.setTimer(oneWayMs, () => {
        const latencyMs = clock.nowMs() - startMs;
        route.done(ok ? { ok, latencyMs, load } : { ok, latencyMs });
        if (counted && ok) latencies.push(latencyMs);
        if (counted && !ok) errors++;
      });
    };
    clock.setTimer(oneWayMs, () => {
      if (at === failing && sent > failingFrom) answer(false);
      else server.serve(serviceMs / speedOf(at), () => answer(true));
    });
  };

  const arrive = (): void => {
    if (sent++ >= queries + warmUp) return;
    send(someRouter(), sent > warmUp);
    clock.setTimer(prng.exponential(1 / (capacity * load)), arrive);
  };
  arrive();
  // Ten times the time the arrivals take: the queues are empty long before.
  clock.runUntil(((queries + warmUp) / (capacity * load)) * 10 + 60_000);
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN;
  return {
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    errorRatio: errors / queries,
    counts,
    crossRatio: crossed / queries,
  };
}

/** Lognormal with a coefficient of variation of 1. */
function lognormal(prng: Prng, mean: number): number {
  const sigma = Math.sqrt(Math.log(2));
  const normal = Math.sqrt(-2 * Math.log(1 - prng.float())) * Math.cos(2 * Math.PI * prng.float());
  return mean * Math.exp(sigma * normal - (sigma * sigma) / 2);
}
