/** A stream for people: Web Streams in both directions, or an AsyncIterable to read from. */
import type { ClusterError } from '@cluster/core';
import type { Priority } from './core/outgoing.ts';
import type { ByteStream, StreamHandlers } from './engine/byte-stream.ts';
import { streamClosed } from './errors.ts';
import { Inbox } from './inbox.ts';

export interface StreamOptions {
  readonly priority?: Priority | undefined;
  /** Resets the stream when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /** W3C trace context: the peer's handler finds it in its context. One that is not valid is left out. */
  readonly traceparent?: string | undefined;
}

export interface StreamContext {
  readonly from: string;
  readonly typeId: number;
  readonly priority: Priority;
  /** W3C trace context, if who opened the stream has given one. */
  readonly traceparent: string | undefined;
}

/** Called for each stream that a peer opens. When it throws the stream is reset, with the code of what it threw. */
export type StreamHandler = (stream: TransportStream, context: StreamContext) => void | Promise<void>;

/** Bytes each way. It survives reconnects; when the session ends it fails with `TRANSPORT_SESSION_LOST`. */
export class TransportStream implements AsyncIterable<Uint8Array> {
  readonly #of: ByteStream;
  readonly #inbox = new Inbox();
  #ended = false;
  #error: ClusterError | null = null;
  #wakeReader: (() => void) | null = null;
  #drained: PromiseWithResolvers | null = null;
  #readable: ReadableStream<Uint8Array> | null = null;
  #writable: WritableStream<Uint8Array> | null = null;

  /** @param open makes the stream below, which tells these handlers what comes. */
  constructor(open: (handlers: StreamHandlers) => ByteStream, signal?: AbortSignal) {
    const onAbort = (): void => this.reset();
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
      },
      onDrain: () => {
        this.#drained?.resolve();
        this.#drained = null;
      },
      onGone: () => signal?.removeEventListener('abort', onAbort),
    });
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) this.reset();
  }

  get peer(): string {
    return this.#of.node;
  }

  /** Resolves when the peer has room for more. @throws ClusterError when the stream has ended or was reset. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#error !== null) throw this.#error;
    while (this.#drained !== null) await this.#drained.promise;
    if (this.#of.write(bytes.slice())) return;
    this.#drained ??= withResolvers();
    await this.#drained.promise;
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
  }

  /** The next bytes; null at the end. One reader at a time. @throws ClusterError when the stream was reset. */
  async read(): Promise<Uint8Array | null> {
    for (;;) {
      const bytes = this.#inbox.shift();
      if (bytes !== undefined) {
        this.#of.consume(bytes.length);
        return bytes;
      }
      if (this.#error !== null) throw this.#error;
      if (this.#ended) return null;
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
    }
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
