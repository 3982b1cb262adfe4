/** The data planes of all peers: what the session machine decides is carried out here. */
import { deflateCapability, type Shrink } from '../core/compression.ts';
import type { PeerLimits } from '../core/handshake.ts';
import { bulkCapability, type PeerRole } from '../core/identity.ts';
import type { Refusal } from '../core/refusal.ts';
import type { SessionEnd } from '../core/session.machine.ts';
import { maybeDelivered, refusalError } from '../errors.ts';
import type { TransportMetrics } from '../metrics.ts';
import type { Allocate } from '../wire/blocks.ts';
import type { Bodies } from '../wire/bodies.ts';
import { Delivery, type DeliveryLimits } from './delivery.ts';
import { type WorkloadLimits, Workloads } from './workload.ts';

export interface AttachedSession {
  readonly role: PeerRole;
  readonly resumed: boolean;
  readonly received: number;
  readonly limits: PeerLimits;
  readonly capabilities: readonly string[];
}

const over: Refusal = { code: 'TRANSPORT_PEER_UNREACHABLE', reason: 'the session is over' };

export class Sessions {
  readonly #limits: DeliveryLimits;
  readonly #metrics: TransportMetrics;
  readonly #bodies: Bodies;
  readonly #allocate: Allocate | undefined;
  readonly #shrink: Shrink | null;
  readonly #deliveries = new Map<string, Delivery>();
  readonly #workloads: Workloads;
  /** The last one that was asked for: most messages go where the last one went. */
  #last: Delivery | undefined;

  /** @param shrink null: nothing is compressed. */
  constructor(
    limits: DeliveryLimits & WorkloadLimits,
    metrics: TransportMetrics,
    shrink: Shrink | null,
    bodies: Bodies,
    allocate?: Allocate,
  ) {
    this.#workloads = new Workloads(limits);
    this.#bodies = bodies;
    this.#allocate = allocate;
    this.#shrink = shrink;
    this.#limits = limits;
    this.#metrics = metrics;
  }

  all(): readonly Delivery[] {
    return [...this.#deliveries.values()];
  }

  /** Messages waiting to be written, all peers. */
  queued(): number {
    let queued = 0;
    for (const delivery of this.#deliveries.values()) queued += delivery.queue.size;
    return queued;
  }

  get(peer: string): Delivery | undefined {
    if (this.#last?.peer !== peer) this.#last = this.#deliveries.get(peer);
    return this.#last;
  }

  getOrAdd(peer: string): Delivery {
    let delivery = this.get(peer);
    if (delivery === undefined) {
      const workload = this.#workloads.of(peer);
      delivery = new Delivery(peer, this.#limits, workload, this.#bodies, this.#allocate);
      this.#deliveries.set(peer, delivery);
      this.#last = delivery;
    }
    return delivery;
  }

  /** Null when the peer claims to have received what was never sent. */
  attach(peer: string, session: AttachedSession): Delivery | null {
    const delivery = this.getOrAdd(peer);
    delivery.role = session.role;
    delivery.limits = session.limits;
    delivery.takesBulk = session.capabilities.includes(bulkCapability);
    delivery.shrink = session.capabilities.includes(deflateCapability) ? this.#shrink : null;
    if (!session.resumed) delivery.begin();
    else if (!delivery.resume(session.received)) return null;
    return delivery;
  }

  detach(peer: string): void {
    const delivery = this.#deliveries.get(peer);
    if (delivery !== undefined) delivery.connection = null;
  }

  /** What was sent and not acknowledged, or not answered, may have been delivered; only the caller knows what that means. */
  lose(peer: string, why: SessionEnd, keepQueued: boolean, refusal: Refusal | null): void {
    const delivery = this.#deliveries.get(peer);
    if (delivery === undefined) return;
    for (const call of delivery.calls.all()) call.why = why;
    this.#metrics.messagesDropped.add(delivery.abandonSent());
    delivery.queue.endSession();
    for (const call of delivery.calls.all()) {
      if (call.sent) call.fail(maybeDelivered(peer, why, refusal));
    }
    if (!keepQueued) this.giveUp(peer, refusal ?? over);
  }

  giveUp(peer: string, refusal: Refusal): void {
    const delivery = this.#deliveries.get(peer);
    if (delivery === undefined) return;
    delivery.refusal = refusal;
    this.#metrics.messagesDropped.add(delivery.abandonQueued());
    for (const call of delivery.calls.all()) call.fail(refusalError(peer, refusal));
    delivery.wakeWaiting(refusalError(peer, refusal));
    delivery.pings.clear();
  }

  forget(peer: string): void {
    this.giveUp(peer, over);
    const workload = this.#deliveries.get(peer)?.workload;
    if (workload !== undefined) this.#workloads.keep(peer, workload);
    this.#deliveries.delete(peer);
    this.#last = undefined;
  }
}
