/** Every transition of `raft.snapshot`, seen from what a node asks for, says and applies. */
import { describe, expect, it } from 'vitest';
import { Bench, log } from './support/bench.ts';
import { follower, metaOf, piece, receiveAll, snapshotOf } from './support/snapshots.ts';

/** Alone in its group, with three entries and its no-op applied. */
function alone(config: ConstructorParameters<typeof Bench>[0] = {}): Bench {
  const node = new Bench({ voters: ['a'], ...config }, { entries: log(1, 1, 1) });
  node.passElectionTimeout();
  node.clear();
  return node;
}

const ask = (node: Bench, ref = 900): void => node.input({ type: 'SNAPSHOT', ref });
const ended = (node: Bench): unknown[] => node.of('snapshotEnded').map(({ outcome }) => outcome);

describe('a node that takes a snapshot', () => {
  it('asks for an image of what is applied, and applies nothing until that is taken', () => {
    const node = alone();
    ask(node);
    expect(node.of('takeSnapshot')).toMatchObject([{ meta: { index: 4, term: 2 } }]);
    node.propose('x');
    expect(node.of('apply')).toEqual([]);
    node.input({ type: 'IMAGE_TAKEN' });
    expect(node.of('apply')).toMatchObject([{ lastIndex: 5 }]);
  });

  it('keeps the whole log until the snapshot is on the disk', () => {
    const node = alone();
    ask(node);
    node.input({ type: 'IMAGE_TAKEN' });
    node.propose('x');
    expect([node.core.log.firstIndex, ended(node)]).toEqual([1, []]);
    node.input({ type: 'SNAPSHOT_SAVED', id: snapshotOf(4, 2) });
    expect([node.core.log.firstIndex, node.core.lastIndex]).toEqual([5, 5]);
    expect(ended(node)).toEqual([{ status: 'taken', index: 4 }]);
    expect(node.of('persist').at(-1)).toMatchObject({ base: { index: 4, term: 2 } });
    expect(node.of('snapshotTaken')).toHaveLength(1);
  });

  it('can take another one afterwards, and says at once that there is one when nothing is new', () => {
    const node = alone();
    ask(node);
    node.input({ type: 'IMAGE_TAKEN' });
    node.input({ type: 'SNAPSHOT_SAVED', id: snapshotOf(4, 2) });
    node.clear();
    ask(node, 901);
    expect([ended(node), node.of('takeSnapshot')]).toEqual([[{ status: 'taken', index: 4 }], []]);
    node.propose('x');
    ask(node, 902);
    expect(node.of('takeSnapshot')).toMatchObject([{ meta: { index: 5 } }]);
  });

  it('takes one at a time, and whoever asked meanwhile gets that one', () => {
    const node = alone();
    ask(node);
    ask(node, 901);
    node.input({ type: 'IMAGE_TAKEN' });
    node.input({ type: 'SNAPSHOT_SAVED', id: snapshotOf(4, 2) });
    expect(node.of('takeSnapshot')).toHaveLength(1);
    expect(ended(node)).toHaveLength(2);
  });

  it('goes on when there is no image, says so, and can try again', () => {
    const node = alone();
    ask(node);
    node.propose('x');
    node.input({ type: 'SNAPSHOT_FAILED', reason: 'too busy' });
    expect(ended(node)).toEqual([{ status: 'failed', reason: 'too busy' }]);
    expect(node.of('snapshotFailed')).toMatchObject([{ reason: 'too busy' }]);
    expect(node.of('apply')).toHaveLength(1);
    ask(node, 901);
    expect(node.of('takeSnapshot')).toHaveLength(2);
  });

  it('goes on when the image cannot be written, with the log as it was, and can try again', () => {
    const node = alone();
    ask(node);
    node.input({ type: 'IMAGE_TAKEN' });
    node.input({ type: 'SNAPSHOT_FAILED', reason: 'disk full' });
    expect([node.core.log.firstIndex, ended(node)]).toEqual([1, [{ status: 'failed', reason: 'disk full' }]]);
    ask(node, 901);
    expect(node.of('takeSnapshot')).toHaveLength(2);
  });

  it('does not try again by itself at once when one has failed', () => {
    const node = alone({ snapshotEntries: 5 });
    node.propose('x');
    expect(node.of('takeSnapshot')).toHaveLength(1);
    node.input({ type: 'SNAPSHOT_FAILED', reason: 'disk full' });
    node.propose('y');
    expect(node.of('takeSnapshot')).toHaveLength(1);
    node.pass(5001);
    node.propose('z');
    expect(node.of('takeSnapshot')).toHaveLength(2);
  });

  it('does not take what the leader sends until it is done', () => {
    const node = follower({ entries: log(1, 1, 1) });
    ask(node);
    node.receive('b', piece(snapshotOf(9), 0));
    node.input({ type: 'IMAGE_TAKEN' });
    node.receive('b', piece(snapshotOf(9), 0));
    expect(node.of('writePiece')).toEqual([]);
    expect(node.sent('snapshotAnswer').map(({ status }) => status)).toEqual(['busy', 'busy']);
    node.input({ type: 'SNAPSHOT_SAVED', id: snapshotOf(3) });
    node.receive('b', piece(snapshotOf(9), 0));
    expect(node.of('writePiece')).toHaveLength(1);
  });
});

