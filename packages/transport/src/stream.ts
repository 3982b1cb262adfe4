/** A stream for people: Web Streams in both directions, or an AsyncIterable to read from. */
import type { Clock, ClusterError, TimerHandle } from '@cluster/core';
import type { Priority } from './core/outgoing.ts';
import type { ByteStream, StreamHandlers } from './engine/byte-stream.ts';
import { streamAborted, streamClosed, streamTimedOut, waitAborted, waitTimedOut } from './errors.ts';
import { Inbox } from './inbox.ts';

export interface StreamOptions {
  readonly priority?: Priority | undefined;
  /** Resets the stream when it aborts: reads and writes fail with `TRANSPORT_ABORTED`. */
  readonly signal?: AbortSignal | undefined;
  /** Resets the stream when it is not over by then, all read: `TRANSPORT_TIMEOUT`. Default: it may take for ever. */
  readonly timeoutMs?: number | undefined;
  /** W3C trace context: the peer's handler finds it in its context. One that is not valid is left out. */
  readonly traceparent?: string | undefined;
}

/** How long one read or write waits. Where it gives up the stream goes on, and nothing is lost. */
export interface StreamWaitOptions {
  readonly signal?: AbortSignal | undefined;
  /** Default: no limit. */
  readonly timeoutMs?: number | undefined;
}

export interface StreamContext {
  readonly from: string;
  readonly typeId: number;
  readonly priority: Priority;
  /** Aborts when the stream is reset, by either side, or its session is over, or the transport closes: not when it has ended. */
  readonly signal: AbortSignal;
  /** W3C trace context, if who opened the stream has given one. */
  readonly traceparent: string | undefined;
}

const noOptions = {};

/** Called for each stream that a peer opens. When it throws the stream is reset, with the code of what it threw. */
export type StreamHandler = (stream: TransportStream, context: StreamContext) => void | Promise<void>;

/** Bytes each way. It survives reconnects; when the session ends it fails with `TRANSPORT_SESSION_LOST`. */
export class TransportStream implements AsyncIterable<Uint8Array> {
  readonly #of: ByteStream;
  readonly #clock: Clock;
  /** Made for who asks. */
  #broken: AbortController | null = null;
  #brokenBy: ClusterError | null = null;
  readonly #inbox = new Inbox();
  #ended = false;
  #error: ClusterError | null = null;
  #wakeReader: (() => void) | null = null;
  #drained: PromiseWithResolvers | null = null;
  #readable: ReadableStream<Uint8Array> | null = null;
  #writable: WritableStream<Uint8Array> | null = null;

