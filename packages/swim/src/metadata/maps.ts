/** The maps of everybody, by owner: what this member holds and shows. */
import type { OwnerVersion } from './messages.ts';
import { emptyMap, type Entry, mapOf, type OwnerMap } from './owner-map.ts';

export type MapsCheckpoint = readonly (readonly [
  owner: string,
  version: OwnerMap['version'],
  collectedTo: number,
  entries: readonly (readonly [key: string, entry: Entry])[],
])[];

export class Maps {
  readonly #maps = new Map<string, OwnerMap>();
  #bytes = 0;

  /** Of all owners together. */
  get bytes(): number {
    return this.#bytes;
  }

  get(owner: string): OwnerMap {
    return this.#maps.get(owner) ?? emptyMap;
  }

  set(owner: string, map: OwnerMap): void {
    this.#bytes += map.bytes - this.get(owner).bytes;
    this.#maps.set(owner, map);
  }

  delete(owner: string): void {
    this.#bytes -= this.get(owner).bytes;
    this.#maps.delete(owner);
  }

  owners(): readonly string[] {
    return [...this.#maps.keys()];
  }

  /** Of those that have been written to, sorted by name. */
  versions(): readonly OwnerVersion[] {
    return [...this.#maps]
      .filter(([, { version }]) => version.counter > 0)
      .map(([owner, { version }]) => ({ owner, ...version }))
      .toSorted((a, b) => (a.owner < b.owner ? -1 : 1));
  }

  /** Over all versions, in whatever order they were heard; 0 when there are none. */
  hash(): number {
    let [low, high] = [0, 0];
    for (const { owner, epoch, boot, counter } of this.versions()) {
      const text = `${owner}/${epoch}/${boot}/${counter}`;
      low ^= fnv1a(text, 0x811c_9dc5);
      high ^= fnv1a(text, 0x1234_5678);
    }
    // As many bits as a number holds exactly.
    return (high >>> 11) * 2 ** 32 + (low >>> 0);
  }

  checkpoint(): MapsCheckpoint {
    return Array.from(this.#maps, ([owner, { version, collectedTo, entries }]) => [
      owner,
      version,
      collectedTo,
      [...entries],
    ]);
  }

  restore(maps: MapsCheckpoint): void {
    this.#maps.clear();
    this.#bytes = 0;
    for (const [owner, version, collectedTo, entries] of maps)
      this.set(owner, mapOf(version, collectedTo, new Map(entries)));
  }
}

function fnv1a(text: string, basis: number): number {
  let hash = basis;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193);
  // Its last steps mix little: two texts that differ at the end must differ everywhere.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b_3c6d);
  return hash ^ (hash >>> 13);
}
