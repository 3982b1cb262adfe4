/** Opens, accepts and feeds the streams of all peers, and carries out what their machines decide. */
import type { TransportConfig } from '../config.ts';
import { type Priority, priorityIndex, type Waiter } from '../core/outgoing.ts';
import type { TransportEffect, TransportInput } from '../core/protocol.ts';
import { peerLeft, type Refusal, shutDown } from '../core/refusal.ts';
import { streamReset, tooManyStreams } from '../errors.ts';
import type { TransportMetrics } from '../metrics.ts';
import { flagBits, frameTypes, type FrameType } from '../wire/frame.ts';
import { decodeRemoteError, encodeRemoteError } from '../wire/messages.ts';
import { readTrace, traceBytes, withTrace } from '../wire/trace-context.ts';
import { ByteStream, type StreamCarrier, type StreamHandlers } from './byte-stream.ts';
import { type Delivery, priorityOf } from './delivery.ts';
import type { HandlerOptions } from './handlers.ts';
import { PeerStreams } from './peer-streams.ts';
import { type StreamAcceptor, StreamGate } from './stream-gate.ts';

export interface StreamHubOwner {
  dispatch(input: TransportInput): void;
  enqueue(
    delivery: Delivery,
    type: FrameType,
    flags: number,
    typeId: number,
    stream: number,
    bytes: Uint8Array,
    waiter?: Waiter,
  ): void;
  /** The peer makes more frames necessary than it takes. */
  flooded(delivery: Delivery): void;
  delivery(peer: string): Delivery | undefined;
  /** @throws ClusterError when there is no way to it. */
  route(to: string, priority: number): Delivery;
  closing(): boolean;
  nowMs(): number;
  /** Something ended that a closing transport may have waited for. */
  progressed(delivery: Delivery): void;
}

/** In the type field of a frame: who sends it has opened the stream. */
const bySender = 1;
/** Of one stream, an honest peer may leave so many unacknowledged: room twice, the end or the reset, and one of the next in its place. */
const framesOfStream = 4;
const empty = new Uint8Array(0);
const silent: StreamHandlers = { onData: () => undefined, onEnd: () => undefined, onReset: () => undefined };

export class StreamHub implements StreamCarrier {
  readonly #config: TransportConfig;
  readonly #metrics: TransportMetrics;
  readonly #owner: StreamHubOwner;
  readonly #peers = new Map<string, PeerStreams>();
  readonly #byKey = new Map<string, ByteStream>();
  readonly #gate: StreamGate;

