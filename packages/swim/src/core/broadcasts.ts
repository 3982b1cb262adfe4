/**
 * What has yet to be gossiped: fewest transmissions first, then the largest, then the newest, so that news is spread first and
 * packets are filled. A claim about a member replaces the older claim about it. At the bound the most often sent is dropped.
 */
export interface Broadcast<M> {
  /** The member it is about: a newer broadcast of the same name replaces it. */
  readonly name: string;
  readonly message: M;
  readonly bytes: number;
  /** Grows with each broadcast: the higher, the newer. */
  readonly id: number;
  transmits: number;
}

export interface BroadcastsCheckpoint<M> {
  readonly items: readonly Broadcast<M>[];
  readonly nextId: number;
}

export class Broadcasts<M> {
  // One list for each number of transmissions, sorted by size, then age.
  readonly #tiers: Broadcast<M>[][] = [];
  readonly #byName = new Map<string, Broadcast<M>>();
  #nextId = 0;

  get size(): number {
    return this.#byName.size;
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /** @returns whether another one had to be dropped for it. */
  add(name: string, message: M, bytes: number, max: number): boolean {
    this.#remove(this.#byName.get(name));
    const isFull = this.size >= max;
    if (isFull) this.#remove(this.#tiers.findLast((tier) => tier.length > 0)?.at(-1));
    this.#insert({ name, message, bytes, id: this.#nextId++, transmits: 0 });
    return isFull;
  }

  /**
   * Takes what fits, counting a transmission each; what has been sent `limit` times is gone.
   * @param overheadBytes what each message costs beside its own bytes.
   */
  take(roomBytes: number, overheadBytes: number, limit: number, countMax: number): readonly M[] {
    const messages: M[] = [];
    const runs: Broadcast<M>[][] = [];
    let room = roomBytes;
    for (const tier of this.#tiers) {
      let at = 0;
      while (messages.length < countMax) {
        at = firstFitting(tier, room - overheadBytes, at);
        // What fits, together: most often that is all there is room for.
        let end = at;
        for (let item = tier[end]; item !== undefined && messages.length < countMax; item = tier[++end]) {
          if (item.bytes + overheadBytes > room) break;
          messages.push(item.message);
          room -= item.bytes + overheadBytes;
        }
        if (end === at) break;
        runs.push(tier.splice(at, end - at));
      }
    }
    // Only now: none is to be taken twice.
    for (const run of runs) this.#taken(run, limit);
    return messages;
  }

  /** Some of one tier go on to the next. */
  #taken(run: readonly Broadcast<M>[], limit: number): void {
    for (const item of run) {
      item.transmits++;
      if (item.transmits >= limit) this.#byName.delete(item.name);
    }
    const [first] = run;
    if (first === undefined || first.transmits >= limit) return;
    const tier = this.#tier(first.transmits);
    for (let from = 0, to = 0; from < run.length; from = to) {
      // Those that stand together here, together: most often all.
      const at = place(tier, run[from] as Broadcast<M>);
      const next = tier[at];
      for (to = from + 1; to < run.length; to++)
        if (next !== undefined && !comesBefore(run[to] as Broadcast<M>, next)) break;
      tier.splice(at, 0, ...run.slice(from, to));
    }
  }

  checkpoint(): BroadcastsCheckpoint<M> {
    return { items: this.#tiers.flatMap((tier) => tier.map((item) => ({ ...item }))), nextId: this.#nextId };
  }

  restore({ items, nextId }: BroadcastsCheckpoint<M>): void {
    this.#tiers.length = 0;
    this.#byName.clear();
    for (const item of items) this.#insert({ ...item });
    this.#nextId = nextId;
  }

  #insert(item: Broadcast<M>): void {
    const tier = this.#tier(item.transmits);
    tier.splice(place(tier, item), 0, item);
    this.#byName.set(item.name, item);
  }

  #tier(transmits: number): Broadcast<M>[] {
    while (this.#tiers.length <= transmits) this.#tiers.push([]);
    return this.#tiers[transmits] as Broadcast<M>[];
  }

  #remove(item: Broadcast<M> | undefined): void {
    if (item === undefined) return;
    const tier = this.#tiers[item.transmits] as Broadcast<M>[];
    tier.splice(place(tier, item), 1);
    this.#byName.delete(item.name);
  }
}

const comesBefore = <M>(a: Broadcast<M>, b: Broadcast<M>): boolean =>
  a.bytes === b.bytes ? a.id > b.id : a.bytes > b.bytes;

/** Where an item stands, or belongs, in a sorted tier. */
function place<M>(tier: readonly Broadcast<M>[], item: Broadcast<M>): number {
  let [low, high] = [0, tier.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (comesBefore(tier[middle] as Broadcast<M>, item)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The largest item from `from` on that takes at most `bytes`. */
function firstFitting<M>(tier: readonly Broadcast<M>[], bytes: number, from: number): number {
  let [low, high] = [from, tier.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((tier[middle] as Broadcast<M>).bytes > bytes) low = middle + 1;
    else high = middle;
  }
  return low;
}
