import { votersOnly } from '../../src/core/configuration.ts';
import type { RaftMessage, SessionRecord, SnapshotId, SnapshotMeta } from '../../src/index.ts';
import { Bench, type Past } from './bench.ts';

type Piece = Extract<RaftMessage, { type: 'snapshotPiece' }>;

export const snapshotOf = (index: number, term = 1, crc = index): SnapshotId => ({
  index,
  term,
  bytes: 300,
  crc,
});

export const metaOf = (
  { index, term }: SnapshotId,
  sessions: readonly SessionRecord[] = [],
): SnapshotMeta => ({ index, term, configuration: votersOnly(['a', 'b', 'c']), sessions });

export const piece = (snapshot: SnapshotId, offset: number, length = 100, term = 2): Piece => ({
  type: 'snapshotPiece',
  term,
  snapshot,
  offset,
  bytes: new Uint8Array(length).fill(7),
});

/** Follows b, the leader of term 2, which has nothing to say for now. */
export function follower(past: Past = {}, config: ConstructorParameters<typeof Bench>[0] = {}): Bench {
  const node = new Bench(config, past);
  const [prevIndex, prevTerm] = [node.core.lastIndex, node.core.log.lastTerm];
  node.receive('b', { type: 'append', term: 2, prevIndex, prevTerm, commit: prevIndex, entries: [] });
  node.clear();
  return node;
}

/** Sends all pieces of a snapshot, each written at once. */
export function receiveAll(node: Bench, id: SnapshotId): void {
  for (let offset = 0; offset < id.bytes; offset += 100) {
    node.receive('b', piece(id, offset));
    node.input({ type: 'PIECE_WRITTEN', id, end: offset + 100 });
  }
}
