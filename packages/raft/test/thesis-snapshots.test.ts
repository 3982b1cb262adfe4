/** Snapshots and sessions as the thesis has them (5.1, 6.3), between whole replicas. */
import { type Disk, memoryDisk } from '@cluster/core';
import { describe, expect, it } from 'vitest';
import { MemoryLogStorage } from '../src/index.ts';
import { Bench, log } from './support/bench.ts';
import { errorOf, proposeAndWait, TestGroup, valueOf } from './support/group.ts';
import { words } from './support/ledger.ts';
import { follower, metaOf, piece, receiveAll, snapshotOf } from './support/snapshots.ts';

const three = ['a', 'b', 'c'];
const config = { logTailEntries: 0, snapshotPieceBytes: 1024, snapshotEntries: 1_000_000 };

/** Writes through the leader until all that run have applied it. */
function write(group: TestGroup, count: number, prefix = 'line'): void {
  const leader = group.leader?.name ?? '';
  for (let i = 1; i <= count; i++) proposeAndWait(group, leader, `${prefix} ${i} ${'x'.repeat(40)}`);
}

function snapshot(group: TestGroup, name: string): number {
  let index = 0;
  group.node(name).replica.snapshot((outcome) => {
    if (outcome.ok) index = outcome.value;
  });
  group.clock.advanceUntil(() => index > 0);
  return index;
}

describe('a snapshot (thesis 5.1)', () => {
  it('5.1: carries the last index and term, the configuration and the client sessions', () => {
    const entries = [{ ...log(1)[0], kind: 'openSession' as const, command: new Uint8Array(0) }];
    const node = new Bench({ voters: ['a'] }, { entries: entries as ReturnType<typeof log> });
    node.passElectionTimeout();
    node.propose('x', { session: { clientId: 1, sequence: 1 } });
    node.input({ type: 'SNAPSHOT', ref: 900 });
    expect(node.of('takeSnapshot')[0]?.meta).toEqual({
      index: 3,
      term: 2,
      configuration: expect.objectContaining({ voters: ['a'] }),
      sessions: [
        { clientId: 1, owner: '', lastIndex: 3, results: [{ sequence: 1, result: new Uint8Array([3]) }] },
      ],
    });
  });

  it('5.1: takes the place of the log before it, in memory and on the disk, but for a tail', () => {
    const group = new TestGroup(['a'], { config: { ...config, logTailEntries: 5 } });
    group.electLeader();
    write(group, 20);
    const index = snapshot(group, 'a');
    const { replica, storage } = group.node('a');
    expect(replica.status()).toMatchObject({ firstIndex: index - 4, lastIndex: index, snapshot: { index } });
    replica.stop();
    new MemoryLogStorage(storage as MemoryLogStorage).recover(0, (outcome) => {
      expect(outcome).toMatchObject({ value: { base: { index: index - 5 }, entries: { length: 5 } } });
    });
  });

  it('5.1.1: is taken by each replica on its own when its log has grown by so many entries, or bytes', () => {
    for (const policy of [{ snapshotEntries: 10 }, { snapshotBytes: 1024 }]) {
      const group = new TestGroup(three, { config: { ...config, ...policy } });
      group.electLeader();
      write(group, 30);
      group.clock.advance(500);
      for (const { replica, events } of group.nodes.values()) {
        expect(replica.status().lastIndex - replica.status().firstIndex).toBeLessThan(15);
        expect(events.filter(({ type }) => type === 'SnapshotTaken').length).toBeGreaterThan(1);
      }
    }
  });

  it('5.1: 39 and 43, gives a state machine that has lost everything its state back, sessions included', () => {
    const group = new TestGroup(['a'], { config });
    group.electLeader();
    const session = { clientId: 0, sequence: 1 };
    group.node('a').replica.openSession((outcome) => {
      if (outcome.ok) session.clientId = outcome.value;
    });
    group.clock.advanceUntil(() => session.clientId > 0);
    const first = group.propose('a', 'once', { session });
    group.clock.advanceUntil(() => first.outcome !== undefined);
    snapshot(group, 'a');
    write(group, 3);
    group.crash('a');
    group.node('a').ledger.forget();
    group.restart('a');
    group.electLeader();
    const again = group.propose('a', 'once', { session });
    group.clock.advanceUntil(() => again.outcome !== undefined);
    expect(words(valueOf(again).result)).toBe(words(valueOf(first).result));
    const { lines } = group.node('a').ledger;
    expect([lines.length, lines.filter((line) => line === 'once').length]).toEqual([4, 1]);
  });
});

