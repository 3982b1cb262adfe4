/** The streams of a node: dialled, accepted, counted, kept alive and closed, as the control core says. */
import type { Address, Done, DuplexHandlers, DuplexListener, Logger } from '@cluster/core';
import type { TransportConfig } from '../config.ts';
import { peerOf } from '../core/identity.ts';
import type { TransportEffect } from '../core/protocol.ts';
import {
  answersUnread,
  closedInHandshake,
  connectionIdle,
  controlFlood,
  noAddress,
  type Refusal,
  tooManyConnections,
} from '../core/refusal.ts';
import { ahead } from '../core/sequence.ts';
import type { TransportMetrics } from '../metrics.ts';
import type { SecureStream, TransportPorts } from '../ports.ts';
import type { Bodies } from '../wire/bodies.ts';
import { encodeFrame, frameTypes, type FrameType, wholeBytesMax } from '../wire/frame.ts';
import { encodeHello, encodeRefusal } from '../wire/messages.ts';
import type { Carrier } from './carrier.ts';
import type { Delivery } from './delivery.ts';
import { ConnectionLog } from './connection-log.ts';
import { ConnectionWatch, type WatchOwner } from './connection-watch.ts';
import { greetingOf, refusalOf } from './greeting.ts';
import { WireConnection } from './wire-connection.ts';

export interface ConnectionsOwner extends WatchOwner {
  /** A frame of an admitted connection. */
  frame(
    connection: WireConnection,
    delivery: Delivery,
    type: FrameType,
    flags: number,
    typeId: number,
    stream: number,
    sequence: number,
    payload: Uint8Array,
  ): boolean;
  flush(delivery: Delivery): void;
  /** The peer may be waiting for what is owed to it. */
  acknowledge(delivery: Delivery): void;
  /** The socket has room again: what waits for it is written at once. */
  drained(delivery: Delivery): void;
  redial(peer: string): boolean;
  /** What is said with a goodbye: the last streams of the peer's that were taken. */
  lastStreams(peer: string): Uint8Array;
}

type Handled = Exclude<
  Extract<TransportEffect, { readonly connection: number }>,
  { type: 'attach' | 'drain' }
>;

const lost = (why: string): Refusal => ({ code: 'TRANSPORT_CONNECTION_LOST', reason: why });

export class Connections {
  readonly #config: TransportConfig;
  readonly #ports: TransportPorts;
  readonly #bodies: Bodies;
  readonly #metrics: TransportMetrics;
  readonly #owner: ConnectionsOwner;
  readonly #open = new Map<number, WireConnection>();
  readonly #log: ConnectionLog;
  #accepted = -1;
  #handshakes = 0;
  #admitted = 0;
  readonly watch: ConnectionWatch;

  constructor(
    config: TransportConfig,
    ports: TransportPorts,
    bodies: Bodies,
    metrics: TransportMetrics,
    logger: Logger,
    owner: ConnectionsOwner,
  ) {
    this.#config = config;
    this.#ports = ports;
    this.#bodies = bodies;
    this.#metrics = metrics;
    this.#owner = owner;
    this.#log = new ConnectionLog(ports.clock, metrics, logger);
    this.watch = new ConnectionWatch(config, ports.clock, this.#open, owner);
  }

  listen(bind: Address, done: Done<DuplexListener>): void {
    this.#ports.streams.listen(
      bind,
      (stream) => this.#accept(stream),
      (refusal) => this.#log.rejected(refusal, null),
      done,
    );
  }

