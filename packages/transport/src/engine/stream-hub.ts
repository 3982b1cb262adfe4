/** Opens, accepts and feeds the streams of all peers, and carries out what their machines decide. */
import type { TransportConfig } from '../config.ts';
import { type Priority, priorityIndex } from '../core/outgoing.ts';
import type { TransportEffect, TransportInput } from '../core/protocol.ts';
import { peerLeft, type Refusal, shutDown } from '../core/refusal.ts';
import { streamReset, tooManyStreams } from '../errors.ts';
import type { TransportMetrics } from '../metrics.ts';
import { flagBits, frameTypes, type FrameType } from '../wire/frame.ts';
import { decodeGrant } from '../wire/grant.ts';
import { decodeRemoteError } from '../wire/messages.ts';
import { readTrace, traceBytes, withTrace } from '../wire/trace-context.ts';
import { ByteStream, type StreamCarrier, type StreamHandlers } from './byte-stream.ts';
import { type Delivery, priorityOf } from './delivery.ts';
import type { HandlerOptions } from './handlers.ts';
import { PeerStreams } from './peer-streams.ts';
import { type StreamAcceptor, StreamGate } from './stream-gate.ts';
import { bySender, sideOf, StreamReplies, type StreamRepliesOwner } from './stream-replies.ts';

/** Streams to a peer there have been, how many of them are over, and how many of those were reset or lost before their end. */
export interface StreamCounts {
  readonly streamsOpened: number;
  readonly streamsClosed: number;
  readonly streamsBroken: number;
}

export interface StreamHubOwner extends StreamRepliesOwner {
  dispatch(input: TransportInput): void;
  delivery(peer: string): Delivery | undefined;
  /** @throws ClusterError when there is no way to it. */
  route(to: string, priority: number): Delivery;
  closing(): boolean;
  /** Something ended that a closing transport may have waited for. */
  progressed(delivery: Delivery): void;
}

const empty = new Uint8Array(0);
const silent: StreamHandlers = { onData: () => undefined, onEnd: () => undefined, onReset: () => undefined };

export class StreamHub implements StreamCarrier {
  readonly #config: TransportConfig;
  readonly #metrics: TransportMetrics;
  readonly #owner: StreamHubOwner;
  readonly #peers = new Map<string, PeerStreams>();
  readonly #byKey = new Map<string, ByteStream>();
  readonly #gate: StreamGate;
  readonly #replies: StreamReplies;

  constructor(config: TransportConfig, metrics: TransportMetrics, owner: StreamHubOwner) {
    this.#config = config;
    this.#metrics = metrics;
    this.#owner = owner;
    this.#gate = new StreamGate(config);
    this.#replies = new StreamReplies(config, owner);
  }

  handle(typeId: number, accept: StreamAcceptor, options: HandlerOptions = {}): void {
    this.#gate.set(typeId, accept, options);
  }

  handles(typeId: number): boolean {
    return this.#gate.has(typeId);
  }

  /** Streams to a peer, those included that are over and not read to the end, or with a handler at work. */
  count(peer: string): number {
    const streams = this.#peers.get(peer);
    return streams === undefined ? 0 : streams.size + streams.lingering.size;
  }

  counts(peer: string): StreamCounts {
    const { opened = 0, size = 0, broken = 0 } = this.#peers.get(peer) ?? {};
    return { streamsOpened: opened, streamsClosed: opened - size, streamsBroken: broken };
  }

  /** Those that are not over. */
  all(peer: string): readonly ByteStream[] {
    return this.#peers.get(peer)?.all() ?? [];
  }

  /** As who reads its streams has measured it; null: it has not. */
  roundTripMs(peer: string): number | null {
    return this.#peers.get(peer)?.windows.roundTripMs ?? null;
  }

