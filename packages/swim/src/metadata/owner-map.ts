/**
 * One member's map as another holds it, or the member itself: a value, replaced whole by each change.
 *
 * What it holds is what the owner had written up to its version. A deleted key stays as a tombstone for a while; once tombstones
 * up to some write are collected (`collectedTo`), whoever is behind that write cannot be told of the deletions any more and gets
 * the map whole instead of what it lacks. So nothing that was deleted comes back, however long somebody was away.
 */
import { compareLives, type Life, noVersion, type Version } from './life.ts';
import type { MapDelta, WrittenEntry } from './messages.ts';

export interface Entry {
  /** Null: deleted. */
  readonly value: Uint8Array | null;
  /** The write that it comes from. */
  readonly counter: number;
  /** When it came to be known here. */
  readonly sinceMs: number;
}

export interface OwnerMap {
  readonly version: Version;
  readonly collectedTo: number;
  readonly entries: ReadonlyMap<string, Entry>;
  readonly tombstones: number;
  readonly bytes: number;
}

export interface KeyChange {
  readonly key: string;
  /** Null: it is gone. */
  readonly value: Uint8Array | null;
}

export const emptyMap: OwnerMap = {
  version: noVersion,
  collectedTo: 0,
  entries: new Map(),
  tombstones: 0,
  bytes: 0,
};

// What an entry costs beside its key and value, here and on the wire.
const entryOverheadBytes = 32;
const encoder = new TextEncoder();

export const textBytes = (text: string): number => encoder.encode(text).length;

const entryBytes = (key: string, { value }: Pick<Entry, 'value'>): number =>
  textBytes(key) + (value?.length ?? 0) + entryOverheadBytes;

export function mapOf(version: Version, collectedTo: number, entries: ReadonlyMap<string, Entry>): OwnerMap {
  let [tombstones, bytes] = [0, 0];
  for (const [key, entry] of entries) {
    if (entry.value === null) tombstones++;
    bytes += entryBytes(key, entry);
  }
  return { version, collectedTo, entries, tombstones, bytes };
}

/** The map after one more write of its owner. @param value null: deletes. */
export function write(map: OwnerMap, key: string, value: Uint8Array | null, nowMs: number): OwnerMap {
  const counter = map.version.counter + 1;
  const entries = new Map(map.entries).set(key, { value, counter, sinceMs: nowMs });
  return mapOf({ ...map.version, counter }, map.collectedTo, entries);
}

/** The same content as written by another life. */
export const inLife = (map: OwnerMap, { epoch, boot }: Life): OwnerMap => ({
  ...map,
  version: { epoch, boot, counter: map.version.counter },
});

/** What somebody at `known` lacks; null when it lacks nothing. */
export function deltaSince(owner: string, map: OwnerMap, known: Version): MapDelta | null {
  const { epoch, boot, counter } = map.version;
  const isSameLife = compareLives(known, map.version) === 0;
  const from = isSameLife ? known.counter : 0;
  if (compareLives(known, map.version) > 0 || from >= counter) return null;
  const whole = from < map.collectedTo;
  const entries: WrittenEntry[] = [];
  for (const [key, { value, counter: written }] of map.entries)
    if (written > (whole ? 0 : from)) entries.push({ key, value, counter: written });
  entries.sort((a, b) => a.counter - b.counter);
  return { owner, epoch, boot, from, upTo: counter, collectedTo: map.collectedTo, whole, entries };
}

/** The map after a delta; the same one when the delta tells nothing new, or begins beyond what is known here. */
export function merge(map: OwnerMap, delta: MapDelta, nowMs: number): OwnerMap {
  const order = compareLives(delta, map.version);
  if (order < 0) return map;
  const base = order > 0 ? emptyMap : map;
  const { counter } = base.version;
  if (delta.upTo <= counter || (!delta.whole && delta.from > counter)) return map;
  const entries = new Map(delta.whole ? [] : base.entries);
  for (const { key, value, counter: written } of delta.entries) {
    const known = base.entries.get(key);
    // Known already, and perhaps for longer: the age of a tombstone counts from the first time.
    if (known !== undefined && known.counter >= written) entries.set(key, known);
    else entries.set(key, { value, counter: written, sinceMs: nowMs });
  }
  const { epoch, boot, upTo } = delta;
  const collectedTo = Math.max(base.collectedTo, delta.collectedTo);
  return mapOf({ epoch, boot, counter: upTo }, collectedTo, entries);
}

/** Without the tombstones that were known before `beforeMs`; the same map when there are none. */
export function collect(map: OwnerMap, beforeMs: number): OwnerMap {
  if (map.tombstones === 0) return map;
  let { collectedTo } = map;
  const entries = new Map(map.entries);
  for (const [key, { value, counter, sinceMs }] of map.entries) {
    if (value !== null || sinceMs > beforeMs) continue;
    entries.delete(key);
    collectedTo = Math.max(collectedTo, counter);
  }
  return entries.size === map.entries.size ? map : mapOf(map.version, collectedTo, entries);
}

/** What a reader of the map sees change. */
export function changes(before: OwnerMap, after: OwnerMap): readonly KeyChange[] {
  const list: KeyChange[] = [];
  for (const [key, entry] of after.entries) {
    const known = before.entries.get(key);
    const isSeen = entry.value !== null || (known !== undefined && known.value !== null);
    if (isSeen && known !== entry) list.push({ key, value: entry.value });
  }
  for (const [key, { value }] of before.entries)
    if (value !== null && !after.entries.has(key)) list.push({ key, value: null });
  return list;
}
