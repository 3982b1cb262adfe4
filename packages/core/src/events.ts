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
  /** Reads that wait for an event, in their order. */
  readonly readers: ((result: IteratorResult<T>) => void)[];
  dropped: number;
  closed: boolean;
  /** Takes the abort listener off its signal. */
  forget(): void;
}

const ended = { done: true, value: undefined } as const;

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
      const reader = subscriber.readers.shift();
      if (reader) {
        reader({ done: false, value: event });
        continue;
      }
      if (subscriber.queue.length >= this.#capacity) {
        subscriber.queue.shift();
        subscriber.dropped++;
      }
      subscriber.queue.push(event);
    }
  }

  /**
   * From now on, until `signal` aborts, the hub closes, or the reader leaves its loop. Subscribes at once, not at the first
   * read. What is queued is still read after the hub has closed, and dropped after an abort.
   */
  subscribe(options: { readonly signal?: AbortSignal | undefined } = {}): AsyncIterableIterator<T> {
    const { signal } = options;
    const leave = (): void => {
      subscriber.queue.length = 0;
      subscriber.dropped = 0;
      this.#subscribers.delete(subscriber);
      this.#end(subscriber);
    };
    const subscriber: Subscriber<T> = {
      queue: [],
      readers: [],
      dropped: 0,
      closed: this.#closed,
      forget: () => signal?.removeEventListener('abort', leave),
    };
    if (signal?.aborted) subscriber.closed = true;
    if (!subscriber.closed) {
      this.#subscribers.add(subscriber);
      signal?.addEventListener('abort', leave, { once: true });
    }
    const take = (): IteratorResult<T> | null => {
      if (subscriber.dropped > 0) {
        const value = this.#onOverflow(subscriber.dropped);
        subscriber.dropped = 0;
        return { done: false, value };
      }
      if (subscriber.queue.length > 0) return { done: false, value: subscriber.queue.shift() as T };
      return subscriber.closed ? ended : null;
    };
    return {
      next: () => {
        const result = take();
        return result
          ? Promise.resolve(result)
          : new Promise((resolve) => void subscriber.readers.push(resolve));
      },
      return: () => {
        leave();
        return Promise.resolve(ended);
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /** Lets readers finish what is queued, then ends them. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const subscriber of this.#subscribers) this.#end(subscriber);
    this.#subscribers.clear();
  }

  #end(subscriber: Subscriber<T>): void {
    subscriber.closed = true;
    subscriber.forget();
    for (const reader of subscriber.readers.splice(0)) reader(ended);
  }
}