  /** True while a stream to this peer is not over. */
  isBusy(peer: string): boolean {
    return (this.#peers.get(peer)?.size ?? 0) > 0;
  }

  /**
   * A stream of bytes each way, within the session: it survives reconnects, and ends when the session does.
   * @param traceparent goes with the opening; one that is not valid is left out.
   * @throws ClusterError when the peer is unknown, cannot be reached, is closing, or takes no more streams.
   */
  open(
    to: string,
    typeId: number,
    handlers: StreamHandlers,
    priority: Priority = 'Normal',
    traceparent?: string,
  ): ByteStream {
    const delivery = this.#owner.route(to, priorityIndex[priority]);
    const streams = this.#of(delivery.peer);
    const max = streams.limits?.streamsMax ?? this.#config.streamsMax;
    if (streams.ours.size >= max) throw tooManyStreams(delivery.node, max);
    const id = streams.nextId(priorityIndex[priority]);
    const { peer } = delivery;
    const stream = this.#add(
      streams,
      new ByteStream(
        { peer, id, ours: true, typeId, priority, traceparent, handlers },
        streams.windows,
        this.#owner.nowMs(),
        this,
      ),
    );
    const traced = traceparent === undefined ? null : withTrace(traceparent, empty);
    const flags = priorityIndex[priority] | (traced === null ? 0 : flagBits.traced);
    this.#owner.enqueue(delivery, frameTypes.open, flags, typeId, id, traced ?? empty);
    if (streams.limits !== null) stream.begins(streams.limits.streamBufferBytes);
    return stream;
  }

  /** A connection carries the session: what the peer takes is known. */
  attached({ peer, peerLimits }: Delivery): void {
    const streams = this.#peers.get(peer);
    streams?.windows.newPath();
    if (streams === undefined || streams.limits !== null) return;
    streams.limits = peerLimits;
    for (const stream of streams.ours.values()) stream.begins(peerLimits.streamBufferBytes);
  }

  /** What happened to it is over: the session, or the hope of one. */
  lost(peer: string, refusal: Refusal): void {
    const streams = this.#peers.get(peer);
    if (streams === undefined) return;
    const over = streams.all();
    // At once: a session may begin before their machines have heard of it, and nothing of theirs may go to that one.
    streams.restart();
    for (const stream of over) {
      stream.close();
      this.tell(stream, { type: 'LOST', refusal });
    }
  }

  /** Nothing of the peer is left, but perhaps handlers at work: coming again must not win it the places of others. */
  forget(peer: string): void {
    const streams = this.#peers.get(peer);
    if (streams === undefined || streams.lingering.size === 0) this.#peers.delete(peer);
    else streams.isForgotten = true;
  }

  /** The peer will take no stream after these. */
  goaway(peer: string, lastTaken: Uint8Array): void {
    const streams = this.#peers.get(peer);
    for (const stream of streams?.notTaken(lastTaken) ?? [])
      this.tell(stream, { type: 'LOST', refusal: peerLeft });
  }

  /** What is said with a goodbye: the last stream of the peer's that was taken, of each priority. */
  lastTaken(peer: string): Uint8Array {
    return this.#of(peer).lastTaken();
  }

  /** Nothing decides any more: whoever holds a stream is told. */
  stop(): void {
    const streams = [...this.#byKey.values()];
    this.#byKey.clear();
    for (const stream of streams) stream.lost(streamReset(stream.node, shutDown));
  }

  #broken({ peer }: ByteStream): void {
    const streams = this.#peers.get(peer);
    if (streams !== undefined) streams.broken++;
  }

