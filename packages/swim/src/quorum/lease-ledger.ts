/**
 * The lease of `lease-majority` as whoever arbitrates keeps it: a replicated log's state machine, or one record in a store.
 *
 * It is held by a side, a set of lives (name and boot id), under one fencing epoch. Each holder renews for itself. To be rid of the
 * others, a side asks for the lease without them: from then on they are not renewed, and once the last of them must have run out,
 * they are fenced, the epoch rises, and the side has the lease alone. A fenced life never gets it back.
 *
 * The ledger has no clock. Requests have places in one order, and each comes with the place up to which everything has run out. An
 * arbiter that is one process takes its clock for the order: place `nowMs`, run out up to `nowMs - outlastMs`. In a replicated log the
 * place is the index, and the asker says what has run out (`LoggedLease`), so that all replicas say the same.
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
  /** Where in the order it was renewed last. */
  readonly renewedAt: number;
}

interface Claim {
  readonly without: readonly string[];
  readonly at: number;
}

/** All of it, as plain data. */
export interface LeaseLedgerState {
  readonly epoch: number;
  readonly claim: Claim | null;
  readonly holders: readonly (readonly [name: string, holder: Holder])[];
  /** Oldest first. */
  readonly fenced: readonly (readonly [life: string, name: string])[];
}

/** A life of a member: what is fenced is never a name, which may come back, but one life of it. */
export const lifeOf = (name: string, boot: string): string => `${name}/${boot}`;

export class LeaseLedger {
  readonly #fencedMax: number;
  readonly #holdersMax: number;
  readonly #holders = new Map<string, Holder>();
  readonly #fenced = new Map<string, string>();
  #claim: Claim | null = null;
  #epoch = 1;

  /**
   * @param fencedMax lives remembered; at the bound the oldest is forgotten.
   * @param holdersMax nodes that have it; at the bound one that has run out is forgotten, else another is refused.
   */
  constructor(fencedMax = 4096, holdersMax = 256) {
    this.#fencedMax = fencedMax;
    this.#holdersMax = holdersMax;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /**
   * Takes or renews it.
   * @param at place of the request, never below that of an earlier one.
   * @param outlasted no lease that was renewed at this place or before it counts any more, by its holder's clock or anybody's.
   */
  take({ node, boot, without }: LeaseRequest, at: number, outlasted: number): LeaseAnswer {
    if (this.#fenced.has(lifeOf(node, boot))) return this.#refuse('fenced', without);
    if (this.#claim !== null && this.#claim.at <= outlasted) this.#claim = null;
    if (this.#claim?.without.includes(node) === true) return this.#refuse('outside', without);
    const holder = this.#holders.get(node);
    const isHolder = holder?.boot === boot;
    const others = without.filter((name) => name !== node && this.#holders.has(name));
    const isOver = (name: string): boolean => (this.#holders.get(name)?.renewedAt ?? -Infinity) <= outlasted;
    const pending = !others.every(isOver);
    if (others.length > 0) {
      if (!pending) this.#fence(others);
      // Who is outside cannot come in on the other side of a partition.
      else if (!isHolder) return this.#refuse('outside', without);
      else this.#claim = { without: others, at };
    }
    if (!isHolder && !this.#admits(node, isOver)) return this.#refuse('outside', without);
    this.#holders.set(node, { boot, renewedAt: at });
    return { granted: true, reason: null, epoch: this.#epoch, fenced: this.#livesOf(without), pending };
  }

  /**
   * Whether there is room for another life. One of the same name may only seem to be newer: a request can be late by any time, and
   * the life that it would end may be at work. So it waits until that one has run out.
   */
  #admits(node: string, isOver: (name: string) => boolean): boolean {
    if (this.#holders.has(node)) {
      if (!isOver(node)) return false;
      this.#fence([node]);
    }
    if (this.#holders.size < this.#holdersMax) return true;
    const idle = [...this.#holders.keys()].find(isOver);
    // Nobody takes over from who is forgotten, so it may come back.
    return idle !== undefined && this.#holders.delete(idle);
  }

  state(): LeaseLedgerState {
    const { epoch } = this;
    return { epoch, claim: this.#claim, holders: [...this.#holders], fenced: [...this.#fenced] };
  }

  restore({ epoch, claim, holders, fenced }: LeaseLedgerState): void {
    this.#epoch = epoch;
    this.#claim = claim;
    this.#holders.clear();
    for (const [name, holder] of holders) this.#holders.set(name, holder);
    this.#fenced.clear();
    for (const [life, name] of fenced) this.#fenced.set(life, name);
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
