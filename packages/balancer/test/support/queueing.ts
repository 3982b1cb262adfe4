/**
 * A pool of servers in virtual time: each has four workers and a queue, routers send to it open-loop (Poisson), service times
 * are lognormal with a mean of 10 ms. Every answer carries the server's load. One seed gives one run.
 */
import { Prng } from '@cluster/core';
import { Balancer, type BalancerConfigInput, type Route } from '../../src/index.ts';
import { VirtualClock } from './virtual-clock.ts';

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
}

export interface Result {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly errorRatio: number;
  /** Queries by server. */
  readonly counts: readonly number[];
}

const workers = 4;
const meanMs = 10;
const roundTripMs = 0.5;
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
}: Scenario): Result {
  const prng = Prng.fromSeed(seed, 'queueing');
  const clock = new VirtualClock();
  const names = Array.from({ length: servers }, (_, i) => `s${i}`);
  const pool = names.map(() => new Server(clock));
  const routers = names.map((_, i) => {
    const balancer = new Balancer(config, { clock, seed: seed * 1000 + i });
    balancer.setEndpoints(names.map((nodeId) => ({ nodeId })));
    return balancer;
  });
  const capacity =
    names.reduce((sum, _, i) => sum + (i === failing ? 0 : speedOf(i)), 0) * (workers / meanMs);
  const latencies: number[] = [];
  const counts = names.map(() => 0);
  let errors = 0;

  const send = (router: Balancer, counted: boolean): void => {
    const serviceMs = lognormal(prng, meanMs);
    const route = router.pick() as Route;
    const at = names.indexOf(route.nodeId);
    const server = pool[at] as Server;
    const startMs = clock.nowMs();
    if (counted) counts[at] = (counts[at] ?? 0) + 1;
    const answer = (ok: boolean): void => {
      clock.setTimer(roundTripMs / 2, () => {
        const latencyMs = clock.nowMs() - startMs;
        route.done(ok ? { ok, latencyMs, load: server.load } : { ok, latencyMs });
        if (counted && ok) latencies.push(latencyMs);
        if (counted && !ok) errors++;
      });
    };
    clock.setTimer(roundTripMs / 2, () => {
      if (at === failing) answer(false);
      else server.serve(serviceMs / speedOf(at), () => answer(true));
    });
  };

  let sent = 0;
  const arrive = (): void => {
    if (sent++ >= queries + warmUp) return;
    send(routers[prng.below(routers.length)] as Balancer, sent > warmUp);
    clock.setTimer(prng.exponential(1 / (capacity * load)), arrive);
  };
  arrive();
  // Ten times the time the arrivals take: the queues are empty long before.
  clock.runUntil(((queries + warmUp) / (capacity * load)) * 10 + 60_000);
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN;
  return { p50Ms: at(0.5), p99Ms: at(0.99), errorRatio: errors / queries, counts };
}

/** Lognormal with a coefficient of variation of 1. */
function lognormal(prng: Prng, mean: number): number {
  const sigma = Math.sqrt(Math.log(2));
  const normal = Math.sqrt(-2 * Math.log(1 - prng.float())) * Math.cos(2 * Math.PI * prng.float());
  return mean * Math.exp(sigma * normal - (sigma * sigma) / 2);
}
