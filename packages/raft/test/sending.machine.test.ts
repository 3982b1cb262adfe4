/** Every transition of `raft.sending`, seen from what a leader reads and sends. */
import { describe, expect, it } from 'vitest';
import type { RaftMessage, SnapshotId } from '../src/index.ts';
import { Bench, log } from './support/bench.ts';
import { snapshotOf } from './support/snapshots.ts';

type Answer = Extract<RaftMessage, { type: 'snapshotAnswer' }>;

const id = snapshotOf(3);

/** Leads term 2 with a log behind index 3, and b has nothing. */
function leader(
  snapshot: SnapshotId | null = id,
  config: ConstructorParameters<typeof Bench>[0] = {},
): Bench {
  const entries = log(1, 1, 1, 1, 1).slice(3);
  const past = { base: { index: 3, term: 1 }, entries, appliedIndex: 3, snapshot };
  const node = new Bench({ snapshotPieceBytes: 100, snapshotBytesPerSecondMax: 10_000, ...config }, past);
  node.becomeLeader();
  node.accept('c');
  node.clear();
  node.receive('b', { type: 'appendRejected', term: 2, rejected: 5, hintIndex: 0, hintTerm: 0 });
  return node;
}

const reads = (node: Bench): unknown[] =>
  node.of('readSnapshot').map(({ offset, length }) => [offset, length]);

function read(node: Bench, offset: number, of = id): void {
  node.input({ type: 'SNAPSHOT_READ', to: 'b', id: of, offset, bytes: new Uint8Array(100) });
}

const answer = (node: Bench, more: Partial<Answer>): void =>
  node.receive('b', { type: 'snapshotAnswer', term: 2, index: 3, offset: 0, status: 'more', ...more });

