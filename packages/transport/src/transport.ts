/** The transport for people: the engine with promises, AbortSignals and asynchronous handlers. */
import { type Address, type Clock, ClusterError, type Done, type Outcome } from '@cluster/core';
import type { TransportConfigInput } from './config.ts';
import type { PeerRole } from './core/identity.ts';
import type { Priority } from './core/outgoing.ts';
import type { Call } from './engine/call.ts';
import type { ChannelStatus } from './engine/channels.ts';
import { TransportEngine } from './engine/engine.ts';
import type { HandlerOptions } from './engine/handlers.ts';
import type { EngineContext } from './engine/inbound.ts';
import type { ByteStream, StreamHandlers } from './engine/byte-stream.ts';
import type { PeerEvent, PeerStatus } from './engine/types.ts';
import { aborted, handlerError } from './errors.ts';
import type { TransportPorts } from './ports.ts';
import { type StreamContext, type StreamHandler, type StreamOptions, TransportStream } from './stream.ts';

export interface MessageContext {
  /** The sender: a node's id, or `client/<id>`. Answers and posts to it go over its own connection. */
  readonly from: string;
  readonly role: PeerRole;
  readonly typeId: number;
  readonly priority: Priority;
  /** Aborts when the caller has given up or its session is over; for one-way messages when the transport closes. */
  readonly signal: AbortSignal;
  /** W3C trace context, if the sender has given one. */
  readonly traceparent: string | undefined;
}

/**
 * Called in the order of arrival within a priority, without waiting for the last one to finish. What it returns is the answer;
 * what it throws goes to the caller as TRANSPORT_REMOTE_ERROR. `bytes` is a view into what was read: copy what you keep.
 * The answer is copied as soon as it is there.
 */
export type MessageHandler = (
  bytes: Uint8Array,
  context: MessageContext,
) => Uint8Array | void | Promise<Uint8Array | void>;

export interface SendOptions {
  readonly priority?: Priority | undefined;
  /** Default: `requestTimeoutMs` of the configuration. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** W3C trace context: the remote handler finds it in its context. One that is not valid is left out. */
  readonly traceparent?: string | undefined;
  /**
   * Compress it, if it is large and both sides have compression on. Default: no. Not where a stranger's text and a secret come
   * together in one message: how much it shrinks tells of the secret.
   */
  readonly compress?: boolean | undefined;
}

const noOptions: SendOptions = {};

export class Transport {
  readonly #engine: TransportEngine;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  #local: Address | null = null;

  /** Prefer `startTransport` of `@cluster/transport/node`. @throws ClusterError `TRANSPORT_CONFIG_INVALID`. */
  constructor(config: TransportConfigInput, ports: TransportPorts) {
    this.#engine = new TransportEngine(config, ports);
    this.#clock = ports.clock;
  }

