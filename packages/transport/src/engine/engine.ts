/**
 * The transport without promises: the control core behind a driver, the data plane of each peer, and the port for streams. This
 * is what the simulator runs. The service wraps it for people.
 *
 * A message costs one small object, one slot in a ring and its share of a block; machines hear only of changes of mode.
 */
import {
  type Address,
  type Done,
  Driver,
  type DuplexListener,
  type Logger,
  parseConfig,
  silentLogger,
} from '@cluster/core';
import {
  type TransportConfig,
  type TransportConfigInput,
  capabilitiesOf,
  limitsOf,
  transportConfigSchema,
} from '../config.ts';
import type { PeerLimits } from '../core/handshake.ts';
import { type Outgoing, type Priority, priorityIndex, type Waiter } from '../core/outgoing.ts';
import type { TransportEffect, TransportInput } from '../core/protocol.ts';
import { answersUnread, controlFlood } from '../core/refusal.ts';
import { TransportCore } from '../core/transport-core.ts';
import { aborted, bug, peerUnknown, transportClosed } from '../errors.ts';
import { TransportMetrics } from '../metrics.ts';
import type { TransportPorts } from '../ports.ts';
import { Bodies } from '../wire/bodies.ts';
import { flagBits, flagsOf, frameTypes, type FrameType } from '../wire/frame.ts';
import { withTrace } from '../wire/trace-context.ts';
import { fitAnswer } from './answers.ts';
import type { Call } from './call.ts';
import { type ChannelStatus, channelsOf } from './channels.ts';
import { BulkLines } from './bulk-lines.ts';
import { compressionOf } from './compression.ts';
import { Calls } from './calls.ts';
import { Connections, lingerMs } from './connections.ts';
import type { Delivery } from './delivery.ts';
import { Effects } from './effects.ts';
import { Flusher } from './flusher.ts';
import { type EngineHandler, type HandlerOptions, Handlers } from './handlers.ts';
import { PeerEvents } from './peer-events.ts';
import { Receiver } from './receiver.ts';
import { Routes } from './routes.ts';
import { Sessions } from './sessions.ts';
import { StreamHub } from './stream-hub.ts';
import type { CallOptions, LineEvent, PeerStatus } from './types.ts';

const empty = new Uint8Array(0);

export class TransportEngine {
  readonly config: TransportConfig;
  readonly metrics: TransportMetrics;
  /** What this node takes, as it tells its peers. */
  readonly limits: PeerLimits;
  readonly streams: StreamHub;
  readonly #ports: TransportPorts;
  readonly #logger: Logger;
  readonly #core: TransportCore;
  readonly #driver: Driver<TransportInput, TransportEffect>;
  readonly #sessions: Sessions;
  readonly #connections: Connections;
  readonly #effects: Effects;
  readonly #handlers: Handlers;
  readonly #calls: Calls;
  readonly #routes: Routes;
  readonly #peerEvents: PeerEvents;
  readonly #flusher: Flusher;
  readonly #bulk: BulkLines;
  #listener: DuplexListener | null = null;
  #closing: 'no' | 'draining' | 'closed' = 'no';
  readonly #whenClosed: (() => void)[] = [];