  execute(effect: Handled): void {
    const connection = this.#open.get(effect.connection);
    if (effect.type === 'dial') {
      this.#dial(effect.connection, effect.peer);
      return;
    }
    if (effect.type === 'handshakeFailed') {
      this.#log.handshakeFailed(effect);
      return;
    }
    if (connection === undefined) return;
    switch (effect.type) {
      case 'sendHello':
        this.#control(connection, encodeFrame(frameTypes.hello, encodeHello(effect.hello)));
        return;
      case 'sendHelloAck':
        this.#control(connection, encodeFrame(frameTypes.helloAck, encodeHello(effect.hello)));
        return;
      case 'sendRefused':
        connection.refused = true;
        connection.writeControl(encodeFrame(frameTypes.refused, encodeRefusal(effect.refusal)));
        this.#metrics.bytesSent.add(connection.flushControl());
        connection.stream?.end();
        return;
      case 'sendPing':
        connection.quiet = true;
        connection.keepalivesSent++;
        this.ping(connection.id, 0);
        return;
      case 'sendGoaway': {
        const taken =
          connection.delivery === null ? undefined : this.#owner.lastStreams(connection.delivery.peer);
        this.#control(connection, encodeFrame(frameTypes.goaway, taken));
        return;
      }
      case 'retire':
        connection.refused = true;
        return;
      case 'closeStream':
        this.#close(connection);
    }
  }

  /** The connection carries a session from now on. */
  admit(id: number, delivery: Delivery): void {
    const connection = this.#open.get(id);
    if (connection === undefined) return;
    if (connection.dialled === null) this.#handshakes--;
    this.#admitted++;
    this.#metrics.connectionsOpen.set(this.#admitted);
    connection.delivery = delivery;
    delivery.connectionsOpened++;
    this.#log.reached(delivery.peer);
    connection.parser.payloadBytesMax = wholeBytesMax;
    delivery.connection = connection;
    this.watch.start();
  }

