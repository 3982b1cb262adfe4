/** Which peers can be reached or may yet be, and why the others cannot. */
import type { ClusterError } from '@cluster/core';
import type { TransportConfig } from '../config.ts';
import type { TransportInput } from '../core/protocol.ts';
import type { TransportCore } from '../core/transport-core.ts';
import { backpressure, messageTooLarge, peerUnknown, refusalError, transportClosed } from '../errors.ts';
import type { PeerDirectory } from '../ports.ts';
import type { Delivery } from './delivery.ts';
import type { Sessions } from './sessions.ts';

export interface RoutesOwner {
  dispatch(input: TransportInput): void;
  flush(delivery: Delivery): void;
  closing(): boolean;
}

export class Routes {
  readonly #config: TransportConfig;
  readonly #core: TransportCore;
  readonly #sessions: Sessions;
  readonly #directory: PeerDirectory;
  readonly #owner: RoutesOwner;

  constructor(
    config: TransportConfig,
    core: TransportCore,
    sessions: Sessions,
    directory: PeerDirectory,
    owner: RoutesOwner,
  ) {
    this.#config = config;
    this.#core = core;
    this.#sessions = sessions;
    this.#directory = directory;
    this.#owner = owner;
  }

  /** The delivery to a peer that can be reached or may yet be; null for an unknown or unreachable one. */
  find(to: string): Delivery | null {
    if (this.#owner.closing()) return null;
    const known = this.#sessions.get(to);
    if (known?.connection != null) return known.leaving ? null : known;
    if (to === this.#config.nodeId || this.#isShut(to)) return null;
    if (this.#core.sessionState(to) === 'interrupted') return known ?? null;
    if (this.#directory.lookup(to) === undefined) return null;
    return this.#sessions.getOrAdd(to);
  }

  /** @throws ClusterError when there is no way to it. */
  reach(to: string): Delivery {
    const delivery = this.find(to);
    const refused = this.refuse(to, delivery, 0);
    if (refused !== null || delivery === null) throw refused ?? peerUnknown(to);
    return delivery;
  }

  /** Why a call cannot be taken. */
  refuse(to: string, delivery: Delivery | null, bytes: number): ClusterError | null {
    if (this.#owner.closing()) return transportClosed();
    if (delivery === null) {
      const known = this.#sessions.get(to);
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