  /** @throws ClusterError `TRANSPORT_CONFIG_INVALID`. */
  constructor(config: TransportConfigInput, ports: TransportPorts) {
    this.config = parseConfig(transportConfigSchema, config, 'TRANSPORT_CONFIG_INVALID');
    this.limits = limitsOf(this.config);
    this.#ports = ports;
    this.#logger = ports.logger ?? silentLogger;
    this.#peerEvents = new PeerEvents(this.#logger);
    this.metrics = new TransportMetrics(ports.metrics);
    this.#handlers = new Handlers(this.config);
    this.#flusher = new Flusher(ports, this.metrics, this.config.retriesMax + 1, (delivery) =>
      this.#progressed(delivery),
    );
    const { shrink, expander } = compressionOf(this.config, ports.compressor, this.metrics);
    const bodies = new Bodies(ports.allocate);
    this.#sessions = new Sessions(this.config, this.metrics, shrink, bodies, ports.allocate);
    this.streams = new StreamHub(this.config, this.metrics, {
      dispatch: (input) => this.#driver.dispatch(input),
      enqueue: (...frame) => this.#enqueue(...frame),
      flooded: ({ connection }) => this.#connections.flooded(connection, 'control_flood', controlFlood),
      delivery: (peer) => this.#sessions.get(peer),
      route: (to, priority) => this.#routes.reach(to, priority),
      closing: () => this.#closing !== 'no',
      nowMs: () => ports.clock.nowMs(),
      progressed: (delivery) => this.#progressed(delivery),
    });
    this.#calls = new Calls(ports.clock, (call) => this.#withdraw(call));
    this.#core = new TransportCore({
      ...this.config,
      seed: ports.seed,
      bootId: ports.bootId,
      capabilities: capabilitiesOf(this.config),
      limits: this.limits,
      lingerMs,
      yieldTimeoutMs: 1000,
    });
    this.#driver = new Driver({
      node: this.config.nodeId,
      name: 'transport',
      core: this.#core,
      clock: ports.clock,
      execute: (effect) => this.#effects.execute(effect),
      onBug: (error) => this.#stopWithBug(error),
      tracer: ports.tracer,
    });
    this.#routes = new Routes(this.config, this.#core, this.#sessions, ports, {
      dispatch: (input) => this.#driver.dispatch(input),
      flush: (delivery) => this.#flusher.schedule(delivery),
      closing: () => this.#closing !== 'no',
      keyOf: (to, priority) => this.#bulk.keyOf(to, priority),
    });
    this.#bulk = new BulkLines(this.config, this.#sessions, ports.clock, this.metrics, {
      wake: (delivery) => this.#routes.wake(delivery),
      isShut: (key) => this.#core.isShut(key),
    });
    const receiver = new Receiver(
      {
        broken: (connection, label, refusal) => this.#connections.broken(connection, label, refusal),
        goaway: ({ id, delivery }, lastTaken) => {
          if (delivery !== null) {
            delivery.leaving = true;
            this.streams.goaway(delivery.peer, lastTaken);
          }
          this.#driver.dispatch({ type: 'GOAWAY', connection: id });
        },
        answer: (connection, ...frame) => this.#connections.answer(connection, ...frame),
        pong: (delivery, token) => {
          if (delivery.pings.delete(token)) delivery.calls.get(token)?.succeed(empty);
        },
        acknowledgeLater: (delivery) => this.#connections.acknowledgeLater(delivery),
        released: (delivery) => {
          if (delivery.queue.size > 0) this.#flusher.schedule(delivery);
        },
        stream: (delivery, type, flags, typeId, stream, payload) =>
          this.streams.frame(delivery, type, flags, typeId, stream, payload),
        reply: (delivery, type, flags, stream, bytes) => this.#reply(delivery, type, flags, stream, bytes),
        progressed: (delivery) => this.#progressed(delivery),
      },
      this.#handlers,
      expander,
      bodies,
      this.metrics,
      this.#logger,
      this.config,
    );
    this.#connections = new Connections(this.config, ports, bodies, this.metrics, this.#logger, {
      dispatch: (input) => this.#driver.dispatch(input),
      frame: (connection, delivery, type, flags, typeId, stream, sequence, payload) =>
        receiver.frame(connection, delivery, type, flags, typeId, stream, sequence, payload),
      flush: (delivery) => this.#flusher.schedule(delivery),
      acknowledge: (delivery) => this.#flusher.hurry(delivery),
      // Not at once: what the system takes as fast as it is given would leave no moment to read.
      drained: (delivery) => this.#flusher.schedule(delivery),
      lastStreams: (peer) => this.streams.lastTaken(peer),
      redial: (peer) => this.#routes.isListed(peer),
      isBusy: (delivery) => this.#isBusy(delivery),
      watched: () => {
        this.metrics.queueDepth.set(this.#sessions.queued());
        this.#bulk.remind();
        bodies.rest();
      },
    });
    this.#effects = new Effects(
      this.#sessions,
      this.#connections,
      this.#handlers,
      this.#peerEvents,
      this.streams,
      this.#bulk,
      this.metrics,
      {
        dispatch: (input) => this.#driver.dispatch(input),
        flush: (delivery) => this.#flusher.schedule(delivery),
        closing: () => this.#closing !== 'no',
        isBusy: (delivery) => this.#isBusy(delivery),
        stopped: () => this.#stop(),
      },
    );
  }

  start(done: Done<Address | null>): void {
    if (this.config.bind === null) done({ ok: true, value: null });
    else
      this.#connections.listen(this.config.bind, (outcome) => {
        if (outcome.ok) this.#listener = outcome.value;
        done(outcome.ok ? { ok: true, value: outcome.value.local } : outcome);
      });
  }

  handle(typeId: number, handler: EngineHandler, options: HandlerOptions = {}): void {
    this.#handlers.set(typeId, handler, options);
  }

  handles(typeId: number): boolean {
    return this.#handlers.has(typeId);
  }

  /** One way, in order, without completion. False = dropped. The bytes are copied at once. */
  post(
    to: string,
    typeId: number,
    bytes: Uint8Array,
    priority: Priority = 'Normal',
    traceparent?: string,
    compress = false,
  ): boolean {
    const traced = traceparent === undefined ? null : withTrace(traceparent, bytes);
    const body = traced ?? bytes;
    const flags = flagsOf(priorityIndex[priority], traced !== null, compress);
    const delivery = this.#routes.find(to, priorityIndex[priority]);
    if (delivery === null || !delivery.accepts(body.length) || body.length > delivery.messageBytesMax) {
      this.metrics.messagesDropped.add();
      return false;
    }
    this.#enqueue(delivery, frameTypes.message, flags, typeId, 0, body);
    return true;
  }

  /** A request, or a message whose arrival matters. `done` is called once, with the answer or an error. */
  call(
    to: string,
    typeId: number,
    bytes: Uint8Array,
    options: CallOptions,
    done: Done<Uint8Array>,
  ): Call | null {
    const { priority = 'Normal', timeoutMs = this.config.requestTimeoutMs, until = 'answer' } = options;
    const traced = options.traceparent === undefined ? null : withTrace(options.traceparent, bytes);
    const body = traced ?? bytes;
    const delivery = this.#routes.find(to, priorityIndex[priority]);
    const refused = this.#routes.refuse(to, priorityIndex[priority], delivery, body.length);
    if (refused !== null || delivery === null) {
      done({ ok: false, error: refused ?? peerUnknown(to) });
      return null;
    }
    const call = this.#calls.open(delivery, until, priorityIndex[priority], timeoutMs, done);
    const type = until === 'answer' ? frameTypes.request : frameTypes.message;
    const flags =
      flagsOf(priorityIndex[priority], traced !== null, options.compress === true) |
      (until === 'arrival' ? flagBits.acknowledgeNow : 0);
    call.outgoing = this.#enqueue(delivery, type, flags, typeId, call.stream, body, call);
    return call;
  }

  /** Round trip to a connected peer, in ms. Dials when there is no connection. */
  ping(to: string, timeoutMs: number, done: Done<number>): Call | null {
    const startedMs = this.#ports.clock.nowMs();
    const report: Done<Uint8Array> = (outcome) =>
      done(outcome.ok ? { ok: true, value: this.#ports.clock.nowMs() - startedMs } : outcome);
    const delivery = this.#routes.find(to, priorityIndex.Critical);
    const refused = this.#routes.refuse(to, priorityIndex.Critical, delivery, 0);
    if (refused !== null || delivery === null) {
      report({ ok: false, error: refused ?? peerUnknown(to) });
      return null;
    }
    const call = this.#calls.open(delivery, 'pong', priorityIndex.Critical, timeoutMs, report);
    delivery.pings.add(call.stream);
    this.#routes.wake(delivery);
    if (delivery.connection !== null) this.#connections.ping(delivery.connection.id, call.stream);
    return call;
  }

  /** Little waits for this peer, and it can be reached or may yet be. */
  isReady(to: string): boolean {
    return this.#routes.isReady(to);
  }

  /** `done` is called when there is room for more to it, or, with the reason, when it cannot be reached. @returns the way to stop. */
  ready(to: string, done: Done<void>, timeoutMs?: number): () => void {
    return this.#routes.whenReady(to, done, timeoutMs);
  }

  /** Takes a call back. What was sent already cannot be unsent; the peer's handler is told. */
  cancel(call: Call, error = aborted(call.delivery.node, call.sent)): void {
    if (call.settled) return;
    this.#withdraw(call);
    call.fail(error);
  }

  /** Follows every connection by another, before it is closed: certificates have been replaced. */
  readonly renew = (): void => this.#connections.watch.renewAll();

  onPeer(listener: (event: LineEvent) => void): () => void {
    return this.#peerEvents.subscribe(listener);
  }

  peers(): readonly PeerStatus[] {
    return this.#sessions.all().map((delivery) => ({
      ...delivery.status(),
      streams: this.streams.count(delivery.peer),
      pool: this.#core.entryState(delivery.peer),
      breaker: this.#core.breakerState(delivery.peer),
      session: this.#core.sessionState(delivery.peer),
    }));
  }

  /** What is known of each peer, its connection and its streams. */
  channels(): readonly ChannelStatus[] {
    return channelsOf(this.#sessions.all(), this.#connections, this.streams);
  }

  /** Tells the peers, lets handlers finish and acknowledgements arrive within `drainTimeoutMs`, then closes. Idempotent. */
  close(done: () => void): void {
    if (this.#closing === 'closed') done();
    else this.#whenClosed.push(done);
    if (this.#closing !== 'no') return;
    this.#closing = 'draining';
    this.#listener?.close();
    for (const delivery of this.#sessions.all()) {
      for (const call of delivery.calls.all()) call.close();
      delivery.wakeWaiting(transportClosed());
      if (delivery.connection === null) delivery.abandonQueued();
    }
    this.#driver.dispatch({ type: 'SHUTDOWN' });
    this.#flusher.flush();
    for (const delivery of this.#sessions.all()) this.#checkDrained(delivery);
  }

  #withdraw(call: Call): void {
    const { outgoing, delivery, stream } = call;
    delivery.pings.delete(stream);
    if (call.sent) {
      if (call.until === 'answer')
        this.#enqueue(delivery, frameTypes.cancel, call.priority, 0, stream, empty);
    } else if (outgoing !== null) delivery.queue.cancel(outgoing);
  }

  #enqueue(
    delivery: Delivery,
    type: FrameType,
    flags: number,
    typeId: number,
    stream: number,
    bytes: Uint8Array,
    waiter: Waiter | null = null,
  ): Outgoing {
    const item = delivery.enqueue(type, flags, typeId, stream, bytes, waiter);
    this.#bulk.queued(delivery, flags & flagBits.priority);
    this.#routes.wake(delivery);
    return item;
  }

  #reply(delivery: Delivery, type: FrameType, flags: number, stream: number, bytes: Uint8Array): void {
    const answer = fitAnswer(delivery, type, bytes);
    if (answer !== null) this.#enqueue(delivery, answer.type, flags, 0, stream, answer.bytes);
    else this.#connections.flooded(delivery.connection, 'backpressure', answersUnread);
  }

  #progressed(delivery: Delivery): void {
    delivery.wakeWaiting();
    this.streams.progressed(delivery);
    this.#bulk.progressed(delivery);
    if (this.#closing === 'draining') this.#checkDrained(delivery);
  }

  #isBusy(delivery: Delivery): boolean {
    return delivery.isBusy || this.streams.isBusy(delivery.peer);
  }

  /** A closing transport lets go of a peer as soon as nothing of it is under way. */
  #checkDrained(delivery: Delivery): void {
    const { connection } = delivery;
    if (this.#closing !== 'draining' || connection === null) return;
    if (delivery.inbound.size > 0 || this.streams.isBusy(delivery.peer)) return;
    if (delivery.queued === 0 && !delivery.owesAck)
      this.#driver.dispatch({ type: 'DRAINED', connection: connection.id });
  }

  #stop(): void {
    this.#closing = 'closed';
    this.streams.stop();
    this.#driver.stop();
    this.#calls.stop();
    this.#connections.close();
    for (const delivery of this.#sessions.all()) for (const call of delivery.calls.all()) call.close();
    for (const done of this.#whenClosed.splice(0)) done();
  }

  #stopWithBug(error: unknown): void {
    this.#logger.log('error', bug(error).line, { error });
    this.#listener?.close();
    this.#stop();
  }
}
