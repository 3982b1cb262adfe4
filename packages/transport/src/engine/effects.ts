/** What the control core decides, carried out on sessions and connections. */
import type { TransportEffect, TransportInput } from '../core/protocol.ts';
import { connectionIdle, type Refusal } from '../core/refusal.ts';
import type { TransportMetrics } from '../metrics.ts';
import { lineOf, peerOf } from '../core/identity.ts';
import type { BulkLines } from './bulk-lines.ts';
import type { Connections } from './connections.ts';
import type { Delivery } from './delivery.ts';
import type { Handlers } from './handlers.ts';
import type { PeerEvents } from './peer-events.ts';
import type { StreamHub } from './stream-hub.ts';
import type { Sessions } from './sessions.ts';

export interface EffectsOwner {
  dispatch(input: TransportInput): void;
  flush(delivery: Delivery): void;
  closing(): boolean;
  isBusy(delivery: Delivery): boolean;
  stopped(): void;
}

export class Effects {
  readonly #sessions: Sessions;
  readonly #connections: Connections;
  readonly #handlers: Handlers;
  readonly #peerEvents: PeerEvents;
  readonly #streams: StreamHub;
  readonly #bulk: BulkLines;
  readonly #metrics: TransportMetrics;
  readonly #owner: EffectsOwner;

  constructor(
    sessions: Sessions,
    connections: Connections,
    handlers: Handlers,
    peerEvents: PeerEvents,
    streams: StreamHub,
    bulk: BulkLines,
    metrics: TransportMetrics,
    owner: EffectsOwner,
  ) {
    this.#sessions = sessions;
    this.#connections = connections;
    this.#handlers = handlers;
    this.#peerEvents = peerEvents;
    this.#streams = streams;
    this.#bulk = bulk;
    this.#metrics = metrics;
    this.#owner = owner;
  }

  execute(effect: TransportEffect): void {
    switch (effect.type) {
      case 'attach':
        this.#attach(effect);
        return;
      case 'detach':
        this.#sessions.detach(effect.peer);
        return;
      case 'lose':
        this.#sessions.lose(effect.peer, effect.why, effect.keepQueued, effect.refusal);
        this.#streams.lost(effect.peer, sessionOver(effect.why));
        return;
      case 'giveUp':
        this.#sessions.giveUp(effect.peer, effect.refusal);
        this.#streams.lost(effect.peer, effect.refusal);
        this.#bulk.ended(effect.peer);
        return;
      case 'stream':
        this.#streams.execute(effect);
        return;
      case 'forget':
        this.#bulk.ended(effect.peer);
        this.#sessions.forget(effect.peer);
        this.#streams.forget(effect.peer);
        this.#bulk.forgotten(peerOf(effect.peer));
        return;
      case 'peerUp':
        if (effect.resumed) this.#metrics.reconnects.add();
        this.#peerEvents.publish({
          type: 'up',
          peer: peerOf(effect.peer),
          line: lineOf(effect.peer),
          reason: effect.resumed ? 'resumed' : 'connected',
        });
        return;
      case 'peerDown': {
        const { peer, refusal } = effect;
        const delivery = this.#sessions.get(peer);
        const isIdle = refusal.code === connectionIdle.code;
        if (delivery && !isIdle) delivery.refusal = refusal;
        this.#peerEvents.publish({
          type: 'down',
          peer: peerOf(peer),
          line: lineOf(peer),
          reason: refusal.code,
        });
        // The peer took it for unused when this side had just begun to use it.
        const isWanted = delivery?.role === 'node' && this.#owner.isBusy(delivery);
        if (isIdle && isWanted) this.#owner.dispatch({ type: 'NEEDED', peer });
        return;
      }
      case 'drain': {
        const delivery = this.#sessions.get(effect.peer);
        if (delivery && !this.#owner.closing()) delivery.leaving = true;
        return;
      }
      case 'stopped':
        this.#owner.stopped();
        return;
      case 'sendHello':
      case 'sendHelloAck': {
        const received = effect.resumes ? (this.#sessions.get(effect.peer)?.received ?? 0) : 0;
        this.#connections.execute({ ...effect, hello: { ...effect.hello, received } });
        return;
      }
      case 'dial':
      case 'sendRefused':
      case 'sendPing':
      case 'sendGoaway':
      case 'retire':
      case 'closeStream':
      case 'handshakeFailed':
        this.#connections.execute(effect);
    }
  }

  #attach({ connection, peer, ...session }: Extract<TransportEffect, { type: 'attach' }>): void {
    const delivery = this.#sessions.attach(peer, session);
    if (delivery === null) {
      const refusal = { code: 'TRANSPORT_PROTOCOL_ERROR', reason: 'it has received what was never sent' };
      this.#owner.dispatch({ type: 'BROKEN', connection, refusal });
      return;
    }
    delivery.access = this.#handlers.access(delivery.role);
    this.#connections.admit(connection, delivery);
    for (const stream of delivery.pings) this.#connections.ping(connection, stream);
    this.#streams.attached(delivery);
    this.#bulk.attached(delivery);
    this.#owner.flush(delivery);
  }
}

const sessionOver = (why: string): Refusal => ({
  code: 'TRANSPORT_SESSION_LOST',
  reason: `the session ended (${why})`,
});
