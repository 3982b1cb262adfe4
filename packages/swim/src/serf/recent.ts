/**
 * What was said at the latest Lamport times, so that nothing is taken twice however often gossip and push/pull bring it. The slot
 * of a time is its remainder; a time older than all slots counts as seen.
 */
export interface RecentCheckpoint<T> {
  readonly slots: readonly { readonly lTime: number; readonly items: readonly T[] }[];
}

/** Serf's own hard limit for the name and payload of an event that others send. */
export const eventBytesMax = 9 * 1024;

interface Slot<T> {
  readonly lTime: number;
  readonly items: T[];
}

export class Recent<T> {
  readonly #length: number;
  readonly #itemsMax: number;
  readonly #slots = new Map<number, Slot<T>>();

  /** @param itemsMax different things said at one time by different members. */
  constructor(length: number, itemsMax: number) {
    this.#length = length;
    this.#itemsMax = itemsMax;
  }

  /** Whether `lTime` is so far behind `nowTime` that its slot has been given away. */
  isOld(lTime: number, nowTime: number): boolean {
    return lTime + this.#length < nowTime;
  }

  /** @returns whether it is new, and now kept. */
  add(lTime: number, item: T, isSame: (other: T) => boolean): boolean {
    const at = lTime % this.#length;
    const slot = this.#slots.get(at);
    if (slot === undefined || slot.lTime < lTime) {
      this.#slots.set(at, { lTime, items: [item] });
      return true;
    }
    if (slot.lTime > lTime || slot.items.length >= this.#itemsMax || slot.items.some(isSame)) return false;
    slot.items.push(item);
    return true;
  }

  slots(): readonly { readonly lTime: number; readonly items: readonly T[] }[] {
    return [...this.#slots.values()];
  }

  restore({ slots }: RecentCheckpoint<T>): void {
    this.#slots.clear();
    for (const { lTime, items } of slots) this.#slots.set(lTime % this.#length, { lTime, items: [...items] });
  }
}