  /** Listens, if there is an address to bind. */
  start(): Promise<this> {
    return promise((done) => {
      this.#engine.start((outcome) => {
        if (outcome.ok) this.#local = outcome.value;
        done(outcome.ok ? { ok: true, value: this } : outcome);
      });
    });
  }

  /** Where others reach this node. A transport that only dials has no address: host `''`, port 0. */
  get local(): Address {
    return this.#local ?? { host: '', port: 0 };
  }

  /** Sets the handler of a message type (1–65,535). @param options who may send it, and how often. */
  handle(typeId: number, handler: MessageHandler, options: HandlerOptions = {}): void {
    checkType(typeId, this.#engine.handles(typeId), options);
    let last: Context | null = null;
    const run = (bytes: Uint8Array, context: EngineContext, answer: Done<Uint8Array | undefined>): void => {
      // One-way messages share their context.
      if (last?.of !== context) last = new Context(context, this.#closing.signal);
      const result = handler(bytes, last);
      if (!isPromise(result)) {
        answer({ ok: true, value: result ?? undefined });
        return;
      }
      result.then(
        (value) => answer({ ok: true, value: value ?? undefined }),
        (error: unknown) => answer({ ok: false, error: handlerError(error) }),
      );
    };
    this.#engine.handle(typeId, run, options);
  }

  /** Resolves with the answer of the remote handler. The bytes are copied at once. @throws ClusterError; its `retry` says whether repeating is safe. */
  request(
    to: string,
    typeId: number,
    bytes: Uint8Array,
    options: SendOptions = noOptions,
  ): Promise<Uint8Array> {
    return this.#call(options, to, (done) => this.#engine.call(to, typeId, bytes, options, done));
  }

  /** Resolves when the remote handler has completed or, with `ack: 'received'`, when the message has arrived and no more: not when no handler takes it. */
  send(
    to: string,
    typeId: number,
    bytes: Uint8Array,
    options: SendOptions & { readonly ack?: 'handled' | 'received' } = {},
  ): Promise<void> {
    const { priority, timeoutMs, traceparent, compress } = options;
    const until = options.ack === 'received' ? 'arrival' : 'answer';
    // Not awaited: a function that waits keeps what it was given.
    return this.#call<Uint8Array>(options, to, (done) =>
      this.#engine.call(to, typeId, bytes, { priority, timeoutMs, traceparent, compress, until }, done),
    ).then(toNothing);
  }

  /**
   * One way, in order within its priority, without completion; dials when needed. False = dropped: the queue is full, the peer
   * unknown or unreachable. The bytes are copied at once, and are the caller's again.
   */
  post(
    to: string,
    typeId: number,
    bytes: Uint8Array,
    options: Pick<SendOptions, 'priority' | 'traceparent' | 'compress'> = noOptions,
  ): boolean {
    const { priority, traceparent, compress } = options;
    return this.#engine.post(to, typeId, bytes, priority, traceparent, compress);
  }

  /**
   * Whether little waits for this peer. A sender that stops at false and awaits `ready()` holds at most `readyBytes` and a message more;
   * `post` itself takes far more before it drops. False, too, of a peer that is unknown or cannot be reached.
   */
  isReady(to: string): boolean {
    return this.#engine.isReady(to);
  }

  /**
   * Resolves when what this turn has queued is written and little waits for this peer: `post` in a loop, with `await ready` now and then, goes as fast as
   * the peer takes it and holds little memory. @throws ClusterError when the peer is unknown or cannot be reached, or `timeoutMs`
   * (default: none) is over.
   */
  ready(
    to: string,
    { signal, timeoutMs }: Pick<SendOptions, 'signal' | 'timeoutMs'> = noOptions,
  ): Promise<void> {
    return promise((done) => {
      if (signal?.aborted === true) {
        done({ ok: false, error: aborted(to, false) });
        return;
      }
      let cancel = (): void => undefined;
      const onAbort = (): void => {
        cancel();
        done({ ok: false, error: aborted(to, false) });
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      const settle: Done<void> = (outcome) => {
        signal?.removeEventListener('abort', onAbort);
        done(outcome);
      };
      cancel = this.#engine.ready(to, settle, timeoutMs);
    });
  }

  /**
   * Opens a stream of bytes each way; the peer's handler of the type gets the other end. Dials when needed.
   * @throws ClusterError when the peer is unknown, unreachable or closing, or takes no more streams.
   */
  openStream(to: string, typeId: number, options: StreamOptions = noOptions): TransportStream {
    return new TransportStream(
      (handlers) => this.#engine.streams.open(to, typeId, handlers, options.priority, options.traceparent),
      this.#clock,
      options,
    );
  }

  /** Sets the handler of streams of a type (1-65,535), numbered apart from messages. @param options who may open them, and how often. */
  handleStream(typeId: number, handler: StreamHandler, options: HandlerOptions = {}): void {
    checkType(typeId, this.#engine.streams.handles(typeId), options);
    const accept = (of: ByteStream): StreamHandlers => {
      let heard: StreamHandlers | undefined;
      const stream = new TransportStream((handlers) => {
        heard = handlers;
        return of;
      }, this.#clock);
      const { node: from, priority, traceparent } = of;
      const context: StreamContext = {
        from,
        typeId,
        priority,
        traceparent,
        get signal() {
          return stream.signal;
        },
      };
      const failed = (error: unknown): void => {
        const { code, message } = handlerError(error);
        stream.reset(code, message);
      };
      of.attended();
      void (async () => handler(stream, context))()
        .catch(failed)
        .finally(() => of.released());
      return heard as StreamHandlers;
    };
    this.#engine.streams.handle(typeId, accept, options);
  }

  /** Round trip in ms. */
  ping(to: string, options: Pick<SendOptions, 'timeoutMs' | 'signal'> = {}): Promise<number> {
    const timeoutMs = options.timeoutMs ?? this.#engine.config.requestTimeoutMs;
    return this.#call(options, to, (done) => this.#engine.ping(to, timeoutMs, done));
  }

  /**
   * Hears when a peer's connection comes and goes: the one for control, by which it can be reached at once. Returns the way to stop
   * listening.
   */
  onPeer(listener: (event: PeerEvent) => void): () => void {
    return this.#engine.onPeer((event) => {
      if (event.line === 'control') listener(event);
    });
  }

  peers(): readonly PeerStatus[] {
    return this.#engine.peers();
  }

  /** What has gone to and from each peer, over its connection and its streams: opened, closed, frames, bytes, times, windows. */
  channels(): readonly ChannelStatus[] {
    return this.#engine.channels();
  }

  /**
   * Follows every connection to a node by another, and closes it when that carries its session: calls and streams go on there. A
   * client makes its own anew.
   */
  renew(): void {
    this.#engine.renew();
  }

  /** Says goodbye, lets handlers finish within `drainTimeoutMs`, closes everything. Idempotent. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#engine.close(resolve);
    });
    this.#closing.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #call<T>(
    { signal }: Pick<SendOptions, 'signal'>,
    to: string,
    start: (done: Done<T>) => Call | null,
  ): Promise<T> {
    if (signal === undefined) return promise(start);
    return promise((done) => {
      if (signal.aborted) done({ ok: false, error: aborted(to, false) });
      else this.#abortable(signal, start, done);
    });
  }

  #abortable<T>(signal: AbortSignal, start: (done: Done<T>) => Call | null, done: Done<T>): void {
    let call: Call | null = null;
    const onAbort = (): void => {
      if (call !== null) this.#engine.cancel(call);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    call = start((outcome) => {
      signal.removeEventListener('abort', onAbort);
      done(outcome);
    });
  }
}

const toNothing = (): void => undefined;

function checkType(typeId: number, isHandled: boolean, { limit }: HandlerOptions): void {
  if (!Number.isInteger(typeId) || typeId < 1 || typeId > 0xffff || isHandled) {
    throw new ClusterError({
      code: 'TRANSPORT_TYPE_INVALID',
      fault: 'caller',
      message: `The message type ${typeId} cannot be handled: it is not 1 to 65535, or has a handler already.`,
      advice: 'Give each message type one handler; 1-15 are raft, 16-63 the manager, 64 and up are free.',
    });
  }
  if (limit === undefined || (limit.perSecond > 0 && (limit.burst ?? 1) >= 1)) return;
  throw new ClusterError({
    code: 'TRANSPORT_CONFIG_INVALID',
    fault: 'caller',
    message: `The limit of message type ${typeId} lets nothing through.`,
    advice: 'Give perSecond above 0, and burst of at least 1.',
  });
}

const isPromise = <T>(value: T | Promise<T>): value is Promise<T> =>
  typeof (value as { then?: unknown } | null | undefined)?.then === 'function';

/** A controller is made only for handlers that ask for their signal. */
class Context implements MessageContext {
  readonly of: EngineContext;
  readonly #closing: AbortSignal;
  #signal: AbortSignal | null = null;

  constructor(context: EngineContext, closing: AbortSignal) {
    this.of = context;
    this.#closing = closing;
  }

  get from(): string {
    return this.of.from;
  }
  get role(): PeerRole {
    return this.of.role;
  }
  get typeId(): number {
    return this.of.typeId;
  }
  get priority(): Priority {
    return this.of.priority;
  }
  get traceparent(): string | undefined {
    return this.of.traceparent;
  }

  get signal(): AbortSignal {
    const { request } = this.of;
    if (request === null) return this.#closing;
    if (this.#signal === null) {
      const controller = new AbortController();
      // Answered or cancelled already: a handler that asks late learns it at once.
      if (request.live) request.onCancel = () => controller.abort();
      else controller.abort();
      this.#signal = controller.signal;
    }
    return this.#signal;
  }
}

function promise<T>(start: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => start(settling(resolve, reject)));
}

/** Made where `start` is out of sight: what waits for an answer must not keep what was sent. */
function settling<T>(resolve: (value: T) => void, reject: (error: unknown) => void): Done<T> {
  return (outcome: Outcome<T>) => {
    if (outcome.ok) resolve(outcome.value);
    else reject(outcome.error);
  };
}