describe('a follower that is sent a snapshot (thesis 5.1, figure 5.3)', () => {
  it('5.1: 40, keeps what follows the snapshot in its log when that matches', () => {
    const node = follower({ entries: log(1, 1, 1, 1, 1), appliedIndex: 1 });
    node.receive('b', piece(snapshotOf(3), 0));
    expect([node.of('writePiece'), node.core.lastIndex]).toEqual([[], 5]);
    expect(node.sent('snapshotAnswer')).toMatchObject([{ status: 'done', index: 3 }]);
  });

  it('5.1: 40, drops all of a log that does not go through the snapshot', () => {
    const node = follower({ entries: log(1, 1, 1, 1, 1) });
    const other = snapshotOf(7, 2);
    receiveAll(node, other);
    node.input({ type: 'SNAPSHOT_CHECKED', id: other, meta: metaOf(other) });
    expect([node.core.log.firstIndex, node.core.lastIndex, node.core.log.lastTerm]).toEqual([8, 7, 2]);
  });

  it('5.1: 40, keeps entries that came behind the snapshot while it was on its way', () => {
    const node = follower();
    receiveAll(node, snapshotOf(2));
    node.receive('b', {
      type: 'append',
      term: 2,
      prevIndex: 0,
      prevTerm: 0,
      commit: 0,
      entries: log(1, 1, 1, 1),
    });
    node.input({ type: 'SNAPSHOT_CHECKED', id: snapshotOf(2), meta: metaOf(snapshotOf(2)) });
    expect([node.core.log.firstIndex, node.core.lastIndex]).toEqual([3, 4]);
  });

  it('5.1: 40, ignores one that is older than what it has committed', () => {
    const node = follower({ entries: log(1, 1, 1, 1), appliedIndex: 4 });
    node.receive('b', piece(snapshotOf(2, 9), 0));
    expect([node.of('writePiece'), node.of('persist'), node.core.lastIndex]).toEqual([[], [], 4]);
    expect(node.sent('snapshotAnswer')).toMatchObject([{ status: 'done', index: 2 }]);
  });

  it('3.8: says that it holds a snapshot only when its log on the disk begins behind it', () => {
    const node = follower();
    node.syncs = false;
    receiveAll(node, snapshotOf(9));
    node.input({ type: 'SNAPSHOT_CHECKED', id: snapshotOf(9), meta: metaOf(snapshotOf(9)) });
    node.clear();
    node.receive('b', piece(snapshotOf(9), 300, 0));
    expect(node.sent('snapshotAnswer')).toEqual([]);
    node.sync();
    node.receive('b', piece(snapshotOf(9), 300, 0));
    expect(node.sent('snapshotAnswer')).toMatchObject([{ status: 'done' }]);
  });

  it('5.1: 41, writes a piece once, and each where the one before ended', () => {
    const node = follower();
    const id = snapshotOf(9);
    node.receive('b', piece(id, 100));
    node.receive('b', piece(id, 0));
    node.receive('b', piece(id, 0));
    node.input({ type: 'PIECE_WRITTEN', id, end: 100 });
    node.receive('b', piece(id, 0));
    node.receive('b', piece(id, 200));
    expect(node.of('writePiece').map(({ offset }) => offset)).toEqual([0]);
    expect(node.sent('snapshotAnswer').at(-1)).toMatchObject({ status: 'more', offset: 100 });
  });

  it('5.1: 41, goes on from where it was when the leader comes back after a silence', () => {
    const node = follower();
    const id = snapshotOf(9);
    node.receive('b', piece(id, 0));
    node.input({ type: 'PIECE_WRITTEN', id, end: 100 });
    node.pass(5000);
    node.receive('b', piece(id, 0, 0, node.core.currentTerm));
    expect(node.sent('snapshotAnswer').at(-1)).toMatchObject({ offset: 100 });
    node.receive('b', piece(id, 100, 100, node.core.currentTerm));
    expect(node.of('writePiece').map(({ offset }) => offset)).toEqual([0, 100]);
  });

  it('5.1: counts a piece beyond the end of its snapshot as impossible', () => {
    const node = follower();
    node.receive('b', piece(snapshotOf(9), 250));
    expect(node.of('rejected')).toMatchObject([{ reason: 'pieceBeyondEnd' }]);
  });

  it('5.1: takes an append that begins before its snapshot as far as it goes beyond', () => {
    const node = new Bench({}, { base: { index: 3, term: 1 }, appliedIndex: 3, snapshot: snapshotOf(3) });
    node.receive('b', {
      type: 'append',
      term: 2,
      prevIndex: 1,
      prevTerm: 1,
      commit: 4,
      entries: log(1, 1, 1, 1).slice(1),
    });
    expect([node.core.lastIndex, node.core.commitIndex]).toEqual([4, 4]);
    node.receive('b', { type: 'append', term: 2, prevIndex: 0, prevTerm: 0, commit: 0, entries: [] });
    expect(node.sent('appendAccepted').at(-1)).toMatchObject({ match: 4 });
  });
});

