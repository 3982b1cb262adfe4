/** What to do with each frame of an admitted connection. */
import { type ClusterError, describeError, type Logger } from '@cluster/core';
import type { TransportConfig } from '../config.ts';
import { passedOver } from '../core/assembly.ts';
import { messageOverheadBytes, type ReceiveCredit } from '../core/credit.ts';
import { priorityIndex } from '../core/outgoing.ts';
import type { Refusal } from '../core/refusal.ts';
import { handlerError, remoteError } from '../errors.ts';
import type { TransportMetrics } from '../metrics.ts';
import type { Bodies } from '../wire/bodies.ts';
import type { encodeFrame } from '../wire/frame.ts';
import { flagBits, frameTypes, type FrameType, headerBytes, isSequenced } from '../wire/frame.ts';
import { decodeRemoteError, encodeRemoteError, type RemoteError } from '../wire/messages.ts';
import { traceBytes } from '../wire/trace-context.ts';
import { doNotAddUp, type Fault, laneOf, overWindow, takeChunk, takeVoid } from './chunks.ts';
import { type Delivery, priorityOf } from './delivery.ts';
import type { Expander } from './compression.ts';
import type { EngineHandler, Handlers, Unhandled } from './handlers.ts';
import { bodyOf, Inbound } from './inbound.ts';
import { UnhandledMessages } from './unhandled.ts';
import type { WireConnection } from './wire-connection.ts';

export interface ReceiverOwner {
  /** The peer broke the protocol: `label` counts it, the refusal is said to the peer. */
  broken(connection: WireConnection, label: string, refusal: Refusal): void;
  /** @param lastTaken the last streams of ours that it has taken. */
  goaway(connection: WireConnection, lastTaken: Uint8Array): void;
  /** Writes a frame that the peer has made necessary, before anything that waits. */
  answer(connection: number, ...frame: Parameters<typeof encodeFrame>): void;
  pong(delivery: Delivery, token: number): void;
  /** Credit is owed: an announcement within the delay of acknowledgements will do. */
  acknowledgeLater(delivery: Delivery): void;
  /** The peer takes more. */
  released(delivery: Delivery): void;
  /** A frame of a stream. Null, or what about it breaks the protocol. */
  stream(
    delivery: Delivery,
    type: FrameType,
    flags: number,
    typeId: number,
    stream: number,
    payload: Uint8Array,
  ): string | null;
  /** Queues an answer. */
  reply(delivery: Delivery, type: FrameType, flags: number, stream: number, bytes: Uint8Array): void;
  /** Something happened that may let a closing transport finish. */
  progressed(delivery: Delivery): void;
}

const empty = new Uint8Array(0);
const noTrace: Fault = { label: 'trace', reason: 'a trace context that is not there' };
const unfitting = 'a frame that fits no stream, or no room of one';
const overloaded: Unhandled = { code: 'TRANSPORT_OVERLOADED', label: 'overloaded' };
const violation = (reason: string): Refusal => ({ code: 'TRANSPORT_PROTOCOL_ERROR', reason });

export class Receiver {
  readonly #owner: ReceiverOwner;
  readonly #handlers: Handlers;
  readonly #expander: Expander;
  readonly #bodies: Bodies;
  readonly #metrics: TransportMetrics;
  readonly #logger: Logger;
  readonly #unhandled: UnhandledMessages;
  readonly #messageBytesMax: number;

