/**
 * Holds what members show of each other's metadata against what the owners have written. A map has one writer, so each of its
 * versions has one content: whoever shows a version must show exactly that, and nobody goes back to an older one.
 */
import type { World } from '@cluster/sim';

export interface ShownMap {
  readonly version: { readonly boot: number; readonly counter: number };
  readonly collectedTo: number;
  readonly entries: ReadonlyMap<string, { readonly value: Uint8Array | null }>;
}

interface Write {
  readonly counter: number;
  readonly key: string;
  /** Null: deleted. */
  readonly value: string | null;
}

interface Life {
  readonly owner: string;
  /** Lives of an owner in their order. */
  readonly ordinal: number;
  readonly writes: Write[];
}

interface Seen {
  readonly ordinal: number;
  readonly boot: number;
  readonly counter: number;
}

const decoder = new TextDecoder();

export class MetadataChecker {
  readonly #world: World;
  readonly #ordersLives: boolean;
  readonly #lives = new Map<number, Life>();
  readonly #begun = new Map<string, number>();
  readonly #seen = new Map<string, Map<string, Seen>>();

  /** @param ordersLives whether owners keep their incarnation, without which two lives cannot be told apart at once. */
  constructor(world: World, ordersLives: boolean) {
    this.#world = world;
    this.#ordersLives = ordersLives;
  }

  /** A process begins: as an owner it has a new life, as an observer it has seen nothing. */
  started(node: string, boot: number): void {
    const ordinal = (this.#begun.get(node) ?? 0) + 1;
    this.#begun.set(node, ordinal);
    this.#lives.set(boot, { owner: node, ordinal, writes: [] });
    this.#seen.set(node, new Map());
  }

  wrote(boot: number, counter: number, key: string, value: string | null): void {
    this.#lives.get(boot)?.writes.push({ counter, key, value });
  }

  /** The write noted last was refused. */
  refused(boot: number): void {
    this.#lives.get(boot)?.writes.pop();
  }

  /** The observer has forgotten the owner: whatever it hears next is news. */
  reaped(observer: string, owner: string): void {
    this.#seen.get(observer)?.delete(owner);
  }

  /** What an observer shows of an owner, after each change of it. */
  shows(observer: string, owner: string, map: ShownMap): void {
    const { boot, counter } = map.version;
    const life = this.#lives.get(boot);
    if (counter === 0) return;
    if (life === undefined || life.owner !== owner)
      return this.#world.fail(
        'only the owner writes its map',
        `${observer} holds a life ${boot} of ${owner}`,
      );
    const seen = this.#seen.get(observer);
    const before = seen?.get(owner);
    const now = { ordinal: life.ordinal, boot, counter };
    if (before !== undefined) this.#compare(observer, owner, before, now, map);
    seen?.set(owner, now);
    const shown = textOf(map);
    const written = contentAt(life, counter);
    if (shown !== written) {
      this.#world.fail(
        'a map is what its owner had written, deletions included',
        `${observer} shows of ${owner} at ${life.ordinal}/${counter} ${shown}, written was ${written}`,
      );
    }
  }

  #compare(observer: string, owner: string, before: Seen, now: Seen, { collectedTo }: ShownMap): void {
    const isSameLife = before.boot === now.boot;
    if (isSameLife && before.counter < collectedTo && now.counter > before.counter && observer !== owner)
      this.#world.counters.add('wholeMaps');
    if (!isSameLife) this.#world.counters.add('newLives');
    if (!isSameLife && !this.#ordersLives) return;
    const isBack = now.ordinal < before.ordinal || (isSameLife && now.counter < before.counter);
    if (!isBack) return;
    this.#world.fail(
      'nobody goes back to what is older',
      `${observer} had ${owner} at ${before.ordinal}/${before.counter} and has ${now.ordinal}/${now.counter}`,
    );
  }
}

const sorted = (entries: Iterable<readonly [string, string]>): string =>
  [...entries]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
    .join(' ');

/** What people see of a map, as one line; of a long value its beginning. */
export function textOf({ entries }: ShownMap): string {
  const visible: (readonly [string, string])[] = [];
  for (const [key, { value }] of entries)
    if (value !== null) visible.push([key, decoder.decode(value).slice(0, 24)]);
  return sorted(visible);
}

function contentAt({ writes }: Life, counter: number): string {
  const content = new Map<string, string>();
  for (const write of writes) {
    if (write.counter > counter) break;
    if (write.value === null) content.delete(write.key);
    else content.set(write.key, write.value.slice(0, 24));
  }
  return sorted(content);
}
