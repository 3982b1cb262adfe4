/** Large states in pieces: each piece is a message of its own, complete in itself, and any of them may be lost. */
import type { Digest, MapDelta, OwnerVersion } from './messages.ts';
import { textBytes } from './owner-map.ts';

// Beside the names: numbers as large as they get, and the lengths of everything.
const versionOverheadBytes = 32;
const deltaOverheadBytes = 64;
const entryOverheadBytes = 32;

const versionBytes = ({ owner }: OwnerVersion): number => textBytes(owner) + versionOverheadBytes;

export const deltaBytes = ({ owner, entries }: MapDelta): number =>
  entries.reduce(
    (sum, { key, value }) => sum + textBytes(key) + (value?.length ?? 0) + entryOverheadBytes,
    textBytes(owner) + deltaOverheadBytes,
  );

/** Lists of at most `bytesMax`, an item that is larger by itself alone in one. */
function split<T>(items: readonly T[], bytesOf: (item: T) => number, bytesMax: number): readonly T[][] {
  const lists: T[][] = [];
  let room = 0;
  for (const item of items) {
    const bytes = bytesOf(item);
    const last = lists.at(-1);
    if (last === undefined || bytes > room) {
      lists.push([item]);
      room = bytesMax - bytes;
    } else {
      last.push(item);
      room -= bytes;
    }
  }
  return lists;
}

export const pieces = (deltas: readonly MapDelta[], bytesMax: number): readonly MapDelta[][] =>
  split(deltas, deltaBytes, bytesMax);

/** @param versions sorted by owner. */
export function digests(
  from: string,
  versions: readonly OwnerVersion[],
  bytesMax: number,
): readonly Digest[] {
  const lists = split(versions, versionBytes, bytesMax);
  if (lists.length === 0) return [{ type: 'digest', from, after: '', until: '', versions: [] }];
  return lists.map((list, at) => ({
    type: 'digest',
    from,
    after: lists[at - 1]?.at(-1)?.owner ?? '',
    until: at === lists.length - 1 ? '' : (list.at(-1)?.owner ?? ''),
    versions: list,
  }));
}