describe('a leader that sends a snapshot', () => {
  it('reads and sends a piece at a time, each after an answer and a pause that bounds the rate', () => {
    const node = leader();
    expect(reads(node)).toEqual([[0, 100]]);
    read(node, 0);
    expect(node.sent('snapshotPiece', 'b')).toMatchObject([{ offset: 0, snapshot: id }]);
    answer(node, { offset: 100 });
    node.pass(9);
    expect(reads(node)).toHaveLength(1);
    node.pass(1);
    expect(reads(node)).toEqual([
      [0, 100],
      [100, 100],
    ]);
  });

  it('pauses as long as a piece has taken, so that it takes turns with what else the machines do', () => {
    const node = leader();
    node.pass(20);
    read(node, 0);
    node.pass(15);
    answer(node, { offset: 100 });
    node.pass(34);
    expect(reads(node)).toHaveLength(1);
    node.pass(1);
    expect(reads(node)).toHaveLength(2);
  });

  it('sends a piece again that is not answered', () => {
    const node = leader(id, { checkQuorum: false });
    read(node, 0);
    node.pass(499);
    expect(reads(node)).toHaveLength(1);
    node.pass(1);
    expect(reads(node)).toEqual([
      [0, 100],
      [0, 100],
    ]);
  });

  it('sends a piece again that the follower says three times it has not got', () => {
    const node = leader();
    read(node, 0);
    answer(node, { offset: 0 });
    answer(node, { offset: 0 });
    expect(reads(node)).toHaveLength(1);
    answer(node, { offset: 0 });
    expect(reads(node)).toEqual([
      [0, 100],
      [0, 100],
    ]);
    // It is being read again: what was under way meanwhile asks for no third one.
    answer(node, { offset: 0 });
    expect(reads(node)).toHaveLength(2);
  });

  it('goes on from where the follower says its file ends, before or behind', () => {
    const node = leader();
    read(node, 0);
    answer(node, { offset: 200 });
    node.pass(10);
    read(node, 200);
    answer(node, { offset: 100 });
    node.pass(10);
    expect(reads(node)).toEqual([
      [0, 100],
      [200, 100],
      [100, 100],
    ]);
  });

  it('is not moved by an answer that says what it knows, nor by one that says later', () => {
    const node = leader();
    read(node, 0);
    answer(node, { offset: 0 });
    answer(node, { offset: 100, status: 'busy' });
    node.pass(100);
    expect(reads(node)).toHaveLength(1);
  });

  it('asks with every heartbeat how far the follower is, which keeps the contact', () => {
    const node = leader();
    read(node, 0);
    node.clear();
    node.pass(50);
    expect(node.sent('append', 'b')).toEqual([]);
    expect(node.sent('snapshotPiece', 'b')).toMatchObject([{ offset: 0, bytes: { length: 0 } }]);
  });

  it('reads nothing more when all of it is there, and waits for the follower to have it in place', () => {
    const node = leader(id, { checkQuorum: false });
    read(node, 0);
    answer(node, { offset: 300 });
    node.pass(600);
    expect(reads(node)).toHaveLength(1);
    node.clear();
    answer(node, { status: 'done' });
    expect(node.sent('append', 'b')).toMatchObject([{ prevIndex: 3, prevTerm: 1 }]);
  });

  it('begins anew when a follower that had all of it has lost it', () => {
    const node = leader();
    read(node, 0);
    answer(node, { offset: 300 });
    answer(node, { offset: 0 });
    node.pass(10);
    expect(reads(node)).toEqual([
      [0, 100],
      [0, 100],
    ]);
  });

  it.each(['at the end', 'on the way'])(
    'takes another snapshot when the follower refuses this one %s',
    (when) => {
      const node = leader();
      read(node, 0);
      if (when === 'at the end') answer(node, { offset: 300 });
      answer(node, { status: 'refused' });
      expect(node.of('takeSnapshot')).toHaveLength(1);
      node.input({ type: 'IMAGE_TAKEN' });
      node.input({ type: 'SNAPSHOT_SAVED', id: snapshotOf(6, 2) });
      expect(node.of('readSnapshot').at(-1)).toMatchObject({ id: snapshotOf(6, 2), offset: 0 });
    },
  );

  it('takes another snapshot when this one cannot be read', () => {
    const node = leader();
    node.input({ type: 'SNAPSHOT_READ', to: 'b', id, offset: 0, bytes: null });
    expect(node.of('takeSnapshot')).toHaveLength(1);
    expect(node.sent('snapshotPiece', 'b')).toEqual([]);
  });

  it('takes one when there is none', () => {
    const node = leader(null);
    expect(reads(node)).toEqual([]);
    expect(node.of('takeSnapshot')).toMatchObject([{ meta: { index: 6 } }]);
    node.input({ type: 'IMAGE_TAKEN' });
    node.input({ type: 'SNAPSHOT_SAVED', id: snapshotOf(6, 2) });
    expect(reads(node)).toEqual([[0, 100]]);
  });

  it('keeps in the log what the follower will need after the snapshot', () => {
    const node = leader();
    read(node, 0);
    for (const command of ['x', 'y', 'z']) node.propose(command);
    node.accept('c');
    node.input({ type: 'SNAPSHOT', ref: 900 });
    node.input({ type: 'IMAGE_TAKEN' });
    node.input({ type: 'SNAPSHOT_SAVED', id: snapshotOf(9, 2) });
    expect(node.core.log.firstIndex).toBe(4);
    expect(node.of('keepSnapshots').at(-1)).toMatchObject({ ids: [{ index: 9 }, { index: 3 }] });
    answer(node, { status: 'done' });
    expect(node.of('keepSnapshots').at(-1)).toMatchObject({ ids: [{ index: 9 }] });
    // It has the snapshot, and needs what lies behind that until it has got it.
    expect(node.core.log.firstIndex).toBe(4);
    expect(node.sent('append', 'b').at(-1)).toMatchObject({ prevIndex: 3 });
    node.accept('b');
    node.accept('c');
    node.propose('more');
    node.accept('b');
    node.accept('c');
    node.input({ type: 'SNAPSHOT', ref: 901 });
    node.input({ type: 'IMAGE_TAKEN' });
    node.input({ type: 'SNAPSHOT_SAVED', id: snapshotOf(10, 2) });
    expect(node.core.log.firstIndex).toBe(11);
  });

  it('keeps nothing for a follower that has fallen silent behind its snapshot', () => {
    const node = leader(id, { checkQuorum: false });
    read(node, 0);
    answer(node, { status: 'done' });
    for (const command of ['x', 'y', 'z']) node.propose(command);
    node.pass(600);
    node.accept('c');
    node.input({ type: 'SNAPSHOT', ref: 900 });
    node.input({ type: 'IMAGE_TAKEN' });
    node.input({ type: 'SNAPSHOT_SAVED', id: snapshotOf(9, 2) });
    expect(node.core.log.firstIndex).toBe(10);
  });

  it.each([
    ['on the way', false],
    ['at the end', true],
  ])('sends the next one when the log has outgrown its bound, found out %s', (_, all) => {
    const node = leader(id, { logBytesMax: 10 });
    read(node, 0);
    if (all) answer(node, { offset: 300 });
    for (const command of ['x', 'y', 'z']) node.propose(command);
    node.accept('c');
    node.input({ type: 'SNAPSHOT', ref: 900 });
    node.input({ type: 'IMAGE_TAKEN' });
    node.input({ type: 'SNAPSHOT_SAVED', id: snapshotOf(9, 2) });
    expect(node.core.log.firstIndex).toBe(10);
    answer(node, { status: 'done' });
    expect(node.of('readSnapshot').at(-1)).toMatchObject({ id: snapshotOf(9, 2), offset: 0 });
  });

  it('keeps nothing for a follower that does not answer, which gets the latest one when it does', () => {
    const node = leader(id, { checkQuorum: false });
    for (let tries = 1; tries <= 3; tries++) {
      read(node, 0);
      node.pass(500);
    }
    expect(reads(node)).toHaveLength(4);
    read(node, 0);
    for (const command of ['x', 'y', 'z']) node.propose(command);
    node.accept('c');
    node.input({ type: 'SNAPSHOT', ref: 900 });
    node.input({ type: 'IMAGE_TAKEN' });
    node.input({ type: 'SNAPSHOT_SAVED', id: snapshotOf(9, 2) });
    expect(node.core.log.firstIndex).toBe(10);
    expect(node.of('keepSnapshots').at(-1)).toMatchObject({ ids: [{ index: 9 }, { index: 9 }] });
    expect(node.of('readSnapshot').at(-1)).toMatchObject({ id: snapshotOf(9, 2), offset: 0 });
  });

  it('stops when it does not lead any more', () => {
    const node = leader();
    read(node, 0);
    node.receive('c', { type: 'append', term: 5, prevIndex: 0, prevTerm: 0, commit: 0, entries: [] });
    node.clear();
    node.pass(200);
    expect(reads(node)).toEqual([]);
  });
});
