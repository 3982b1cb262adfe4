/**
 * A bounded stream of events for people: every subscriber is an AsyncIterable with a queue of its own.
 *
 * A slow reader never holds up the protocol. What waits for it may be coalesced: an event that a later one makes pointless is
 * taken out. When its queue is full all the same, the oldest event is dropped and counted, and the reader meets one `onOverflow`
 * event in the place of all that were lost.
 */
export interface Coalescing {
  /** Waiting events of this name are made pointless by this one. */
  readonly replaces?: string | undefined;
  /** The name under which this one waits, for a later one to replace. */
  readonly as?: string | undefined;
}

export interface EventHubOptions<T> {
  /** Events queued per subscriber. Default 1,024. */
  readonly capacity?: number;
  /** What a reader that was too slow gets in place of `dropped` events. */
  readonly onOverflow: (dropped: number) => T;
  /** Which waiting events an event replaces. Default: none is. */
  readonly coalesce?: (event: T) => Coalescing;
}

interface Subscriber<T> {
  /** In order; by the name that an event may be replaced by, or by a number where it may not. */
  readonly queue: Map<string | number, T>;
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
  readonly #coalesce: (event: T) => Coalescing;
  readonly #subscribers = new Set<Subscriber<T>>();
  #published = 0;
  #closed = false;

  constructor(options: EventHubOptions<T>) {
    this.#capacity = options.capacity ?? 1024;
    this.#onOverflow = options.onOverflow;
    this.#coalesce = options.coalesce ?? (() => ({}));
  }

  publish(event: T): void {
    const { replaces, as = this.#published++ } = this.#coalesce(event);
    for (const subscriber of this.#subscribers) {
      const reader = subscriber.readers.shift();
      if (reader) {
        reader({ done: false, value: event });
        continue;
      }
      const { queue } = subscriber;
      if (replaces !== undefined) queue.delete(replaces);
      const [oldest] = queue.keys();
      if (queue.size >= this.#capacity && oldest !== undefined) {
        queue.delete(oldest);
        subscriber.dropped++;
      }
      queue.set(as, event);
    }
  }

  /**
   * From now on, until `signal` aborts, the hub closes, or the reader leaves its loop. Subscribes at once, not at the first
   * read. What is queued is still read after the hub has closed, and dropped after an abort.
   */
  subscribe(options: { readonly signal?: AbortSignal | undefined } = {}): AsyncIterableIterator<T> {
    const { signal } = options;
    const leave = (): void => {
      subscriber.queue.clear();
      subscriber.dropped = 0;
      this.#subscribers.delete(subscriber);
      this.#end(subscriber);
    };
    const subscriber: Subscriber<T> = {
      queue: new Map(),
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
      const [first] = subscriber.queue;
      if (first !== undefined) {
        subscriber.queue.delete(first[0]);
        return { done: false, value: first[1] };
      }
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
