/**
 * The lease of `lease-majority` as whoever arbitrates keeps it: a coordinator's state machine, or one record in a store.
 *
 * It is held by a side, a set of lives (name and boot id), under one fencing epoch. Each holder renews for itself. To be rid of the
 * others, a side asks for the lease without them: from then on they are not renewed, and once the last of them must have run out by
 * its own clock, they are fenced, the epoch rises, and the side has the lease alone. A fenced life never gets it back.
 */
export interface LeaseRequest {
  readonly node: string;
  readonly boot: string;
  /** Whom the asker's side cannot reach; empty while nothing has been decided. */
  readonly without: readonly string[];
}

export interface LeaseAnswer {
  readonly granted: boolean;
  /** `fenced`: this life never holds it again. `outside`: not now, another side is about to have it. */
  readonly reason: 'fenced' | 'outside' | null;
  /** To be given with everything that is done under the lease, and lower ones refused. */
  readonly epoch: number;
  /** Lives of those in `without` that are fenced: what was theirs may be taken over. */
  readonly fenced: readonly string[];
  /** Some of those in `without` may still hold it: ask again. */
  readonly pending: boolean;
}

interface Holder {
  readonly boot: string;
  readonly renewedAtMs: number;
}

interface Claim {
  readonly without: readonly string[];
  readonly atMs: number;
}

/** A life of a member: what is fenced is never a name, which may come back, but one life of it. */
export const lifeOf = (name: string, boot: string): string => `${name}/${boot}`;

export class LeaseLedger {
  readonly #outlastMs: number;
  readonly #fencedMax: number;
  readonly #holders = new Map<string, Holder>();
  readonly #fenced = new Map<string, string>();
  #claim: Claim | null = null;
  #epoch = 1;

  /**
   * @param outlastMs `quorumTtlMs` and its margin.
   * @param fencedMax lives remembered; at the bound the oldest is forgotten.
   */
  constructor(outlastMs: number, fencedMax = 4096) {
    this.#outlastMs = outlastMs;
    this.#fencedMax = fencedMax;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Takes or renews it. @param nowMs by the arbiter's own monotonic clock. */
  take({ node, boot, without }: LeaseRequest, nowMs: number): LeaseAnswer {
    if (this.#fenced.has(lifeOf(node, boot))) return this.#refuse('fenced', without);
    if (this.#claim !== null && nowMs - this.#claim.atMs > this.#outlastMs) this.#claim = null;
    if (this.#claim?.without.includes(node) === true) return this.#refuse('outside', without);
    const holder = this.#holders.get(node);
    const isHolder = holder?.boot === boot;
    const others = without.filter((name) => name !== node && this.#holders.has(name));
    const isOver = (name: string): boolean =>
      nowMs - (this.#holders.get(name)?.renewedAtMs ?? -Infinity) > this.#outlastMs;
    const pending = !others.every(isOver);
    if (others.length > 0) {
      if (!pending) this.#fence(others);
      // Who is outside cannot come in on the other side of a partition.
      else if (!isHolder) return this.#refuse('outside', without);
      else this.#claim = { without: others, atMs: nowMs };
    }
    // A new life of a name: the one before has ended.
    if (holder !== undefined && !isHolder) this.#fence([node]);
    this.#holders.set(node, { boot, renewedAtMs: nowMs });
    return { granted: true, reason: null, epoch: this.#epoch, fenced: this.#livesOf(without), pending };
  }

  #fence(names: readonly string[]): void {
    for (const name of names) {
      const holder = this.#holders.get(name);
      if (holder === undefined) continue;
      this.#holders.delete(name);
      const life = lifeOf(name, holder.boot);
      this.#fenced.set(life, name);
      const [oldest] = this.#fenced.keys();
      if (this.#fenced.size > this.#fencedMax && oldest !== undefined) this.#fenced.delete(oldest);
    }
    this.#claim = null;
    this.#epoch++;
  }

  #refuse(reason: 'fenced' | 'outside', without: readonly string[]): LeaseAnswer {
    return { granted: false, reason, epoch: this.#epoch, fenced: this.#livesOf(without), pending: true };
  }

  #livesOf(names: readonly string[]): readonly string[] {
    return [...this.#fenced].filter(([, name]) => names.includes(name)).map(([life]) => life);
  }
}
