/** Values that change over the steps of a trace: each key has its changes in order, so that any moment can be read. */
interface Change<V> {
  readonly index: number;
  /** undefined = gone. */
  readonly value: V | undefined;
}

export class Timeline<K, V> {
  readonly #changes = new Map<K, Change<V>[]>();

  /** Changes come in the order of their index; several at one index count as the last of them. */
  set(index: number, key: K, value: V): void {
    this.#add(index, key, value);
  }

  remove(index: number, key: K): void {
    if (this.#changes.get(key)?.at(-1)?.value !== undefined) this.#add(index, key, undefined);
  }

  removeWhere(index: number, gone: (value: V) => boolean): void {
    for (const [key, changes] of this.#changes) {
      const value = changes.at(-1)?.value;
      if (value !== undefined && gone(value)) this.#add(index, key, undefined);
    }
  }

  /** From this index on there is exactly this. */
  replace(index: number, values: ReadonlyMap<K, V>): void {
    for (const key of this.#changes.keys()) if (!values.has(key)) this.remove(index, key);
    for (const [key, value] of values) {
      if (this.#changes.get(key)?.at(-1)?.value !== value) this.#add(index, key, value);
    }
  }

  /** What there is after the step of this index. */
  at(index: number): ReadonlyMap<K, V> {
    const values = new Map<K, V>();
    for (const [key, changes] of this.#changes) {
      const value = lastUpTo(changes, index)?.value;
      if (value !== undefined) values.set(key, value);
    }
    return values;
  }

  #add(index: number, key: K, value: V | undefined): void {
    const changes = this.#changes.get(key);
    if (changes) changes.push({ index, value });
    else this.#changes.set(key, [{ index, value }]);
  }
}

/** The last change at or before the index, by bisection. */
function lastUpTo<V>(changes: readonly Change<V>[], index: number): Change<V> | undefined {
  let [low, high] = [0, changes.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((changes[middle]?.index ?? 0) <= index) low = middle + 1;
    else high = middle;
  }
  return changes[low - 1];
}
