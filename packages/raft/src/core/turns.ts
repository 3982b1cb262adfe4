/** Who stands before whom when voters lose the same leader: the higher priority first, and of those alike the earlier name. */
export class Turns {
  readonly #priorities: ReadonlyMap<string, number>;

  /** @param priorities those that are not 0; the same on every node, or two may think that it is their turn. */
  constructor(priorities: Readonly<Record<string, number>>) {
    this.#priorities = new Map(Object.entries(priorities));
  }

  /** Below 0 when `a` comes before `b`: to sort by. */
  compare(a: string, b: string): number {
    return this.#of(b) - this.#of(a) || (a < b ? -1 : a > b ? 1 : 0);
  }

  #of(id: string): number {
    return this.#priorities.get(id) ?? 0;
  }
}
