/**
 * How many retries a node may add to the load of a cluster in trouble (Finagle's retry budget): a share of the first tries of
 * the last ten seconds, and a floor for callers that try rarely. Without it a brown-out turns into a storm of repeats.
 */
const windowMs = 10_000;
const slots = 10;
const slotMs = windowMs / slots;

export interface RetryBudgetOptions {
  /** Retries per first try. */
  readonly ratio: number;
  /** Retries per second besides. */
  readonly perSecond: number;
}

export class RetryBudget {
  readonly #options: RetryBudgetOptions;
  /** Balance of each second: deposits less withdrawals; a slot forgets itself when its second comes round again. */
  readonly #balance = new Float64Array(slots);
  #slot: number;

  constructor(options: RetryBudgetOptions, nowMs: number) {
    this.#options = options;
    this.#slot = Math.floor(nowMs / slotMs);
    // A node that has just started may retry like one that has run for a while.
    this.#balance.fill((options.perSecond * slotMs) / 1000);
  }

  /** A first try. */
  deposit(nowMs: number): void {
    this.#advance(nowMs);
    this.#add(this.#options.ratio);
  }

  /** Whether one retry may be made now; counts it if so. */
  withdraw(nowMs: number): boolean {
    this.#advance(nowMs);
    if (this.available < 1) return false;
    this.#add(-1);
    return true;
  }

  get available(): number {
    return this.#balance.reduce((sum, value) => sum + value, 0);
  }

  #add(amount: number): void {
    const i = this.#slot % slots;
    this.#balance[i] = (this.#balance[i] ?? 0) + amount;
  }

  #advance(nowMs: number): void {
    const slot = Math.floor(nowMs / slotMs);
    for (let i = Math.max(this.#slot + 1, slot - slots + 1); i <= slot; i++) {
      this.#balance[i % slots] = (this.#options.perSecond * slotMs) / 1000;
    }
    this.#slot = Math.max(this.#slot, slot);
  }
}
