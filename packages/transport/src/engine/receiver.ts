/** What to do with each frame of an admitted connection. */
import { ClusterError, describeError, type Logger } from '@cluster/core';
import type { Refusal } from '../core/refusal.ts';
import { remoteError } from '../errors.ts';
import type { TransportMetrics } from '../metrics.ts';
import { flagBits, frameTypes, type FrameType, headerBytes, isSequenced } from '../wire/frame.ts';
import { decodeRemoteError, encodeRemoteError } from '../wire/messages.ts';
import { type Delivery, priorityOf } from './delivery.ts';
import type { EngineHandler, Handlers } from './handlers.ts';
import { Inbound } from './inbound.ts';
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
  readonly #inboundMax: number;

  constructor(
    owner: ReceiverOwner,
    handlers: Handlers,
    metrics: TransportMetrics,
    logger: Logger,
    inboundMax: number,
  ) {
    this.#owner = owner;
    this.#handlers = handlers;
    this.#metrics = metrics;
    this.#logger = logger;
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
      if (verdict === 'new') this.#deliver(connection, delivery, type, flags, typeId, stream, payload);
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
    { lastHeardMs }: WireConnection,
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
    else this.#answer(delivery, type, stream, payload, lastHeardMs);
  }

  #cancel(delivery: Delivery, stream: number): void {
    const request = delivery.inbound.get(stream);
    if (request === undefined) return;
    request.live = false;
    delivery.inbound.delete(stream);
    request.onCancel?.();
  }

  #answer(delivery: Delivery, type: FrameType, stream: number, payload: Uint8Array, nowMs: number): void {
    // Absent: it was aborted or ran out of time, which the peer could not know.
    const call = delivery.calls.get(stream);
    if (call === undefined || call.until !== 'answer') return;
    if (type === frameTypes.response) {
      this.#metrics.requestDuration.observe(nowMs - call.startedMs);
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
    const inbound = this.#oneWay(delivery, flags, typeId);
    this.#run(handler, payload, inbound, inbound.answer);
  }

  /** One-way messages of a kind share what is said about them: nothing in it is of one message alone. */
  #oneWay(delivery: Delivery, flags: number, typeId: number): Inbound {
    const last = delivery.lastOneWay;
    const priority = priorityOf(flags);
    if (last !== null && last.typeId === typeId && last.priority === priority && last.role === delivery.role)
      return last;
    const inbound = new Inbound(
      delivery.peer,
      delivery.role,
      typeId,
      priority,
      0,
      false,
      (_from, outcome) => {
        if (!outcome.ok) this.#handlerFailed(delivery, typeId, outcome.error);
      },
    );
    delivery.lastOneWay = inbound;
    return inbound;
  }

  #request(delivery: Delivery, flags: number, typeId: number, stream: number, payload: Uint8Array): void {
    const handler = this.#handlers.find(typeId, delivery.role);
    if (typeof handler === 'string') {
      const unknown = handler === 'TRANSPORT_UNKNOWN_TYPE';
      this.#refuse(
        delivery,
        flags,
        stream,
        handler,
        unknown
          ? `there is no handler for message type ${typeId}`
          : `a ${delivery.role} may not send message type ${typeId}`,
        unknown ? 'unknown_type' : 'not_authorized',
      );
      return;
    }
    const { inbound } = delivery;
    if (inbound.size >= this.#inboundMax || inbound.has(stream)) {
      const message = `${inbound.size} requests are being handled already`;
      this.#refuse(delivery, flags, stream, 'TRANSPORT_OVERLOADED', message, 'overloaded');
      return;
    }
    const request = new Inbound(
      delivery.peer,
      delivery.role,
      typeId,
      priorityOf(flags),
      stream,
      true,
      (from, outcome) => this.#answered(delivery, from, flags, outcome),
    );
    this.#run(handler, payload, request, request.answer);
    // Most handlers have answered by now, and nobody needs to find the request again.
    if (request.live) inbound.set(stream, request);
  }

  #answered(
    delivery: Delivery,
    request: Inbound,
    flags: number,
    outcome: Parameters<Parameters<EngineHandler>[2]>[0],
  ): void {
    if (!outcome.ok) this.#handlerFailed(delivery, request.typeId, outcome.error);
    if (!request.live) return;
    request.live = false;
    delivery.inbound.delete(request.stream);
    const answerFlags = flags & flagBits.priority;
    if (outcome.ok) {
      this.#owner.reply(delivery, frameTypes.response, answerFlags, request.stream, outcome.value ?? empty);
    } else {
      const { code, message } = outcome.error;
      const body = encodeRemoteError({ code, message });
      this.#owner.reply(delivery, frameTypes.error, answerFlags, request.stream, body);
    }
    this.#owner.progressed(delivery);
  }

  #refuse(
    delivery: Delivery,
    flags: number,
    stream: number,
    code: string,
    message: string,
    label: string,
  ): void {
    this.#metrics.frameRejected(label);
    const body = encodeRemoteError({ code, message });
    this.#owner.reply(delivery, frameTypes.error, flags & flagBits.priority, stream, body);
  }

  #run(
    handler: EngineHandler,
    payload: Uint8Array,
    context: Inbound,
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
