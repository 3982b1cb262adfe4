/** What to do with each frame of an admitted connection. */
import { ClusterError, type Clock, describeError, type Logger } from '@cluster/core';
import type { Refusal } from '../core/refusal.ts';
import { remoteError } from '../errors.ts';
import type { TransportMetrics } from '../metrics.ts';
import { flagBits, frameTypes, type FrameType, headerBytes, isSequenced } from '../wire/frame.ts';
import { decodeRemoteError, encodeRemoteError } from '../wire/messages.ts';
import { type Delivery, type InboundRequest, priorityOf } from './delivery.ts';
import type { EngineContext, EngineHandler, Handlers } from './handlers.ts';
import type { WireConnection } from './wire-connection.ts';

export interface ReceiverOwner {
  /** The peer broke the protocol: `label` counts it, the refusal is said to the peer. */
  broken(connection: WireConnection, label: string, refusal: Refusal): void;
  goaway(connection: WireConnection): void;
  ping(connection: number, token: number): void;
  pong(delivery: Delivery, token: number): void;
  /** Queues an answer. */
  reply(delivery: Delivery, type: FrameType, flags: number, stream: number, bytes: Uint8Array): void;
  /** Something happened that may let a closing transport finish. */
  progressed(delivery: Delivery): void;
}

const empty = new Uint8Array(0);
const violation = (reason: string): Refusal => ({ code: 'TRANSPORT_PROTOCOL_ERROR', reason });

export class Receiver {
  readonly #owner: ReceiverOwner;
  readonly #handlers: Handlers;
  readonly #metrics: TransportMetrics;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #inboundMax: number;

  constructor(
    owner: ReceiverOwner,
    handlers: Handlers,
    metrics: TransportMetrics,
    logger: Logger,
    clock: Clock,
    inboundMax: number,
  ) {
    this.#owner = owner;
    this.#handlers = handlers;
    this.#metrics = metrics;
    this.#logger = logger;
    this.#clock = clock;
    this.#inboundMax = inboundMax;
  }

  /** False when the rest of what was read is of no interest. */
  frame(
    connection: WireConnection,
    delivery: Delivery,
    type: FrameType,
    flags: number,
    typeId: number,
    stream: number,
    sequence: number,
    payload: Uint8Array,
  ): boolean {
    if (isSequenced(type)) {
      const verdict = delivery.accept(
        sequence,
        headerBytes + payload.length,
        (flags & flagBits.acknowledgeNow) !== 0,
      );
      if (verdict === 'new') this.#deliver(delivery, type, flags, typeId, stream, payload);
      else if (verdict === 'duplicate') this.#metrics.duplicatesDropped.add();
      else this.#owner.broken(connection, 'sequence', violation('a message is missing in the sequence'));
      return verdict !== 'gap';
    }
    if (type === frameTypes.ack) {
      if (!delivery.acknowledged(sequence)) {
        this.#owner.broken(connection, 'ack', violation('it acknowledges what was never sent'));
        return false;
      }
      this.#owner.progressed(delivery);
    } else if (type === frameTypes.ping) this.#owner.ping(connection.id, stream);
    else if (type === frameTypes.pong) this.#owner.pong(delivery, stream);
    else if (type === frameTypes.goaway) this.#owner.goaway(connection);
    else {
      this.#owner.broken(connection, 'out_of_place', violation('a handshake frame out of place'));
      return false;
    }
    return true;
  }

