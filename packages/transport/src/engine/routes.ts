/** Which peers can be reached or may yet be, and why the others cannot. */
import type { ClusterError, Done } from '@cluster/core';
import type { TransportConfig } from '../config.ts';
import { peerOf } from '../core/identity.ts';
import { priorityIndex } from '../core/outgoing.ts';
import type { TransportInput } from '../core/protocol.ts';
import type { TransportCore } from '../core/transport-core.ts';
import {
  backpressure,
  messageTooLarge,
  peerUnknown,
  refusalError,
  timedOut,
  transportClosed,
} from '../errors.ts';
import type { TransportPorts } from '../ports.ts';
import type { Delivery } from './delivery.ts';
import type { Sessions } from './sessions.ts';

export interface RoutesOwner {
  dispatch(input: TransportInput): void;
  flush(delivery: Delivery): void;
  closing(): boolean;
  /** The line that a new message to this peer takes. */
  keyOf(to: string, priority: number): string;
}

export class Routes {
  readonly #config: TransportConfig;
  readonly #core: TransportCore;
  readonly #sessions: Sessions;
  readonly #ports: Pick<TransportPorts, 'clock' | 'directory'>;
  readonly #owner: RoutesOwner;

  constructor(
    config: TransportConfig,
    core: TransportCore,
    sessions: Sessions,
    ports: Pick<TransportPorts, 'clock' | 'directory'>,
    owner: RoutesOwner,
  ) {
    this.#config = config;
    this.#core = core;
    this.#sessions = sessions;
    this.#ports = ports;
    this.#owner = owner;
  }

  /** The delivery to a peer that can be reached or may yet be; null for an unknown or unreachable one. */
  find(to: string, priority: number): Delivery | null {
    return this.#find(this.#owner.keyOf(to, priority));
  }

  /** @param to a line of it. */
  #find(to: string): Delivery | null {
    if (this.#owner.closing()) return null;
    const known = this.#sessions.get(to);
    if (known?.connection != null) return known.leaving ? null : known;
    if (to === this.#config.nodeId || this.#isShut(to)) return null;
    if (this.#core.sessionState(to) === 'interrupted') return known ?? null;
    return this.isListed(to) ? this.#sessions.getOrAdd(to) : null;
  }

  /** Somebody says where it listens. @param to a line of it. */
  isListed(to: string): boolean {
    return this.#ports.directory.lookup(peerOf(to)) !== undefined;
  }

  /** @throws ClusterError when there is no way to it. */
  reach(to: string, priority: number): Delivery {
    const delivery = this.find(to, priority);
    const refused = this.refuse(to, priority, delivery, 0);
    if (refused !== null || delivery === null) throw refused ?? peerUnknown(to);
    return delivery;
  }

  /** Why a call cannot be taken. */
  refuse(to: string, priority: number, delivery: Delivery | null, bytes: number): ClusterError | null {
    if (this.#owner.closing()) return transportClosed();
    if (delivery === null) {
      const known = this.#sessions.get(this.#owner.keyOf(to, priority));
      if (known?.leaving === true)
        return refusalError(to, { code: 'TRANSPORT_PEER_LEFT', reason: 'it is closing' });
      return known?.refusal == null ? peerUnknown(to) : refusalError(to, known.refusal);
    }
    const max = delivery.messageBytesMax;
    if (bytes > max) return messageTooLarge(bytes, max);
    if (!delivery.accepts(bytes) || delivery.calls.size >= this.#config.callsMax) {
      return backpressure(to, delivery.queued, delivery.queuedBytes);
    }
    return null;
  }

  /** Little waits for it, on neither line. */
  isReady(to: string): boolean {
    return this.#fuller(to)?.ready ?? false;
  }

  /** @param timeoutMs default: for as long as it can be reached, or may yet be. @returns the way to stop waiting. */
  whenReady(to: string, done: Done<void>, timeoutMs?: number): () => void {
    const delivery = this.#fuller(to);
    if (delivery === null || this.#owner.closing()) {
      done({ ok: false, error: this.refuse(to, priorityIndex.Normal, delivery, 0) ?? peerUnknown(to) });
    } else if (delivery.ready && !delivery.scheduled) done({ ok: true, value: undefined });
    else if (delivery.waiting.size >= this.#config.callsMax) {
      done({ ok: false, error: backpressure(to, delivery.queued, delivery.queuedBytes) });
    } else return this.#wait(delivery, done, timeoutMs);
    return () => undefined;
  }

  #wait(delivery: Delivery, done: Done<void>, timeoutMs?: number): () => void {
    const waiter: Done<void> = (outcome) => {
      timer?.cancel();
      done(outcome);
    };
    const expire = (afterMs: number): void => {
      delivery.waiting.delete(waiter);
      done({ ok: false, error: timedOut(delivery.node, afterMs, false) });
    };
    const timer =
      timeoutMs === undefined ? null : this.#ports.clock.setTimer(timeoutMs, () => expire(timeoutMs));
    delivery.waiting.add(waiter);
    return () => {
      timer?.cancel();
      delivery.waiting.delete(waiter);
    };
  }

  /** Of its lines the one that is not ready, if there is one. */
  #fuller(to: string): Delivery | null {
    const key = this.#owner.keyOf(to, priorityIndex.Normal);
    const bulk = this.#find(key);
    const control = key !== to && bulk?.ready === true ? this.#find(to) : null;
    return control?.ready === false ? control : bulk;
  }

  /** Something waits for the peer. */
  wake(delivery: Delivery): void {
    if (delivery.connection !== null) this.#owner.flush(delivery);
    else if (this.#core.entryState(delivery.peer) === 'idle' && delivery.role === 'node') {
      this.#owner.dispatch({ type: 'NEEDED', peer: delivery.peer });
    }
  }

  /** Who is told so has asked: the peer is probed when its wait is over. */
  #isShut(to: string): boolean {
    if (!this.#core.isShut(to)) return false;
    if (this.#core.awaitsAsker(to)) this.#owner.dispatch({ type: 'NEEDED', peer: to });
    return true;
  }
}