  /** @param token comes back in the PONG; 0 = nobody waits for it. */
  ping(id: number, token: number): void {
    const connection = this.#open.get(id);
    // No more than wait already could be answered: its caller hears so when its time is over.
    if (connection === undefined || connection.controlFrames >= this.#config.controlFramesMax) return;
    this.#control(connection, encodeFrame(frameTypes.ping, undefined, token));
  }

  get(id: number): WireConnection | null {
    return this.#open.get(id) ?? null;
  }

  /** Writes what the peer has made necessary, unless it takes too little of that. */
  answer(id: number, ...frame: Parameters<typeof encodeFrame>): void {
    const connection = this.#open.get(id);
    if (connection === undefined) return;
    if (connection.controlFrames >= this.#config.controlFramesMax)
      this.flooded(connection, 'control_flood', controlFlood);
    else this.#control(connection, encodeFrame(...frame));
  }

  /** The peer makes more necessary than it takes. */
  flooded(carrier: Carrier | null, label: string, refusal: Refusal): void {
    const connection = carrier === null ? undefined : this.#open.get(carrier.id);
    if (connection?.refused === false) this.broken(connection, label, refusal);
  }

  broken(connection: WireConnection, label: string, refusal: Refusal): void {
    this.#metrics.frameRejected(label);
    const said = refusal === answersUnread ? 'a peer does not read answers' : 'a peer broke the protocol';
    this.#log.warn(said, refusal, connection.delivery?.peer ?? connection.dialled);
    this.#owner.dispatch({ type: 'BROKEN', connection: connection.id, refusal });
  }

  close(): void {
    this.watch.stop();
    for (const connection of this.#open.values()) this.#close(connection);
  }

  #accept(stream: SecureStream): void {
    this.#accepted += 2;
    const { handshakesMax, connectionsMax } = this.#config;
    if (this.#handshakes >= handshakesMax || this.#open.size >= connectionsMax) {
      this.#metrics.connectionRejected('too_many_connections');
      stream.handlers = deaf;
      stream.destroy();
      return;
    }
    this.#handshakes++;
    const connection = this.#add(this.#accepted, null);
    connection.stream = stream;
    stream.onRevoked = this.#whenRevoked(connection);
    stream.handlers = this.#listenTo(connection);
    this.#owner.dispatch({ type: 'ACCEPTED', connection: connection.id, ...stream.certified });
  }

  #dial(id: number, peer: string): void {
    const connection = this.#add(id, peer);
    const fail = (refusal: Refusal): void =>
      this.#owner.dispatch({ type: 'DIAL_FAILED', connection: id, refusal });
    const address = this.#ports.directory.lookup(peerOf(peer));
    // Itself included.
    const isFull = this.#open.size > this.#config.connectionsMax;
    if (isFull || address === undefined) {
      fail(isFull ? tooManyConnections : noAddress);
      return;
    }
    const handlers = this.#listenTo(connection);
    this.#ports.streams.dial(address, handlers, this.#config.dialTimeoutMs, (outcome) => {
      if (!outcome.ok) {
        fail({ code: outcome.error.code, reason: sentence(outcome.error) });
        return;
      }
      if (connection.closed) {
        outcome.value.destroy();
        return;
      }
      connection.stream = outcome.value;
      outcome.value.onRevoked = this.#whenRevoked(connection);
      connection.lastHeardMs = this.#ports.clock.nowMs();
      this.#owner.dispatch({ type: 'DIALLED', connection: id, ...outcome.value.certified });
    });
  }

  #add(id: number, dialled: string | null): WireConnection {
    const connection: WireConnection = new WireConnection(
      id,
      dialled,
      {
        onFrame: (type, flags, typeId, stream, sequence, payload) => {
          if (connection.closed || connection.refused) return false;
          const { delivery } = connection;
          if (delivery === null) return this.#handshake(connection, type, payload);
          if (type === frameTypes.refused) return this.#refused(connection, payload);
          return this.#owner.frame(connection, delivery, type, flags, typeId, stream, sequence, payload);
        },
        place: (type, flags, typeId, _stream, sequence, length) =>
          connection.delivery?.place(type, flags, typeId, sequence, length) ?? null,
      },
      this.#ports.clock.nowMs(),
      this.#bodies,
      this.#ports.allocate,
    );
    this.#open.set(id, connection);
    return connection;
  }

  #whenRevoked(connection: WireConnection): (refusal: Refusal) => void {
    return (refusal) => {
      this.#log.warn('a peer was cut off', refusal, connection.delivery?.peer ?? connection.dialled);
      this.#owner.dispatch({ type: 'BROKEN', connection: connection.id, refusal });
    };
  }

  #listenTo(connection: WireConnection): DuplexHandlers {
    const gone = (refusal: Refusal): void => {
      const peer = connection.delivery?.peer ?? connection.dialled;
      const redial = peer !== null && this.#owner.redial(peer);
      this.#owner.dispatch({ type: 'CLOSED', connection: connection.id, refusal, redial });
    };
    // A stream that is known to be gone is not waited for when its connection closes.
    const ended = (refusal: Refusal): void => {
      const { stream } = connection;
      gone(refusal);
      stream?.destroy();
    };
    return {
      onData: (bytes) => this.#receive(connection, bytes),
      onEnd: () => ended(connection.delivery === null ? closedInHandshake : lost('the peer closed it')),
      onClose: (error) => {
        const why = error === null ? 'the peer closed it' : sentence(error);
        ended(connection.delivery === null ? closedInHandshake : lost(why));
      },
      onDrain: () => {
        connection.drained();
        if (connection.delivery !== null) this.#owner.drained(connection.delivery);
      },
    };
  }

  #receive(connection: WireConnection, bytes: Uint8Array): void {
    if (connection.closed || connection.refused) return;
    connection.lastHeardMs = this.#ports.clock.nowMs();
    if (connection.quiet) {
      connection.quiet = false;
      this.#owner.dispatch({ type: 'HEARD', connection: connection.id });
    }
    this.#metrics.bytesReceived.add(bytes.length);
    const { delivery } = connection;
    const before = delivery?.received ?? 0;
    const fault = connection.receive(bytes);
    const frames = delivery === null ? 0 : Math.max(0, ahead(delivery.received, before));
    delivery?.tally.received(frames, bytes.length, connection.lastHeardMs);
    connection.tally.received(frames, bytes.length, connection.lastHeardMs);
    if (fault !== null) {
      this.broken(connection, fault, {
        code: 'TRANSPORT_PROTOCOL_ERROR',
        reason: `a frame with a bad header: ${fault}`,
      });
      return;
    }
    if (connection.delivery === null) return;
    this.#acknowledge(connection.delivery);
  }

  #acknowledge(delivery: Delivery): void {
    if (delivery.ackIsUrgent) this.#owner.acknowledge(delivery);
    else if (delivery.ackIsDue) this.#owner.flush(delivery);
    else if (delivery.owesAck) this.acknowledgeLater(delivery);
  }

  /** Before a connection is admitted only the handshake is taken from it. */
  #handshake(connection: WireConnection, type: FrameType, payload: Uint8Array): boolean {
    if (type === frameTypes.refused) return this.#refused(connection, payload);
    const greeting = greetingOf(connection.id, type, payload);
    if (greeting !== null) {
      this.#owner.dispatch(greeting);
      return true;
    }
    const refusal: Refusal = { code: 'TRANSPORT_PROTOCOL_ERROR', reason: 'a handshake that cannot be read' };
    this.broken(connection, 'handshake', refusal);
    return false;
  }

  #refused(connection: WireConnection, payload: Uint8Array): boolean {
    const refusal = refusalOf(payload);
    const reason = `the peer refused it: ${refusal.reason}`;
    const { delivery } = connection;
    // Before it is admitted, the failed dial or the rejected connection is what is told.
    if (delivery !== null && refusal.code !== connectionIdle.code)
      this.#log.warn('a peer ended the connection', refusal, delivery.peer);
    this.#owner.dispatch({
      type: 'REFUSED',
      connection: connection.id,
      refusal: { code: refusal.code, reason },
    });
    return false;
  }

  #control(connection: WireConnection, frame: Uint8Array): void {
    connection.writeControl(frame);
    // Until there is a session, nobody else flushes it.
    if (connection.delivery === null) this.#metrics.bytesSent.add(connection.flushControl());
    else this.#owner.flush(connection.delivery);
  }

  /** Acknowledges, or gives credit, within `ackDelayMs` unless something is sent anyway. */
  acknowledgeLater(delivery: Delivery): void {
    if (delivery.ackTimerArmed) return;
    delivery.ackTimerArmed = true;
    this.#ports.clock.setTimer(this.#config.ackDelayMs, () => {
      delivery.ackTimerArmed = false;
      delivery.acknowledgeSoon();
      if (delivery.ackIsDue) this.#owner.flush(delivery);
    });
  }

  #close(connection: WireConnection): void {
    if (connection.closed) return;
    connection.closed = true;
    this.#open.delete(connection.id);
    const { delivery } = connection;
    if (delivery !== null) {
      if (delivery.connection === connection) delivery.connection = null;
      this.#admitted--;
      this.#metrics.connectionsOpen.set(this.#admitted);
    } else if (connection.dialled === null) this.#handshakes--;
    const { stream } = connection;
    if (stream === null) return;
    // The last words (a goodbye, an acknowledgement) leave first; a peer that does not close its half is not waited for.
    const linger = this.#ports.clock.setTimer(lingerMs, () => stream.destroy());
    const gone = (): void => {
      linger.cancel();
      stream.destroy();
    };
    stream.handlers = { onData: () => undefined, onEnd: gone, onClose: gone };
    stream.end();
  }
}

/** How long a closing stream is waited for. */
export const lingerMs = 1000;

const deaf: DuplexHandlers = { onData: () => undefined, onEnd: () => undefined, onClose: () => undefined };
const sentence = ({ message }: Error): string => message.replace(/\.$/, '');