  #deliver(
    delivery: Delivery,
    type: FrameType,
    flags: number,
    typeId: number,
    stream: number,
    payload: Uint8Array,
  ): void {
    // VOID: its sender has given up the message that had this number.
    if (type === frameTypes.void) return;
    if (type === frameTypes.cancel) {
      this.#cancel(delivery, stream);
      return;
    }
    this.#metrics.messagesReceived.add();
    if (type === frameTypes.message) this.#message(delivery, flags, typeId, payload);
    else if (type === frameTypes.request) this.#request(delivery, flags, typeId, stream, payload);
    else this.#answer(delivery, type, stream, payload);
  }

  #cancel(delivery: Delivery, stream: number): void {
    const request = delivery.inbound.get(stream);
    if (request === undefined) return;
    request.live = false;
    delivery.inbound.delete(stream);
    request.onCancel?.();
  }

  #answer(delivery: Delivery, type: FrameType, stream: number, payload: Uint8Array): void {
    // Absent: it was aborted or ran out of time, which the peer could not know.
    const call = delivery.calls.get(stream);
    if (call === undefined || call.until !== 'answer') return;
    if (type === frameTypes.response) {
      this.#metrics.requestDuration.observe(this.#clock.nowMs() - call.startedMs);
      call.succeed(payload);
    } else {
      const { code, message } = decodeRemoteError(payload);
      call.fail(remoteError(delivery.peer, code, message));
    }
  }

  #message(delivery: Delivery, flags: number, typeId: number, payload: Uint8Array): void {
    const handler = this.#handlers.find(typeId, delivery.role);
    if (typeof handler === 'string') {
      this.#metrics.frameRejected(handler === 'TRANSPORT_UNKNOWN_TYPE' ? 'unknown_type' : 'not_authorized');
      return;
    }
    this.#run(handler, payload, this.#context(delivery, flags, typeId, null), (outcome) => {
      if (!outcome.ok) this.#handlerFailed(delivery, typeId, outcome.error);
    });
  }

  #request(delivery: Delivery, flags: number, typeId: number, stream: number, payload: Uint8Array): void {
    const answerFlags = flags & flagBits.priority;
    const refuse = (code: string, message: string, label: string): void => {
      this.#metrics.frameRejected(label);
      const body = encodeRemoteError({ code, message });
      this.#owner.reply(delivery, frameTypes.error, answerFlags, stream, body);
    };
    const handler = this.#handlers.find(typeId, delivery.role);
    if (handler === 'TRANSPORT_UNKNOWN_TYPE') {
      refuse(handler, `there is no handler for message type ${typeId}`, 'unknown_type');
      return;
    }
    if (handler === 'TRANSPORT_NOT_AUTHORIZED') {
      refuse(handler, `a ${delivery.role} may not send message type ${typeId}`, 'not_authorized');
      return;
    }
    if (delivery.inbound.size >= this.#inboundMax || delivery.inbound.has(stream)) {
      refuse(
        'TRANSPORT_OVERLOADED',
        `${delivery.inbound.size} requests are being handled already`,
        'overloaded',
      );
      return;
    }
    const request: InboundRequest = { stream, priority: priorityOf(flags), live: true, onCancel: null };
    delivery.inbound.set(stream, request);
    this.#run(handler, payload, this.#context(delivery, flags, typeId, request), (outcome) => {
      if (!outcome.ok) this.#handlerFailed(delivery, typeId, outcome.error);
      if (!request.live) return;
      request.live = false;
      delivery.inbound.delete(stream);
      if (outcome.ok) {
        this.#owner.reply(delivery, frameTypes.response, answerFlags, stream, outcome.value ?? empty);
      } else {
        const { code, message } = outcome.error;
        this.#owner.reply(
          delivery,
          frameTypes.error,
          answerFlags,
          stream,
          encodeRemoteError({ code, message }),
        );
      }
      this.#owner.progressed(delivery);
    });
  }

  #context(delivery: Delivery, flags: number, typeId: number, request: InboundRequest | null): EngineContext {
    return { from: delivery.peer, role: delivery.role, typeId, priority: priorityOf(flags), request };
  }

  #run(
    handler: EngineHandler,
    payload: Uint8Array,
    context: EngineContext,
    answer: Parameters<EngineHandler>[2],
  ): void {
    try {
      handler(payload, context, answer);
    } catch (error) {
      // A handler's exception belongs to its message alone.
      answer({ ok: false, error: handlerError(error) });
    }
  }

  #handlerFailed(delivery: Delivery, typeId: number, error: ClusterError): void {
    this.#metrics.handlerErrors.add();
    this.#logger.log('debug', 'a message handler failed', {
      peer: delivery.peer,
      typeId,
      error: describeError(error),
    });
  }
}

/** What a handler threw, with a code: its own, or a general one. */
export function handlerError(error: unknown): ClusterError {
  if (ClusterError.is(error)) return error;
  const code = (error as { code?: unknown } | null)?.code;
  return new ClusterError({
    code: typeof code === 'string' && code !== '' ? code : 'HANDLER_FAILED',
    fault: 'bug',
    message: describeError(error),
    advice: 'The handler of this message threw.',
    cause: error,
  });
}
