/** Every transition of `raft.progress`, seen from what the leader sends to a follower. */
import { describe, expect, it } from 'vitest';
import { Bench, log } from './support/bench.ts';
import { snapshotOf } from './support/snapshots.ts';

function leader(config: ConstructorParameters<typeof Bench>[0] = {}): Bench {
  const node = new Bench(config, { entries: log(1, 1, 1) });
  node.becomeLeader();
  return node;
}

const commands = (node: Bench, to: string): number[] =>
  node.sent('append', to).map(({ entries }) => entries.length);

describe('a follower that is probed', () => {
  it('gets one message, and no more until it answers', () => {
    const node = leader();
    node.propose('x');
    node.propose('y');
    expect(commands(node, 'b')).toEqual([1]);
  });

  it('is probed again without entries at each heartbeat', () => {
    const node = leader();
    node.clear();
    node.pass(100);
    expect(node.sent('append', 'b')).toHaveLength(2);
    expect(commands(node, 'b')).toEqual([0, 0]);
    expect(node.sent('append', 'b')[0]).toMatchObject({ prevIndex: 3, prevTerm: 1 });
  });

  it('is fed without waiting once it agrees', () => {
    const node = leader();
    node.accept('b');
    node.clear();
    node.propose('x');
    node.propose('y');
    expect(commands(node, 'b')).toEqual([1, 1]);
    expect(commands(node, 'c')).toEqual([]);
  });

  it('counts as agreeing when it answers a probe without anything new on its disk', () => {
    const node = leader();
    node.accept('b', 3);
    node.clear();
    node.propose('x');
    node.propose('y');
    expect(commands(node, 'b')).toEqual([1, 1]);
  });

  it('stays probed when it rejects, and gets the entries from where its hint says', () => {
    const node = leader();
    node.clear();
    node.receive('b', { type: 'appendRejected', term: 2, rejected: 3, hintIndex: 1, hintTerm: 1 });
    expect(node.sent('append', 'b')).toMatchObject([{ prevIndex: 1, prevTerm: 1 }]);
    expect(commands(node, 'b')).toEqual([3]);
    node.propose('x');
    expect(commands(node, 'b')).toEqual([3]);
  });

  it('is not thrown back by a rejection of an earlier probe', () => {
    const node = leader();
    node.receive('b', { type: 'appendRejected', term: 2, rejected: 3, hintIndex: 1, hintTerm: 1 });
    node.clear();
    node.receive('b', { type: 'appendRejected', term: 2, rejected: 3, hintIndex: 0, hintTerm: 0 });
    expect(node.sent('append', 'b')).toEqual([]);
  });
});

describe('a follower that is fed', () => {
  it('is probed again when it lacks something', () => {
    const node = leader();
    node.accept('b');
    node.propose('x');
    node.propose('y');
    node.clear();
    node.receive('b', { type: 'appendRejected', term: 2, rejected: 5, hintIndex: 4, hintTerm: 2 });
    expect(node.sent('append', 'b')).toMatchObject([{ prevIndex: 4 }]);
    expect(commands(node, 'b')).toEqual([2]);
    node.propose('z');
    expect(commands(node, 'b')).toEqual([2]);
    node.accept('b', 6);
    expect(commands(node, 'b')).toEqual([2, 1]);
  });

  it('is fed on when a rejection is older than what it has acknowledged', () => {
    const node = leader();
    node.accept('b');
    node.clear();
    node.receive('b', { type: 'appendRejected', term: 2, rejected: 3, hintIndex: 1, hintTerm: 1 });
    node.propose('x');
    node.propose('y');
    expect(commands(node, 'b')).toEqual([1, 1]);
  });

  it('gets no more messages at once than the window allows, and the rest in batches', () => {
    const node = leader({ inflightMessagesMax: 3 });
    node.accept('b');
    node.clear();
    for (let i = 0; i < 10; i++) node.propose(String(i));
    expect(commands(node, 'b')).toEqual([1, 1, 1]);
    node.accept('b', 5);
    expect(commands(node, 'b')).toEqual([1, 1, 1, 7]);
  });

  it('gets no more bytes at once than the window allows', () => {
    const node = leader({ inflightBytesMax: 3000 });
    node.accept('b');
    node.clear();
    for (let i = 0; i < 5; i++) node.propose('x'.repeat(1500));
    expect(commands(node, 'b')).toEqual([1, 1]);
    node.accept('b', 5);
    expect(commands(node, 'b')).toEqual([1, 1, 3]);
  });

  it('gets batches of bounded size', () => {
    const node = leader({ appendBytesMax: 4000, inflightMessagesMax: 1 });
    node.accept('b');
    node.clear();
    for (let i = 0; i < 7; i++) node.propose('x'.repeat(1500));
    node.accept('b', 5);
    expect(commands(node, 'b')).toEqual([1, 2]);
    node.accept('b', 7);
    node.accept('b', 9);
    expect(commands(node, 'b')).toEqual([1, 2, 2, 2]);
  });
});

describe('a follower that is behind the log', () => {
  const behind = (config: ConstructorParameters<typeof Bench>[0] = {}): Bench => {
    const past = { base: { index: 3, term: 1 }, entries: log(1, 1, 1, 1, 1).slice(3), appliedIndex: 3 };
    const node = new Bench(config, { ...past, snapshot: snapshotOf(3) });
    node.becomeLeader();
    node.clear();
    return node;
  };
  const lacksAll = { type: 'appendRejected', term: 2, rejected: 5, hintIndex: 0, hintTerm: 0 } as const;

  it('is sent a snapshot and no entries, until it holds what the log begins behind', () => {
    const node = behind();
    node.receive('b', lacksAll);
    node.propose('x');
    node.pass(60);
    expect([node.of('readSnapshot').length, node.sent('append', 'b')]).toEqual([1, []]);
    node.receive('b', { type: 'snapshotAnswer', term: 2, index: 3, offset: 300, status: 'done' });
    expect(node.sent('append', 'b')).toMatchObject([{ prevIndex: 3, entries: { length: 4 } }]);
    node.propose('y');
    expect(node.sent('append', 'b')).toHaveLength(1);
    node.accept('b', 7);
    node.propose('z');
    expect(commands(node, 'b')).toEqual([4, 1, 1]);
  });

  it('is sent entries when it turns out to hold enough, however it came by it', () => {
    const node = behind();
    node.receive('b', lacksAll);
    node.accept('b', 4);
    expect(node.sent('append', 'b')).toMatchObject([{ prevIndex: 4 }]);
  });

  it('is sent a snapshot when the log is shortened past it while it is fed', () => {
    const node = behind({ inflightMessagesMax: 1 });
    node.accept('b', 4);
    node.accept('c');
    node.propose('x');
    node.accept('c');
    for (const command of ['y', 'z']) {
      node.propose(command);
      node.accept('c');
    }
    node.input({ type: 'SNAPSHOT', ref: 900 });
    node.input({ type: 'IMAGE_TAKEN' });
    node.input({ type: 'SNAPSHOT_SAVED', id: snapshotOf(9, 2) });
    node.clear();
    node.pass(50);
    expect(node.of('readSnapshot')).toMatchObject([{ to: 'b', id: { index: 9 } }]);
  });
});
