/** What a router knows of one endpoint: own counts, averaged reports with their age, and the record that ejection goes by. */
import type { BalancerConfig } from '../config.ts';

/** An endpoint as its owner describes it. */
export interface EndpointInput {
  readonly nodeId: string;
  /** Relative capacity; default 1. Used by weighted-round-robin, least-connections and locality-aware. */
  readonly weight?: number | undefined;
  readonly datacenter?: string | undefined;
  readonly rack?: string | undefined;
}

/** What an endpoint says of itself, with each answer (best) or by gossip. */
export interface LoadReport {
  /** Operations waiting. */
  readonly queueDepth?: number | undefined;
  /** Operations under way; stands in for `queueDepth` where that is absent. */
  readonly inFlight?: number | undefined;
  /** 0 idle … 1 fully busy. */
  readonly utilization?: number | undefined;
  /** A latency measured elsewhere, e.g. by a health probe; used only until the router has a sample of its own. */
  readonly latencyMs?: number | undefined;
}

export type EndpointMode = 'healthy' | 'ejected' | 'probing' | 'draining';

/** 0 the same rack (or not known), 1 the same datacenter, 2 another datacenter. */
export type Tier = 0 | 1 | 2;

/** An averaged figure; `atMs` is when it was last refreshed, NaN values are not known. */
export interface Estimate {
  value: number;
  atMs: number;
}

const unknown = (): Estimate => ({ value: Number.NaN, atMs: 0 });

export interface Endpoint {
  readonly nodeId: string;
  weight: number;
  tier: Tier;
  /** Copy of the machine's state, refreshed after every machine event. */
  mode: EndpointMode;
  /** Own routes not closed yet. */
  inFlight: number;
  readonly queue: Estimate;
  readonly utilization: Estimate;
  /** Its value is the natural logarithm of the averaged milliseconds: that is all the score needs. */
  readonly logLatency: Estimate;
  errorStreak: number;
  /** Ejections in a row, and since when it has been healthy. */
  ejections: number;
  healthySinceMs: number;
  /** The route that is the probe; 0 = none under way. */
  probe: number;
  /** When it was last chosen by round-robin, counted in choices. */
  turn: number;
  /** Its balance in weighted round-robin. */
  credit: number;
  /** The pick that last considered it, so that a name given twice counts once. */
  seenBy: number;
}

export function makeEndpoint(input: EndpointInput, nowMs: number, config: BalancerConfig): Endpoint {
  return {
    nodeId: input.nodeId,
    weight: input.weight ?? 1,
    tier: tierOf(input, config),
    mode: 'healthy',
    inFlight: 0,
    queue: unknown(),
    utilization: unknown(),
    logLatency: unknown(),
    errorStreak: 0,
    ejections: 0,
    healthySinceMs: nowMs,
    probe: 0,
    turn: 0,
    credit: 0,
    seenBy: 0,
  };
}

/** What is not known counts as near: a cluster that names no places is one place. */
export function tierOf(
  { datacenter, rack }: Pick<EndpointInput, 'datacenter' | 'rack'>,
  own: Pick<BalancerConfig, 'datacenter' | 'rack'>,
): Tier {
  const differ = (a: string | undefined, b: string | undefined): boolean =>
    a !== undefined && b !== undefined && a !== b;
  if (differ(datacenter, own.datacenter)) return 2;
  return differ(rack, own.rack) ? 1 : 0;
}

function average(estimate: Estimate, sample: number, alpha: number, nowMs: number): void {
  estimate.value = Number.isNaN(estimate.value) ? sample : estimate.value + alpha * (sample - estimate.value);
  estimate.atMs = nowMs;
}

// A report comes from a peer: what is no sensible number is no report.
const sensible = (value: number | undefined): value is number =>
  value !== undefined && value >= 0 && value < 1e12;

/** Takes a report in; false when none of its figures was usable. */
export function observeLoad(
  endpoint: Endpoint,
  load: LoadReport,
  nowMs: number,
  config: BalancerConfig,
): boolean {
  const queue = load.queueDepth ?? load.inFlight;
  const hasQueue = sensible(queue);
  const hasUtilization = sensible(load.utilization);
  if (hasQueue) average(endpoint.queue, queue, config.queueAlpha, nowMs);
  if (hasUtilization) average(endpoint.utilization, Math.min(load.utilization, 1), config.queueAlpha, nowMs);
  const hasLatency = sensible(load.latencyMs);
  if (hasLatency && Number.isNaN(endpoint.logLatency.value))
    observeLatency(endpoint, load.latencyMs, nowMs, config);
  return hasQueue || hasUtilization || hasLatency;
}

// Faster than any network: keeps the logarithm finite.
const latencyMinMs = 0.01;

export function observeLatency(
  endpoint: Endpoint,
  latencyMs: number,
  nowMs: number,
  config: BalancerConfig,
): void {
  const sample = Math.max(latencyMinMs, latencyMs);
  const before = endpoint.logLatency.value;
  const mean = Number.isNaN(before)
    ? sample
    : Math.exp(before) + config.latencyAlpha * (sample - Math.exp(before));
  endpoint.logLatency.value = Math.log(mean);
  endpoint.logLatency.atMs = nowMs;
}

export const latencyMsOf = ({ logLatency }: Endpoint): number | null =>
  Number.isNaN(logLatency.value) ? null : Math.exp(logLatency.value);