  /** @param open makes the stream below, which tells these handlers what comes. */
  constructor(
    open: (handlers: StreamHandlers) => ByteStream,
    clock: Clock,
    { signal, timeoutMs }: StreamWaitOptions = noOptions,
  ) {
    this.#clock = clock;
    const onAbort = (): void => this.#giveUp(streamAborted(this.peer));
    let deadline: TimerHandle | null = null;
    this.#of = open({
      onData: (bytes) => {
        this.#inbox.push(bytes);
        this.#wake();
      },
      onEnd: () => {
        this.#ended = true;
        this.#wake();
      },
      onReset: (error) => {
        this.#error = error;
        this.#inbox.clear();
        this.#wake();
        this.#drained?.reject(error);
        this.#drained = null;
        this.#breaks(error);
      },
      onDrain: () => {
        this.#drained?.resolve();
        this.#drained = null;
      },
      onGone: () => {
        signal?.removeEventListener('abort', onAbort);
        deadline?.cancel();
      },
    });
    if (timeoutMs !== undefined)
      deadline = clock.setTimer(timeoutMs, () => {
        const error = streamTimedOut(this.peer, timeoutMs);
        this.#giveUp(error, error.code, `it was not over within ${timeoutMs} ms`);
      });
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) this.reset();
  }

  get peer(): string {
    return this.#of.node;
  }

  /** Aborts when the stream is gone without having ended. */
  get signal(): AbortSignal {
    this.#broken ??= new AbortController();
    if (this.#brokenBy !== null) this.#broken.abort(this.#brokenBy);
    return this.#broken.signal;
  }

  /**
   * Resolves when the peer has room for more. @throws ClusterError when the stream has ended or was reset; and when the wait is over
   * first, with `retry` `safe` where the bytes were not taken yet, `useless` where they were: then they go all the same.
   */
  async write(bytes: Uint8Array, options: StreamWaitOptions = noOptions): Promise<void> {
    if (this.#error !== null) throw this.#error;
    while (this.#drained !== null) await this.#within(this.#drained.promise, options);
    if (this.#of.write(bytes.slice())) return;
    this.#drained ??= withResolvers();
    await this.#within(this.#drained.promise, options, true);
  }

  /** Sends what waits, then the end. The peer may go on sending. */
  end(): void {
    this.#of.end();
  }

  /** Gives up both directions. */
  reset(code?: string, reason?: string): void {
    this.#inbox.clear();
    this.#of.reset(code, reason);
    this.#ended = true;
    this.#wake();
    this.#drained?.reject(this.#error ?? streamClosed(this.peer));
    this.#drained = null;
    this.#breaks(this.#error ?? streamClosed(this.peer));
  }

  #breaks(error: ClusterError): void {
    this.#brokenBy ??= error;
    this.#broken?.abort(this.#brokenBy);
  }

  #giveUp(error: ClusterError, ...said: [] | [code: string, reason: string]): void {
    this.#error ??= error;
    this.reset(...said);
  }

  /** The next bytes; null at the end. One reader at a time. @throws ClusterError when the stream was reset. */
  async read(options: StreamWaitOptions = noOptions): Promise<Uint8Array | null> {
    for (;;) {
      const bytes = this.#inbox.shift();
      if (bytes !== undefined) {
        this.#of.consume(bytes.length);
        return bytes;
      }
      if (this.#error !== null) throw this.#error;
      if (this.#ended) return null;
      const woken = new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
      await this.#within(woken, options);
    }
  }

  /** Until that has happened, or who waits has had enough. */
  #within(what: Promise<void>, { signal, timeoutMs }: StreamWaitOptions, isTaken = false): Promise<void> {
    if (signal === undefined && timeoutMs === undefined) return what;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => fail(waitAborted(this.peer, isTaken));
      const timer =
        timeoutMs === undefined
          ? null
          : this.#clock.setTimer(timeoutMs, () => fail(waitTimedOut(this.peer, timeoutMs, isTaken)));
      const stop = (): void => {
        timer?.cancel();
        signal?.removeEventListener('abort', onAbort);
      };
      const fail = (error: unknown): void => {
        stop();
        reject(error);
      };
      what.then(stop).then(resolve, fail);
      if (signal?.aborted === true) onAbort();
      else signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Leaving the loop early resets the stream. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    let done = false;
    try {
      for (let bytes = await this.read(); bytes !== null; bytes = await this.read()) yield bytes;
      done = true;
    } finally {
      if (!done && this.#error === null) this.reset();
    }
  }

  get readable(): ReadableStream<Uint8Array> {
    this.#readable ??= new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const bytes = await this.read();
          if (bytes === null) controller.close();
          else controller.enqueue(bytes);
        },
        cancel: () => this.reset(),
      },
      // Nothing is taken before somebody reads: what waits is bounded by the stream's own buffer.
      { highWaterMark: 0 },
    );
    return this.#readable;
  }

  get writable(): WritableStream<Uint8Array> {
    this.#writable ??= new WritableStream<Uint8Array>({
      write: (bytes) => this.write(bytes),
      close: () => this.end(),
      abort: () => this.reset(),
    });
    return this.#writable;
  }

  #wake(): void {
    this.#wakeReader?.();
    this.#wakeReader = null;
  }
}

interface PromiseWithResolvers {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

function withResolvers(): PromiseWithResolvers {
  let resolve!: () => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
