/**
 * A bounded stream of events for people: every subscriber is an AsyncIterable with a queue of its own.
 *
 * A slow reader never holds up the protocol: when its queue is full the oldest event is dropped and counted, and the reader
 * meets one `onOverflow` event in the place of all that were lost.
 */
export interface EventHubOptions<T> {
  /** Events queued per subscriber. Default 1,024. */
  readonly capacity?: number;
  /** What a reader that was too slow gets in place of `dropped` events. */
  readonly onOverflow: (dropped: number) => T;
}

interface Subscriber<T> {
  readonly queue: T[];
  dropped: number;
  wake: (() => void) | null;
  closed: boolean;
}

export class EventHub<T> {
  readonly #capacity: number;
  readonly #onOverflow: (dropped: number) => T;
  readonly #subscribers = new Set<Subscriber<T>>();
  #closed = false;

  constructor(options: EventHubOptions<T>) {
    this.#capacity = options.capacity ?? 1024;
    this.#onOverflow = options.onOverflow;
  }

  publish(event: T): void {
    for (const subscriber of this.#subscribers) {
      if (subscriber.queue.length >= this.#capacity) {
        subscriber.queue.shift();
        subscriber.dropped++;
      }
      subscriber.queue.push(event);
      subscriber.wake?.();
    }
  }

  /** From now on, until `signal` aborts, the hub closes, or the reader leaves its loop. Subscribes at once, not at the first read. */
  subscribe(options: { readonly signal?: AbortSignal | undefined } = {}): AsyncIterableIterator<T> {
    const subscriber: Subscriber<T> = { queue: [], dropped: 0, wake: null, closed: this.#closed };
    const end = (): void => {
      subscriber.closed = true;
      this.#subscribers.delete(subscriber);
      subscriber.wake?.();
    };
    if (options.signal?.aborted) subscriber.closed = true;
    if (!subscriber.closed) this.#subscribers.add(subscriber);
    options.signal?.addEventListener('abort', end, { once: true });
    const onOverflow = this.#onOverflow;
    const read = async (): Promise<IteratorResult<T>> => {
      while (subscriber.queue.length === 0 && !subscriber.closed) {
        await new Promise<void>((resolve) => {
          subscriber.wake = resolve;
        });
        subscriber.wake = null;
      }
      if (subscriber.dropped > 0) {
        const dropped = subscriber.dropped;
        subscriber.dropped = 0;
        return { done: false, value: onOverflow(dropped) };
      }
      const value = subscriber.queue.shift();
      return value === undefined ? { done: true, value: undefined } : { done: false, value };
    };
    return {
      next: read,
      return: async () => {
        end();
        subscriber.queue.length = 0;
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /** Lets readers finish what is queued, then ends them. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const subscriber of this.#subscribers) {
      subscriber.closed = true;
      subscriber.wake?.();
    }
    this.#subscribers.clear();
  }
}
