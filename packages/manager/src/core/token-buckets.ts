/**
 * How often each of many may do something: a token bucket per name. It fills with `perSecond` up to `burst`, and each time takes one.
 * Names are few (they are those of certificates) and bounded all the same: the one unused for the longest makes room.
 */
export interface TokenBucketsOptions {
  readonly perSecond: number;
  readonly burst: number;
  readonly namesMax: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

export class TokenBuckets {
  readonly #options: TokenBucketsOptions;
  // In order of last use.
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: TokenBucketsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Whether `name` may do it now; counts it if so. */
  take(name: string, nowMs: number): boolean {
    const { perSecond, burst, namesMax } = this.#options;
    const bucket = this.#buckets.get(name) ?? { tokens: burst, atMs: nowMs };
    this.#buckets.delete(name);
    this.#buckets.set(name, bucket);
    if (this.#buckets.size > namesMax) {
      const [quietest] = this.#buckets.keys();
      if (quietest !== undefined) this.#buckets.delete(quietest);
    }
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) * perSecond) / 1000);
    bucket.atMs = nowMs;
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }
}
