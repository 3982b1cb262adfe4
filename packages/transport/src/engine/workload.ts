/**
 * The handlers of one peer's messages that are at work. It outlives sessions, and even the peer: ending a session, or leaving and
 * coming again, must not win a peer the handlers of another.
 */
import type { TransportConfig } from '../config.ts';
import { messageOverheadBytes } from '../core/credit.ts';
import type { Inbound } from './inbound.ts';

export type WorkloadLimits = Pick<
  TransportConfig,
  'inboundCallsMax' | 'messageBytesMax' | 'streamWindowBytes' | 'sessionWindowBytes'
>;

export class Workload {
  readonly #requestsMax: number;
  readonly #bytesMax: number;
  /** Requests being handled, cancelled ones and those of former sessions included. */
  #requests = 0;
  /** What these and one-way messages were charged. */
  #bytes = 0;

  constructor({ inboundCallsMax, messageBytesMax, streamWindowBytes, sessionWindowBytes }: WorkloadLimits) {
    this.#requestsMax = inboundCallsMax;
    // What one session may have with handlers: Critical, and the others; something of any size fits where nothing is.
    const largest = messageOverheadBytes + messageBytesMax;
    this.#bytesMax = Math.max(streamWindowBytes, largest) + Math.max(sessionWindowBytes, largest);
  }

  get isIdle(): boolean {
    return this.#bytes === 0;
  }

  takesMessage(cost: number): boolean {
    return this.#bytes + cost <= this.#bytesMax;
  }

  takesRequest(cost: number): boolean {
    return this.#requests < this.#requestsMax && this.takesMessage(cost);
  }

  /** Its handler has returned, and not finished. */
  begin(inbound: Inbound): void {
    inbound.isAtWork = true;
    this.#bytes += inbound.cost;
    if (inbound.request !== null) this.#requests++;
  }

  end(inbound: Inbound): void {
    if (!inbound.isAtWork) return;
    inbound.isAtWork = false;
    this.#bytes -= inbound.cost;
    if (inbound.request !== null) this.#requests--;
  }
}

/** Those of peers that are not known any more. */
export class Workloads {
  readonly #limits: WorkloadLimits;
  readonly #left = new Map<string, Workload>();

  constructor(limits: WorkloadLimits) {
    this.#limits = limits;
  }

  /** @param peer the name of its line. */
  of(peer: string): Workload {
    const workload = this.#left.get(peer) ?? new Workload(this.#limits);
    this.#left.delete(peer);
    return workload;
  }

  /** The peer is forgotten. */
  keep(peer: string, workload: Workload): void {
    for (const [known, { isIdle }] of this.#left) if (isIdle) this.#left.delete(known);
    if (!workload.isIdle) this.#left.set(peer, workload);
  }
}