  constructor(
    owner: ReceiverOwner,
    handlers: Handlers,
    expander: Expander,
    bodies: Bodies,
    metrics: TransportMetrics,
    logger: Logger,
    { messageBytesMax }: Pick<TransportConfig, 'messageBytesMax'>,
  ) {
    this.#owner = owner;
    this.#handlers = handlers;
    this.#expander = expander;
    this.#bodies = bodies;
    this.#metrics = metrics;
    this.#logger = logger;
    this.#unhandled = new UnhandledMessages(metrics, logger);
    this.#messageBytesMax = messageBytesMax;
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
      if (verdict === 'new') return this.#deliver(connection, delivery, type, flags, typeId, stream, payload);
      if (verdict === 'duplicate') this.#metrics.duplicatesDropped.add();
      else this.#owner.broken(connection, 'sequence', violation('a message is missing in the sequence'));
      return verdict !== 'gap';
    }
    if (type === frameTypes.ack) {
      if (!delivery.acknowledged(sequence, connection.lastHeardMs)) {
        this.#owner.broken(connection, 'ack', violation('it acknowledges what was never sent'));
        return false;
      }
      if (delivery.mayGoOn) {
        this.#metrics.inFlightStalls.add();
        this.#owner.released(delivery);
      }
      this.#owner.progressed(delivery);
    } else if (type === frameTypes.credit) {
      if (!delivery.credited(flags & flagBits.priority, sequence)) {
        this.#owner.broken(connection, 'credit', violation('it has consumed what was never sent'));
        return false;
      }
      this.#owner.released(delivery);
    } else if (type === frameTypes.ping) {
      // Without a token it only asks whether we live.
      if (stream !== 0) delivery.pinged++;
      this.#owner.answer(connection.id, frameTypes.pong, undefined, stream);
    } else if (type === frameTypes.pong) this.#owner.pong(delivery, stream);
    else if (type === frameTypes.goaway) this.#owner.goaway(connection, payload);
    else if (type === frameTypes.unhandled)
      this.#unhandled.heard(delivery, typeId, stream, payload, connection.lastHeardMs);
    else {
      this.#owner.broken(connection, 'out_of_place', violation('a handshake frame out of place'));
      return false;
    }
    return true;
  }

  /** A frame that is new. False when it breaks the protocol. */
  #deliver(
    connection: WireConnection,
    delivery: Delivery,
    type: FrameType,
    flags: number,
    typeId: number,
    stream: number,
    payload: Uint8Array,
  ): boolean {
    if (type === frameTypes.chunk) {
      const fault = takeChunk(delivery, flags, typeId, stream, payload, this.#messageBytesMax);
      return fault === null || this.#violated(connection, fault);
    }
    if (type === frameTypes.void) {
      const fault = takeVoid(delivery, flags, typeId, stream);
      return fault === null || this.#violated(connection, fault);
    }
    if (type === frameTypes.cancel) {
      this.#cancel(delivery, stream);
      return true;
    }
    if (type >= frameTypes.open) {
      const kept = type === frameTypes.data ? connection.keep(payload) : payload;
      const label = this.#owner.stream(delivery, type, flags, typeId, stream, kept);
      if (label === null) return true;
      return this.#violated(connection, label === 'trace' ? noTrace : { label, reason: unfitting });
    }
    const isMessage = type === frameTypes.message || type === frameTypes.request;
    const isCompressed = (flags & flagBits.compressed) !== 0;
    const priority = flags & flagBits.priority;
    let whole = payload;
    if ((flags & flagBits.completes) !== 0) {
      const finished = delivery.assembly.finish(laneOf(flags, !isMessage), payload);
      if (finished === null) return this.#violated(connection, doNotAddUp);
      if (finished === passedOver) return true;
      whole = finished;
    } else if (
      isMessage &&
      !isCompressed &&
      !delivery.receiveCredit.charge(priority, messageOverheadBytes + payload.length)
    ) {
      return this.#violated(connection, overWindow);
    }
    if (isCompressed) {
      // An answer that nobody waits for is not worth the time it takes.
      if (!isMessage && delivery.compresses && delivery.calls.get(stream) === undefined) return true;
      const expanded = this.#expander.expand(delivery, flags, whole, isMessage);
      if ('refusal' in expanded) {
        this.#owner.broken(connection, expanded.label, expanded.refusal);
        return false;
      }
      whole = expanded;
    }
    if ((flags & flagBits.traced) !== 0 && (!isMessage || whole.length < traceBytes))
      return this.#violated(connection, noTrace);
    this.#metrics.messagesReceived.add();
    if (type === frameTypes.message) this.#message(connection, delivery, flags, typeId, stream, whole);
    else if (type === frameTypes.request) this.#request(connection, delivery, flags, typeId, stream, whole);
    else this.#answer(connection, delivery, type, stream, whole);
    return true;
  }

  #violated(connection: WireConnection, { label, reason }: Fault): false {
    this.#owner.broken(connection, label, violation(reason));
    return false;
  }

  #cancel(delivery: Delivery, stream: number): void {
    const request = delivery.inbound.get(stream);
    if (request?.live !== true) return;
    // It keeps its place until its handler has finished: opening and resetting in a loop must not start ever more of them.
    request.live = false;
    request.onCancel?.();
  }

  #answer(
    connection: WireConnection,
    delivery: Delivery,
    type: FrameType,
    stream: number,
    payload: Uint8Array,
  ): void {
    // Absent: it was aborted or ran out of time, which the peer could not know.
    const call = delivery.calls.get(stream);
    if (call === undefined || call.until !== 'answer') return;
    if (type === frameTypes.response) {
      this.#metrics.requestDuration.observe(connection.lastHeardMs - call.startedMs);
      call.succeed(connection.keep(payload));
    } else {
      const { code, message } = decodeRemoteError(payload);
      call.fail(remoteError(delivery.node, code, message));
    }
  }

  #message(
    connection: WireConnection,
    delivery: Delivery,
    flags: number,
    typeId: number,
    stream: number,
    payload: Uint8Array,
  ): void {
    const found = this.#handlers.find(typeId, delivery, connection.lastHeardMs);
    const cost = messageOverheadBytes + payload.length;
    const handler = delivery.workload.takesMessage(cost) ? found : overloaded;
    if (typeof handler !== 'function') {
      delivery.receiveCredit.consume(flags & flagBits.priority, cost);
      const body = encodeRemoteError(this.#refusalOf(delivery, typeId, handler));
      // Before the acknowledgement, which would end the call.
      this.#owner.answer(connection.id, frameTypes.unhandled, body, stream, delivery.received, typeId);
      return;
    }
    const inbound = this.#oneWay(delivery, flags, typeId);
    inbound.cost = cost;
    const isLent = this.#handlers.lends(typeId);
    const body = isLent ? payload : connection.keep(payload);
    this.#run(handler, bodyOf(body, flags, inbound), inbound, inbound.answer);
    if (isLent) this.#bodies.give(payload);
    if (inbound.cost === 0) return;
    // It is still at work: the object is this message's alone from now on.
    delivery.lastOneWay = null;
    delivery.workload.begin(inbound);
  }

  /** The handler has finished: the peer may send as much again. */
  #consumed(delivery: Delivery, credit: ReceiveCredit, inbound: Inbound): void {
    if (inbound.cost === 0) return;
    delivery.workload.end(inbound);
    credit.consume(priorityIndex[inbound.priority], inbound.cost);
    inbound.cost = 0;
    if (delivery.connection !== null && credit === delivery.receiveCredit)
      this.#owner.acknowledgeLater(delivery);
  }

  /** One-way messages of a kind share what is said about them: nothing in it is of one message alone. */
  #oneWay(delivery: Delivery, flags: number, typeId: number): Inbound {
    const last = delivery.lastOneWay;
    const priority = priorityOf(flags);
    const isTraced = (flags & flagBits.traced) !== 0;
    if (
      last !== null &&
      last.typeId === typeId &&
      last.priority === priority &&
      last.role === delivery.role &&
      !isTraced
    )
      return last;
    const { receiveCredit } = delivery;
    const inbound = new Inbound(delivery, typeId, priority, 0, false, (from, outcome) => {
      this.#consumed(delivery, receiveCredit, from);
      if (!outcome.ok) this.#handlerFailed(delivery, typeId, outcome.error);
    });
    if (!isTraced) delivery.lastOneWay = inbound;
    return inbound;
  }

  #request(
    connection: WireConnection,
    delivery: Delivery,
    flags: number,
    typeId: number,
    stream: number,
    payload: Uint8Array,
  ): void {
    const handler = this.#handlers.find(typeId, delivery, connection.lastHeardMs);
    const { inbound, receiveCredit, workload, served } = delivery;
    const cost = messageOverheadBytes + payload.length;
    served.received++;
    if (typeof handler !== 'function' || !workload.takesRequest(cost) || inbound.has(stream)) {
      receiveCredit.consume(flags & flagBits.priority, cost);
      const why = typeof handler === 'function' ? overloaded : handler;
      served.failed++;
      const body = encodeRemoteError(this.#refusalOf(delivery, typeId, why));
      this.#owner.reply(delivery, frameTypes.error, flags & flagBits.priority, stream, body);
      return;
    }
    const request = new Inbound(delivery, typeId, priorityOf(flags), stream, true, (from, outcome) => {
      this.#consumed(delivery, receiveCredit, from);
      if (outcome.ok) served.succeeded++;
      else served.failed++;
      this.#answered(delivery, from, flags, outcome);
    });
    request.cost = cost;
    const isLent = this.#handlers.lends(typeId);
    const body = isLent ? payload : connection.keep(payload);
    this.#run(handler, bodyOf(body, flags, request), request, request.answer);
    if (isLent) this.#bodies.give(payload);
    // Most handlers have answered by now, and nobody needs to find the request again.
    if (request.cost === 0) return;
    workload.begin(request);
    if (request.live) inbound.set(stream, request);
  }

  #answered(
    delivery: Delivery,
    request: Inbound,
    flags: number,
    outcome: Parameters<Parameters<EngineHandler>[2]>[0],
  ): void {
    if (!outcome.ok) this.#handlerFailed(delivery, request.typeId, outcome.error);
    if (delivery.inbound.get(request.stream) === request) delivery.inbound.delete(request.stream);
    if (!request.live) {
      this.#owner.progressed(delivery);
      return;
    }
    request.live = false;
    const isCompressed = this.#handlers.compresses(request.typeId);
    const answerFlags = (flags & flagBits.priority) | (isCompressed ? flagBits.compressed : 0);
    if (outcome.ok) {
      this.#owner.reply(delivery, frameTypes.response, answerFlags, request.stream, outcome.value ?? empty);
    } else {
      const { code, message } = outcome.error;
      const body = encodeRemoteError({ code, message });
      this.#owner.reply(delivery, frameTypes.error, answerFlags, request.stream, body);
    }
    this.#owner.progressed(delivery);
  }

  /** No handler hears of it: it is counted, and answered with this. */
  #refusalOf({ role, node }: Delivery, typeId: number, { code, label }: Unhandled): RemoteError {
    this.#metrics.frameRejected(label);
    const why = label.replaceAll('_', ' ');
    return { code, message: `message type ${typeId} of ${role} ${node} was not handled: ${why}` };
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
      peer: delivery.node,
      typeId,
      error: describeError(error),
    });
  }
}