  constructor(config: TransportConfig, metrics: TransportMetrics, owner: StreamHubOwner) {
    this.#config = config;
    this.#metrics = metrics;
    this.#owner = owner;
    this.#gate = new StreamGate(config);
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

  /** How many there have been, and how many of them are over. */
  counts(peer: string): { readonly streamsOpened: number; readonly streamsClosed: number } {
    const { opened = 0, size = 0 } = this.#peers.get(peer) ?? {};
    return { streamsOpened: opened, streamsClosed: opened - size };
  }

  /** Those that are not over. */
  all(peer: string): readonly ByteStream[] {
    return this.#peers.get(peer)?.all() ?? [];
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
        this.#config.streamBufferBytes,
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
      const priority = id & 3;
      const held = (streams.held[priority] as number) + payload.length;
      // By priority: when a stream is reset its sender has room again, and what it sends then may overtake the reset.
      if (held > this.#config.streamsBufferBytes) return 'credit';
      if (!stream.hasRoom(payload.length)) return 'credit';
      streams.held[priority] = held;
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
    const delivery = stream === undefined ? undefined : this.#owner.delivery(stream.peer);
    if (stream === undefined) return;
    switch (action.type) {
      case 'sendEnd':
        if (delivery !== undefined) this.#answer(delivery, stream, frameTypes.end, empty);
        return;
      case 'sendReset': {
        const { code, reason } = action.params.refusal;
        const body = encodeRemoteError({ code, message: reason });
        if (delivery !== undefined) this.#answer(delivery, stream, frameTypes.reset, body);
        return;
      }
      case 'tellEnd':
        stream.notify((handlers) => handlers.onEnd());
        return;
      case 'tellReset':
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
    if (streams?.limits == null || delivery === undefined) return 0;
    const room = Math.min(bytes, streams.limits.streamsBufferBytes - streams.outstanding);
    if (room <= 0 || delivery.accepts(room)) return Math.max(0, room);
    if (!streams.isWaiting) {
      streams.isWaiting = true;
      delivery.waiting.add(() => {
        streams.isWaiting = false;
        this.#unblock(streams);
      });
    }
    return 0;
  }

  sendData(stream: ByteStream, bytes: Uint8Array): void {
    const streams = this.#peers.get(stream.peer);
    const delivery = this.#owner.delivery(stream.peer);
    if (streams === undefined || delivery === undefined) return;
    streams.outstanding += bytes.length;
    stream.tally.sent(1, bytes.length, this.#owner.nowMs());
    const side = stream.ours ? bySender : 0;
    this.#owner.enqueue(delivery, frameTypes.data, priorityIndex[stream.priority], side, stream.id, bytes);
  }

  /** In a lane of its own: what waits for the room that this gives must not stand in its way. */
  sendWindow(stream: ByteStream, bytes: number): void {
    const delivery = this.#owner.delivery(stream.peer);
    if (delivery === undefined) return;
    const streams = this.#of(stream.peer);
    streams.held[stream.id & 3] = (streams.held[stream.id & 3] as number) - bytes;
    const body = new Uint8Array(4);
    new DataView(body.buffer).setUint32(0, bytes);
    this.#say(delivery, 0, stream, frameTypes.window, body);
  }

  blocked(stream: ByteStream): void {
    this.#metrics.windowStalls.add();
    this.#peers.get(stream.peer)?.blocked.add(stream);
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
    const stream = new ByteStream(at, this.#config.streamBufferBytes, this);
    if (typeof accept !== 'function') {
      const { code, reason } = accept;
      this.#metrics.streamRefused(code);
      this.#answer(delivery, stream, frameTypes.reset, encodeRemoteError({ code, message: reason }));
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
    if (payload.length !== 4) return 'credit';
    const bytes = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
    if (!stream.credited(bytes)) return 'credit';
    streams.outstanding -= bytes;
    streams.blocked.add(stream);
    this.#unblock(streams);
    return null;
  }

  #unblock(streams: PeerStreams): void {
    const blocked = [...streams.blocked];
    streams.blocked.clear();
    for (const stream of blocked) stream.pump();
  }

  #of(peer: string): PeerStreams {
    let streams = this.#peers.get(peer);
    if (streams === undefined) {
      streams = new PeerStreams();
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
    if (streams === undefined) return;
    if (streams.get(stream.ours, stream.id) === stream) {
      (stream.ours ? streams.ours : streams.theirs).delete(stream.id);
      streams.outstanding -= stream.outstanding;
      streams.held[stream.id & 3] = (streams.held[stream.id & 3] as number) - stream.held;
    }
    streams.blocked.delete(stream);
    if (stream.lingers) {
      stream.lingeringBytes = stream.unread;
      streams.lingeringBytes += stream.unread;
      streams.lingering.add(stream);
    }
    stream.close();
    this.#unblock(streams);
  }

  /** An end or a reset: behind what the stream has sent before. */
  #answer(delivery: Delivery, stream: ByteStream, type: FrameType, bytes: Uint8Array): void {
    this.#say(delivery, priorityIndex[stream.priority], stream, type, bytes);
  }

  /** What the peer may have caused by nothing but frames of its own: more of it than an honest one could is a flood. */
  #say(delivery: Delivery, flags: number, stream: ByteStream, type: FrameType, bytes: Uint8Array): void {
    const { owed } = this.#of(stream.peer);
    const side = stream.ours ? bySender : 0;
    owed.size++;
    this.#owner.enqueue(delivery, type, flags, side, stream.id, bytes, owed);
    const { controlFramesMax, streamsMax } = this.#config;
    if (owed.size > controlFramesMax + framesOfStream * streamsMax) this.#owner.flooded(delivery);
  }
}