describe('a node that starts between two steps (thesis 3.8, 5.1)', () => {
  it('5.1: makes its log begin behind a snapshot that arrived before the crash, and says nothing before', () => {
    const past = { entries: log(1, 1), appliedIndex: 9, snapshot: snapshotOf(9) };
    const node = new Bench({}, past);
    expect(node.of('persist')).toMatchObject([{ base: { index: 9, term: 1 } }]);
    expect([node.core.log.firstIndex, node.core.lastIndex]).toEqual([10, 9]);
    expect(node.core.durableIndex).toBe(9);
  });

  it('5.1: leaves a log alone that goes through its snapshot', () => {
    const node = new Bench({}, { entries: log(1, 1, 1), appliedIndex: 2, snapshot: snapshotOf(2) });
    expect([node.of('persist'), node.core.log.firstIndex]).toEqual([[], 1]);
  });

  /** One whose log begins behind a snapshot that somebody has deleted. */
  function bereft(): TestGroup {
    const group = new TestGroup(['a'], { config });
    group.electLeader();
    write(group, 5);
    snapshot(group, 'a');
    group.crash('a');
    const { disk } = group.node('a');
    disk.list('snapshots', (outcome) => {
      if (outcome.ok) for (const name of outcome.value) disk.remove(`snapshots/${name}`, () => undefined);
    });
    return group;
  }

  it('5.1: refuses to start with a log whose beginning nobody has', () => {
    const group = bereft();
    group.node('a').ledger.forget();
    expect(() => group.restart('a')).toThrow(expect.objectContaining({ code: 'RAFT_SNAPSHOT_MISSING' }));
  });

  it('4.1, 5.1: refuses as well when its state machine has it all: who the members were is in the snapshot alone', () => {
    expect(() => bereft().restart('a')).toThrow(expect.objectContaining({ code: 'RAFT_SNAPSHOT_MISSING' }));
  });
});