describe('a node that is sent a snapshot', () => {
  it('writes it piece by piece, then checks it', () => {
    const node = follower();
    receiveAll(node, snapshotOf(9));
    expect(node.of('writePiece').map(({ offset }) => offset)).toEqual([0, 100, 200]);
    expect(node.sent('snapshotAnswer').map(({ offset }) => offset)).toEqual([100, 200, 300]);
    expect(node.of('checkSnapshot')).toMatchObject([{ id: snapshotOf(9) }]);
    expect(node.core.snapshotState).toBe('checking');
  });

  it('puts it in the place of log and state: first on the disk, then in the log there, then in the state machine', () => {
    const node = follower({ entries: log(1, 1) });
    node.syncs = false;
    const id = snapshotOf(9);
    receiveAll(node, id);
    node.clear();
    node.input({ type: 'SNAPSHOT_CHECKED', id, meta: metaOf(id) });
    expect(node.of('persist')).toMatchObject([{ base: { index: 9, term: 1 } }]);
    expect(node.of('installSnapshot')).toEqual([]);
    node.sync();
    expect(node.of('installSnapshot')).toMatchObject([{ id }]);
    expect(node.core.appliedIndex).toBe(2);
    node.input({ type: 'SNAPSHOT_INSTALLED' });
    expect([node.core.appliedIndex, node.core.commitIndex, node.core.log.firstIndex]).toEqual([9, 9, 10]);
    expect(node.of('snapshotInstalled')).toHaveLength(1);
    expect(node.sent('snapshotAnswer').at(-1)).toMatchObject({ status: 'done', index: 9 });
  });

  it('applies entries again afterwards', () => {
    const node = follower();
    const id = snapshotOf(9);
    receiveAll(node, id);
    node.input({ type: 'SNAPSHOT_CHECKED', id, meta: metaOf(id) });
    const next = { ...(log(2)[0] as ReturnType<typeof log>[number]), index: 10 };
    const more = { term: 2, prevIndex: 9, prevTerm: 1, commit: 10, entries: [next] } as const;
    node.receive('b', { type: 'append', ...more });
    expect(node.of('apply')).toEqual([]);
    node.input({ type: 'SNAPSHOT_INSTALLED' });
    expect(node.of('apply')).toMatchObject([{ lastIndex: 10 }]);
    expect(node.core.snapshotState).toBe('idle');
  });

  it('lets a batch that is with the state machine finish first', () => {
    const node = follower();
    node.applies = false;
    node.receive('b', { type: 'append', term: 2, prevIndex: 0, prevTerm: 0, commit: 2, entries: log(1, 1) });
    const id = snapshotOf(9);
    receiveAll(node, id);
    node.input({ type: 'SNAPSHOT_CHECKED', id, meta: metaOf(id) });
    expect([node.core.snapshotState, node.core.log.firstIndex]).toEqual(['waiting', 1]);
    node.apply();
    expect([node.core.snapshotState, node.core.log.firstIndex]).toEqual(['installing', 10]);
  });

  it('does not install what the state machine has caught up with meanwhile, and goes on applying', () => {
    const node = follower();
    const id = snapshotOf(2);
    receiveAll(node, id);
    const all = log(1, 1, 1);
    node.receive('b', { type: 'append', term: 2, prevIndex: 0, prevTerm: 0, commit: 2, entries: all });
    expect(node.core.appliedIndex).toBe(2);
    node.input({ type: 'SNAPSHOT_CHECKED', id, meta: metaOf(id) });
    expect([node.core.snapshotState, node.of('installSnapshot')]).toEqual(['idle', []]);
    expect(node.core.snapshot).toEqual(id);
    node.receive('b', { type: 'commit', term: 2, commit: 3 });
    expect(node.core.appliedIndex).toBe(3);
  });

  it('refuses one that is not what it said it was, and takes another', () => {
    const node = follower();
    const id = snapshotOf(9);
    receiveAll(node, id);
    node.clear();
    node.input({ type: 'SNAPSHOT_CHECKED', id, meta: null });
    expect(node.sent('snapshotAnswer')).toMatchObject([{ status: 'refused', index: 9 }]);
    expect([node.core.log.firstIndex, node.of('persist')]).toEqual([1, []]);
    node.receive('b', piece(snapshotOf(11), 0));
    expect(node.of('writePiece')).toHaveLength(1);
  });

  it('says that it failed, not that it was damaged, when it cannot be checked', () => {
    const node = follower();
    receiveAll(node, snapshotOf(9));
    node.clear();
    node.input({ type: 'SNAPSHOT_FAILED', reason: 'disk' });
    expect([node.sent('snapshotAnswer'), node.of('snapshotFailed')]).toMatchObject([
      [],
      [{ reason: 'disk' }],
    ]);
    expect(node.core.snapshotState).toBe('idle');
  });

  it('says that it failed when a piece cannot be written, and takes it from the beginning', () => {
    const node = follower();
    node.receive('b', piece(snapshotOf(9), 0));
    node.input({ type: 'SNAPSHOT_FAILED', reason: 'disk full' });
    expect([node.core.snapshotState, node.of('snapshotFailed')]).toMatchObject(['idle', [{}]]);
    node.clear();
    node.receive('b', piece(snapshotOf(9), 0));
    expect(node.of('writePiece')).toMatchObject([{ offset: 0 }]);
  });

  it('gives up when nothing more of it comes, so that it can take one of its own', () => {
    const node = follower({ entries: log(1, 1, 1) });
    node.receive('b', piece(snapshotOf(9), 0));
    node.input({ type: 'PIECE_WRITTEN', id: snapshotOf(9), end: 100 });
    ask(node);
    node.pass(1999);
    expect(node.of('takeSnapshot')).toEqual([]);
    node.pass(2);
    ask(node, 901);
    expect(node.of('takeSnapshot')).toHaveLength(1);
  });

  it('waits on as long as pieces come, and as long for another one that is sent instead', () => {
    const node = follower();
    node.receive('b', piece(snapshotOf(9), 0));
    node.pass(1500);
    node.input({ type: 'PIECE_WRITTEN', id: snapshotOf(9), end: 100 });
    node.pass(1500);
    expect(node.core.snapshotState).toBe('receiving');
    node.receive('b', piece(snapshotOf(12), 0));
    expect(node.of('writePiece').at(-1)).toMatchObject({ id: snapshotOf(12), offset: 0 });
    node.pass(1500);
    expect(node.core.snapshotState).toBe('receiving');
  });
});