  /** A frame of a stream. Null, or what about it breaks the protocol. */
  frame(
    delivery: Delivery,
    type: FrameType,
    flags: number,
    typeId: number,
    id: number,
    payload: Uint8Array,
  ): 'stream' | 'credit' | 'trace' | null {
    if (type === frameTypes.open) return this.#accept(delivery, flags, typeId, id, payload);
    const ours = typeId !== bySender;
    const streams = this.#peers.get(delivery.peer);
    const stream = streams?.get(ours, id);
    if (streams === undefined || stream === undefined)
      return streams?.isPast(ours, id) === true ? null : 'stream';
    if (stream.peerEnded && type !== frameTypes.window && type !== frameTypes.reset) return 'stream';
    if (type === frameTypes.data) {
      // One that moves nothing would cost its sender nothing.
      if (payload.length === 0) return 'stream';
      // By priority: when a stream is reset its sender has room again, and what it sends then may overtake the reset.
      if (streams.heldBy(id) + payload.length > this.#config.streamsBufferBytes) return 'credit';
      if (!stream.window.hasRoom(payload.length)) return 'credit';
      streams.addHeld(id, payload.length);
      stream.tally.received(1, payload.length, this.#owner.nowMs());
      stream.received(payload);
      return null;
    }
    if (type === frameTypes.window) return this.#credited(streams, stream, payload);
    if (type === frameTypes.end) {
      stream.peerEnded = true;
      this.tell(stream, { type: 'PEER_ENDED' });
    } else {
      const { code, message } = decodeRemoteError(payload);
      this.tell(stream, { type: 'PEER_RESET', refusal: { code, reason: message } });
    }
    return null;
  }

  /** What a stream's machine wants done. */
  execute({ stream: key, action }: Extract<TransportEffect, { type: 'stream' }>): void {
    const stream = this.#byKey.get(key);
    if (stream === undefined) return;
    const delivery = this.#owner.delivery(stream.peer);
    const streams = this.#peers.get(stream.peer);
    // Its machine may have been told to end it before it hears that the session is over: nobody knows it in the next.
    const session = streams?.get(stream.ours, stream.id) === stream ? delivery : undefined;
    switch (action.type) {
      case 'sendEnd':
        if (streams && session) this.#replies.end(session, streams, stream);
        return;
      case 'sendReset': {
        const { refusal } = action.params;
        this.#broken(stream);
        if (streams && session) this.#replies.reset(session, streams, stream, refusal);
        return;
      }
      case 'tellEnd':
        stream.notify((handlers) => handlers.onEnd());
        return;
      case 'tellReset':
        this.#broken(stream);
        stream.lost(streamReset(stream.node, action.params.refusal));
        return;
      case 'release':
        this.#release(stream);
        if (delivery !== undefined) this.#owner.progressed(delivery);
    }
  }

  // What its streams need of it.

  room(stream: ByteStream, bytes: number): number {
    const streams = this.#peers.get(stream.peer);
    const delivery = this.#owner.delivery(stream.peer);
    if (streams?.limits == null || delivery === undefined || !streams.hasTurn) return 0;
    const room = Math.min(bytes, streams.limits.streamsBufferBytes - streams.outstanding);
    if (room <= 0) {
      this.#metrics.windowStalls.add();
      return 0;
    }
    // In the queue it would stand before what comes after it, though of another stream: more waits here, where streams take turns.
    const priority = stream.id & 3;
    if (streams.queued.bytes(priority) < this.#config.readyBytes && delivery.accepts(room)) return room;
    streams.queued.wait(priority);
    return 0;
  }

  /** Something has left for the peer, or been acknowledged: what waited for that goes on. */
  progressed({ peer }: Delivery): void {
    const streams = this.#peers.get(peer);
    if (streams === undefined) return;
    streams.queued.settle();
    if (streams.queued.isAwaited) streams.unblock();
  }

  sendData(stream: ByteStream, bytes: Uint8Array): void {
    const streams = this.#peers.get(stream.peer);
    const delivery = this.#owner.delivery(stream.peer);
    if (streams === undefined || delivery === undefined) return;
    streams.sent(bytes.length);
    stream.tally.sent(1, bytes.length, this.#owner.nowMs());
    const flags = priorityIndex[stream.priority];
    const item = this.#owner.enqueue(delivery, frameTypes.data, flags, sideOf(stream), stream.id, bytes);
    streams.queued.add(flags, item, bytes.length);
  }

  consumed(stream: ByteStream): void {
    const streams = this.#of(stream.peer);
    const delivery = this.#owner.delivery(stream.peer);
    if (delivery === undefined) return;
    if (stream.window.isDue) this.#replies.grant(delivery, streams, stream);
    if (!streams.windows.isDue) return;
    for (const one of streams.all())
      if (one.window.unannounced > 0) this.#replies.grant(delivery, streams, one);
  }

  blocked(stream: ByteStream, hasCredit: boolean): void {
    const streams = this.#peers.get(stream.peer);
    if (hasCredit) streams?.blocked.add(stream);
    else if (streams?.limits != null) this.#metrics.windowStalls.add();
  }

  vacated(stream: ByteStream): void {
    const streams = this.#peers.get(stream.peer);
    if (streams?.lingering.delete(stream) !== true) return;
    streams.lingeringBytes -= stream.lingeringBytes;
    if (streams.isForgotten && streams.lingering.size === 0) this.#peers.delete(stream.peer);
  }

  tell(stream: ByteStream, event: Extract<TransportInput, { type: 'STREAM' }>['event']): void {
    this.#owner.dispatch({ type: 'STREAM', stream: stream.key, event });
  }

  #accept(
    delivery: Delivery,
    flags: number,
    typeId: number,
    id: number,
    payload: Uint8Array,
  ): 'stream' | 'trace' | null {
    const { peer } = delivery;
    const isTraced = (flags & flagBits.traced) !== 0;
    if (isTraced && payload.length < traceBytes) return 'trace';
    const traceparent = isTraced ? readTrace(payload) : undefined;
    const streams = this.#of(peer);
    if (id < 4 || (id & 3) !== (flags & 3) || streams.isPast(false, id)) return 'stream';
    streams.lastTheirs[id & 3] = id;
    const priority = priorityOf(flags);
    const nowMs = this.#owner.nowMs();
    const judged = this.#gate.judge(typeId, delivery, streams, this.#config, nowMs);
    const accept = this.#owner.closing() ? peerLeft : judged;
    const at = { peer, id, ours: false, typeId, priority, traceparent, handlers: silent };
    const stream = new ByteStream(at, streams.windows, nowMs, this);
    if (typeof accept !== 'function') {
      this.#metrics.streamRefused(accept.code);
      this.#replies.reset(delivery, streams, stream, accept);
      return null;
    }
    this.#add(streams, stream);
    if (streams.limits !== null) stream.begins(streams.limits.streamBufferBytes);
    try {
      stream.handlers = accept(stream);
    } catch {
      stream.reset('HANDLER_FAILED', 'its handler failed');
    }
    return null;
  }

  #credited(streams: PeerStreams, stream: ByteStream, payload: Uint8Array): 'credit' | null {
    const grant = decodeGrant(payload);
    if (grant === null || !stream.credited(grant.consumedBytes, grant.roomBytes)) return 'credit';
    streams.outstanding -= grant.consumedBytes;
    streams.blocked.add(stream);
    streams.unblock();
    return null;
  }

  #of(peer: string): PeerStreams {
    let streams = this.#peers.get(peer);
    if (streams === undefined) {
      streams = new PeerStreams(this.#config);
      const delivery = this.#owner.delivery(peer);
      if (delivery?.connection != null) streams.limits = delivery.peerLimits;
      this.#peers.set(peer, streams);
    }
    streams.isForgotten = false;
    return streams;
  }

  #add(streams: PeerStreams, stream: ByteStream): ByteStream {
    (stream.ours ? streams.ours : streams.theirs).set(stream.id, stream);
    this.#byKey.set(stream.key, stream);
    streams.opened++;
    this.#owner.dispatch({ type: 'STREAM', stream: stream.key, event: null });
    this.#metrics.streamsOpen.set(this.#byKey.size);
    return stream;
  }

  #release(stream: ByteStream): void {
    const streams = this.#peers.get(stream.peer);
    this.#byKey.delete(stream.key);
    this.#metrics.streamsOpen.set(this.#byKey.size);
    streams?.remove(stream);
    stream.close();
    streams?.unblock();
  }
}