describe('a follower that is behind the log (thesis 5.1)', () => {
  /** One was away while the others went on and forgot. */
  function away(options: ConstructorParameters<typeof TestGroup>[1] = {}): {
    group: TestGroup;
    late: string;
  } {
    const group = new TestGroup(three, { config, ...options });
    const leader = group.electLeader();
    write(group, 3);
    const late = three.find((name) => name !== leader.name) as string;
    group.network.cut(late);
    write(group, 60);
    for (const name of three) if (name !== late) snapshot(group, name);
    write(group, 3, 'after');
    return { group, late };
  }
  const caughtUp = (group: TestGroup, late: string): boolean =>
    group.node(late).ledger.lines.length === group.leader?.ledger.lines.length;

  it('5.1: 42, gets a snapshot, and then entries again', () => {
    const { group, late } = away();
    group.network.mend(late);
    group.clock.advanceUntil(() => caughtUp(group, late));
    expect(group.node(late).events.filter(({ type }) => type === 'SnapshotInstalled')).toHaveLength(1);
    write(group, 2, 'later');
    group.clock.advance(200);
    expect(group.node(late).ledger.lines).toEqual(group.leader?.ledger.lines);
    expect(group.node(late).events.filter(({ type }) => type === 'SnapshotInstalled')).toHaveLength(1);
  });

  it('5.1: 41, gets all of it though pieces are lost, doubled and late', () => {
    const { group, late } = away();
    let count = 0;
    group.network.tamper((_from, _to, message) => {
      if (message.type !== 'snapshotPiece' && message.type !== 'snapshotAnswer') return [message];
      count++;
      return count % 3 === 0 ? [] : count % 3 === 1 ? [message, message] : [message];
    });
    group.network.mend(late);
    group.clock.advanceUntil(() => caughtUp(group, late));
    expect(group.node(late).ledger.lines).toEqual(group.leader?.ledger.lines);
  });

  it('5.1: 41, refuses a snapshot that was damaged on the way, and gets another', () => {
    const { group, late } = away();
    let damaged = 0;
    group.network.tamper((_from, _to, message) => {
      if (message.type !== 'snapshotPiece' || message.bytes.length < 200 || damaged > 0) return [message];
      damaged++;
      const bytes = message.bytes.slice();
      bytes[150] = (bytes[150] ?? 0) ^ 1;
      return [{ ...message, bytes }];
    });
    group.network.mend(late);
    group.clock.advanceUntil(() => caughtUp(group, late));
    expect([damaged, group.node(late).ledger.lines]).toEqual([1, group.leader?.ledger.lines]);
    expect(group.leader?.events.filter(({ type }) => type === 'SnapshotTaken')).toHaveLength(2);
  });

  it('5.1: 41, refuses a snapshot that went bad on the leader’s disk; the leader takes another', () => {
    const disks = new Map<string, Disk>();
    const { group, late } = away({
      disk: (name) => {
        const disk = memoryDisk();
        disks.set(name, disk);
        return disk;
      },
    });
    for (const [name, disk] of disks) if (name !== late) flipOneBit(disk);
    group.network.mend(late);
    group.clock.advanceUntil(() => caughtUp(group, late));
    expect(group.node(late).ledger.lines).toEqual(group.leader?.ledger.lines);
  });

  it('6.3: 43, applies a retried command once, over a snapshot and a change of leader', () => {
    const group = new TestGroup(three, { config });
    const leader = group.electLeader();
    const session = { clientId: 0, sequence: 1 };
    leader.replica.openSession((outcome) => {
      if (outcome.ok) session.clientId = outcome.value;
    });
    group.clock.advanceUntil(() => session.clientId > 0);
    const late = group.followers[0]?.name ?? '';
    group.network.cut(late);
    const first = group.propose(leader.name, 'once', { session });
    group.clock.advanceUntil(() => first.outcome !== undefined);
    write(group, 3);
    for (const name of three) if (name !== late) snapshot(group, name);
    group.network.mend(late);
    group.clock.advanceUntil(() => caughtUp(group, late));
    let handed = false;
    leader.replica.transferLeadership(late, () => (handed = true));
    group.clock.advanceUntil(() => handed && group.leader?.name === late);
    const again = group.propose(late, 'once', { session });
    group.clock.advanceUntil(() => again.outcome !== undefined);
    expect(words(valueOf(again).result)).toBe(words(valueOf(first).result));
    expect(group.node(late).ledger.lines.filter((line) => line === 'once')).toHaveLength(1);
  });

  it('6.3: 44, refuses an expired session, on a replica that knows of it from a snapshot only, too', () => {
    const group = new TestGroup(three, { config: { ...config, sessionsMax: 2 } });
    const leader = group.electLeader();
    const late = group.followers[0]?.name ?? '';
    group.network.cut(late);
    const ids: number[] = [];
    for (let i = 1; i <= 3; i++) {
      leader.replica.openSession((outcome) => {
        if (outcome.ok) ids.push(outcome.value);
      });
      group.clock.advanceUntil(() => ids.length === i);
    }
    for (const name of three) if (name !== late) snapshot(group, name);
    group.network.mend(late);
    group.clock.advanceUntil(() => group.node(late).replica.status().appliedIndex >= (ids[2] ?? 0));
    expect(ids.map((id) => group.node(late).replica.core.sessionOwner(id))).toEqual([undefined, '', '']);
    let handed = false;
    leader.replica.transferLeadership(late, () => (handed = true));
    group.clock.advanceUntil(() => handed && group.leader?.name === late);
    const call = group.propose(late, 'too late', { session: { clientId: ids[0] ?? 0, sequence: 1 } });
    group.clock.advanceUntil(() => call.outcome !== undefined);
    expect(errorOf(call).code).toBe('RAFT_SESSION_EXPIRED');
  });

  it('6.3: says of a proposal that a snapshot has passed over that its outcome is not known', () => {
    const group = new TestGroup(three, { config });
    const leader = group.electLeader();
    write(group, 3);
    group.network.cut(leader.name);
    const lost = group.propose(leader.name, 'mine', { timeoutMs: 60_000 });
    group.clock.advanceUntil(() => group.leader !== undefined && group.leader.name !== leader.name);
    write(group, 20);
    for (const name of three) if (name !== leader.name) snapshot(group, name);
    group.network.mend(leader.name);
    group.clock.advanceUntil(() => lost.outcome !== undefined);
    expect(errorOf(lost)).toMatchObject({ code: 'RAFT_OUTCOME_UNKNOWN', retry: 'unsafe' });
  });
});

function flipOneBit(disk: Disk): void {
  disk.list('snapshots', (names) => {
    for (const name of names.ok ? names.value : []) {
      disk.open(`snapshots/${name}`, { create: false }, (file) => {
        if (!file.ok) return;
        file.value.read(200, 1, (byte) => {
          if (byte.ok) file.value.write(200, Uint8Array.of((byte.value[0] ?? 0) ^ 1), () => undefined);
        });
      });
    }
  });
}
