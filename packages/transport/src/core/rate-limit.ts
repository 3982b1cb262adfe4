/** A token bucket (RFC 2697's idea): so many a second in the long run, so many at once. */
export interface RateLimit {
  readonly perSecond: number;
  /** How many may come at once. Default: those of one second. */
  readonly burst?: number | undefined;
}

export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #atMs: number;

  constructor({ perSecond, burst = Math.max(1, perSecond) }: RateLimit, nowMs: number) {
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#atMs = nowMs;
  }

  /** When it was last asked. */
  get atMs(): number {
    return this.#atMs;
  }

  /** False when there is none left. */
  take(nowMs: number): boolean {
    if (nowMs > this.#atMs) {
      this.#tokens = this.#tokensAt(nowMs);
      this.#atMs = nowMs;
    }
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** It is as a new one. */
  isFull(nowMs: number): boolean {
    return this.#tokensAt(nowMs) === this.#burst;
  }

  #tokensAt(nowMs: number): number {
    return Math.min(this.#burst, this.#tokens + (nowMs - this.#atMs) * this.#perMs);
  }
}

/**
 * One bucket for each of those who share a limit, by name. They outlive sessions, and even the peer: leaving and coming again must not
 * refill them. Bounded: where there are too many, full ones go, which changes nothing, and then the one that was asked longest ago.
 */
export class TokenBuckets {
  readonly #limit: RateLimit;
  readonly #max: number;
  readonly #byName = new Map<string, TokenBucket>();

  constructor(limit: RateLimit, max: number) {
    this.#limit = limit;
    this.#max = max;
  }

  take(name: string, nowMs: number): boolean {
    let bucket = this.#byName.get(name);
    if (bucket === undefined) {
      if (this.#byName.size >= this.#max) this.#makeRoom(nowMs);
      this.#byName.set(name, (bucket = new TokenBucket(this.#limit, nowMs)));
    }
    return bucket.take(nowMs);
  }

  #makeRoom(nowMs: number): void {
    let oldest: string | null = null;
    let oldestMs = Infinity;
    for (const [name, bucket] of this.#byName) {
      if (bucket.isFull(nowMs)) this.#byName.delete(name);
      else if (bucket.atMs < oldestMs) [oldest, oldestMs] = [name, bucket.atMs];
    }
    if (oldest !== null && this.#byName.size >= this.#max) this.#byName.delete(oldest);
  }
}
