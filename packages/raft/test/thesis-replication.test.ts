/** One test per claim of Ongaro's thesis on log replication, commitment and durability; the section leads the name. */
import { describe, expect, it } from 'vitest';
import type { Entry } from '../src/index.ts';
import { Bench, BenchCluster, log } from './support/bench.ts';

const append = (
  term: number,
  prevIndex: number,
  prevTerm: number,
  entries: readonly Entry[] = [],
  commit = 0,
) => ({ type: 'append', term, prevIndex, prevTerm, commit, entries }) as const;
/** Entries `from`, `from + 1`, ... of these terms. */
const entries = (from: number, ...terms: number[]): Entry[] =>
  log(...terms).map((entry, i) => ({ ...entry, index: from + i }));

describe('a leader', () => {
  it('3.5: only appends to its log, and never rewrites it', () => {
    const node = new Bench({}, { entries: log(1, 1, 2) });
    node.becomeLeader();
    for (const command of ['x', 'y']) node.propose(command);
    node.receive('b', append(3, 1, 1, entries(2, 3)));
    node.receive('b', { type: 'appendRejected', term: 3, rejected: 3, hintIndex: 0, hintTerm: 0 });
    expect(node.terms).toEqual([1, 1, 2, 3, 3, 3]);
    expect(node.of('persist').every(({ truncateAfter }) => truncateAfter === null)).toBe(true);
  });

  it('3.5: finds where the logs agree a term at a time', () => {
    const leaderLog = log(1, 1, 1, ...Array.from({ length: 50 }, () => 5));
    const followerLog = log(1, 1, 1, ...Array.from({ length: 60 }, (_, i) => (i < 30 ? 2 : 3)));
    const cluster = new BenchCluster(
      ['a', 'b', 'c'],
      {},
      { a: { entries: leaderLog }, b: { entries: followerLog } },
    );
    let probes = 0;
    cluster.elect('a', ({ from, to, message }) => {
      if (from === 'a' && to === 'b' && message.type === 'append') probes++;
      return from !== 'c' && to !== 'c';
    });
    expect(cluster.node('b').terms).toEqual(cluster.node('a').terms);
    expect(probes).toBeLessThanOrEqual(4);
  });

  it('3.5: finds it as quickly when the follower merely lacks entries', () => {
    const long = log(...Array.from({ length: 100 }, (_, i) => 1 + Math.floor(i / 10)));
    const cluster = new BenchCluster(
      ['a', 'b', 'c'],
      {},
      { a: { entries: long }, b: { entries: long.slice(0, 7) } },
    );
    let probes = 0;
    cluster.elect('a', ({ from, to, message }) => {
      if (from === 'a' && to === 'b' && message.type === 'append' && cluster.node('b').core.lastIndex < 101)
        probes++;
      return from !== 'c' && to !== 'c';
    });
    expect(cluster.node('b').terms).toEqual(cluster.node('a').terms);
    expect(probes).toBeLessThanOrEqual(3);
  });

  it('3.5: commits nothing at a follower beyond where their logs are known to agree', () => {
    const node = new Bench({}, { entries: log(1, 1, 1) });
    node.receive('b', append(2, 1, 1, [], 9));
    expect(node.core.commitIndex).toBe(1);
    node.receive('b', { type: 'commit', term: 2, commit: 9 });
    expect(node.core.commitIndex).toBe(1);
    node.receive('b', append(2, 2, 1, [], 9));
    expect(node.core.commitIndex).toBe(2);
  });

  it('3.6.2: never commits an entry of an older term by counting (figure 3.7)', () => {
    const node = new Bench({ voters: ['a', 'b', 'c', 'd', 'e'] }, { entries: log(1, 2) });
    node.becomeLeader();
    node.accept('b', 2);
    node.accept('c', 2);
    node.accept('d', 2);
    expect(node.core.commitIndex).toBe(0);
    node.accept('b', 3);
    expect(node.core.commitIndex).toBe(0);
    node.accept('c', 3);
    expect(node.core.commitIndex).toBe(3);
  });

  it('3.6.2, 6.4: commits a no-op of its term first, and with it what was left', () => {
    const node = new Bench({}, { entries: log(1, 1) });
    node.becomeLeader();
    expect(node.core.log.entryAt(3)).toMatchObject({ kind: 'noop', term: 2 });
    expect(node.core.commitIndex).toBe(0);
    node.accept('b');
    expect(node.core.commitIndex).toBe(3);
    expect(node.applied.flatMap(({ entries: batch }) => batch.map(({ index }) => index))).toEqual([1, 2]);
  });

  it('10.2.1: sends entries to its followers before they are on its own disk', () => {
    const node = new Bench();
    node.becomeLeader();
    node.accept('b');
    node.syncs = false;
    node.clear();
    node.propose('x');
    expect(node.effects.map(({ type }) => type)).toEqual(['send', 'persist']);
  });

  it('10.2.1: counts its own entry only when it is on its disk', () => {
    const node = new Bench();
    node.becomeLeader();
    node.accept('b');
    node.syncs = false;
    node.propose('x');
    expect(node.core.commitIndex).toBe(1);
    node.accept('b');
    expect(node.core.commitIndex).toBe(1);
    node.sync();
    expect(node.core.commitIndex).toBe(2);
  });

  it('10.2.1: does not count the disk’s word for an entry that was cut off, though it leads again', () => {
    const node = new Bench();
    node.becomeLeader();
    node.accept('b');
    node.syncs = false;
    node.propose('x');
    node.propose('y');
    const own = node.of('persist').at(-1)?.sequence ?? 0;
    node.receive('c', append(2, 1, 1, entries(2, 2)));
    node.receive('c', { type: 'timeoutNow', term: 2 });
    // Votes are asked for when one's own is on the disk, and what was written earlier with it: these come unasked. The rule stands alone.
    for (const from of ['b', 'c'])
      node.receive(from, { type: 'voteResponse', term: 3, pre: false, granted: true });
    expect([node.core.role, node.terms]).toEqual(['leader', [1, 2, 3]]);
    node.accept('b');
    // It says that index 3 is on the disk, and means the `y` of term 1.
    node.input({ type: 'PERSISTED', sequence: own });
    expect([node.core.durableIndex, node.core.commitIndex]).toEqual([1, 1]);
    node.sync();
    expect([node.core.durableIndex, node.core.commitIndex]).toEqual([3, 3]);
  });

  it('10.2.1: commits without its own disk when a majority of the others has the entry, but applies after it', () => {
    const node = new Bench();
    node.becomeLeader();
    node.accept('b');
    node.syncs = false;
    node.propose('x');
    node.accept('b');
    node.accept('c');
    expect(node.core.commitIndex).toBe(2);
    expect(node.core.appliedIndex).toBe(1);
    node.sync();
    expect(node.core.appliedIndex).toBe(2);
  });

  it('10.2.1: tells an idle follower within a heartbeat how far the log is committed, once', () => {
    const node = new Bench();
    node.becomeLeader();
    node.accept('b');
    node.accept('c');
    node.propose('x');
    node.clear();
    node.accept('b');
    node.accept('c');
    node.pass(10);
    expect(node.sent('commit', 'b')).toEqual([{ type: 'commit', term: 1, commit: 2 }]);
    node.pass(10);
    expect(node.sent('commit', 'b')).toHaveLength(1);
  });

  it('10.2.1: the next entries bring the news of a commit along, and it is no message of its own', () => {
    const node = new Bench();
    node.becomeLeader();
    node.accept('b');
    node.accept('c');
    node.propose('x');
    node.accept('b');
    node.clear();
    node.propose('y');
    node.pass(5);
    expect(node.sent('append', 'b')).toMatchObject([{ commit: 2 }]);
    expect(node.sent('commit', 'b')).toEqual([]);
  });

  it('10.2.1: as long as entries follow one another no news of a commit goes alone; the last one does, a little later', () => {
    const node = new Bench();
    node.becomeLeader();
    for (let i = 0; i < 10; i++) {
      node.propose('x');
      node.accept('b');
      node.accept('c');
      node.pass(3);
    }
    expect(node.sent('commit')).toEqual([]);
    node.pass(10);
    expect(node.sent('commit', 'b')).toEqual([{ type: 'commit', term: 1, commit: 11 }]);
  });

  it('gives a follower that is far behind what is committed without it and a share of the rest, all when nothing is committed', () => {
    const node = new Bench({ inflightBytesMax: 1024, appendBytesMax: 256, catchUpMs: 1000 });
    node.becomeLeader();
    node.accept('b');
    node.accept('c');
    const commit = (count: number): void => {
      for (let i = 0; i < count; i++) node.propose('x');
      node.accept('b');
    };
    let seen = 0;
    /** Acknowledges what has come to c until nothing more comes. @returns how many entries did. */
    const follow = (): number => {
      const appends = node.sent('append', 'c').slice(seen);
      seen += appends.length;
      const last = appends.at(-1);
      if (last === undefined) return 0;
      node.accept('c', last.prevIndex + last.entries.length);
      return appends.reduce((sum, { entries }) => sum + entries.length, 0) + follow();
    };
    commit(200);
    node.pass(60);
    commit(5);
    node.pass(50);
    follow();
    commit(5);
    // 5 entries of 33 bytes are committed from heartbeat to heartbeat; 170 are missing, of which a twentieth goes with each.
    node.pass(40);
    const paced = follow();
    expect(paced).toBeGreaterThan(10);
    expect(paced).toBeLessThan(25);
    node.pass(50);
    expect(follow()).toBeGreaterThan(100);
    expect(node.sent('append', 'c').reduce((sum, { entries }) => sum + entries.length, 0)).toBe(
      node.core.lastIndex,
    );
  });

  it('refuses an acknowledgement of entries it does not have', () => {
    const node = new Bench();
    node.becomeLeader();
    node.accept('b', 99);
    expect(node.of('rejected')).toMatchObject([{ reason: 'matchBeyondLog' }]);
    expect(node.core.commitIndex).toBe(0);
  });
});

describe('a follower', () => {
  it('3.5: refuses entries whose predecessor it lacks, or has from another term, with a hint', () => {
    const node = new Bench({}, { entries: log(1, 1, 2, 2, 4) });
    node.receive('b', append(5, 9, 5));
    node.receive('b', append(5, 5, 3));
    node.receive('b', append(5, 4, 1));
    expect(node.sent('appendRejected')).toMatchObject([
      { rejected: 9, hintIndex: 5, hintTerm: 4 },
      { rejected: 5, hintIndex: 4, hintTerm: 2 },
      { rejected: 4, hintIndex: 2, hintTerm: 1 },
    ]);
    expect(node.terms).toEqual([1, 1, 2, 2, 4]);
  });

  it('3.5: replaces a conflicting end and keeps what agrees', () => {
    const node = new Bench({}, { entries: log(1, 1, 2, 2, 2) });
    node.clear();
    node.receive('b', append(5, 1, 1, entries(2, 1, 2, 5)));
    expect(node.terms).toEqual([1, 1, 2, 5]);
    expect(node.of('persist')).toMatchObject([{ truncateAfter: 3, entries: [{ index: 4, term: 5 }] }]);
    expect(node.sent('appendAccepted')).toMatchObject([{ match: 4 }]);
  });

  it('3.5: an old, short append cuts nothing off', () => {
    const node = new Bench({}, { entries: log(1) });
    node.receive('b', append(2, 1, 1, entries(2, 2, 2, 2)));
    node.clear();
    node.receive('b', append(2, 1, 1, entries(2, 2)));
    node.receive('b', append(2, 0, 0));
    expect(node.terms).toEqual([1, 2, 2, 2]);
    expect(node.of('persist')).toEqual([]);
    expect(node.sent('appendAccepted').map(({ match }) => match)).toEqual([4, 4]);
  });

  it('3.5: duplicated and reordered appends leave one log', () => {
    const node = new Bench();
    const parts = [
      append(1, 0, 0, entries(1, 1, 1)),
      append(1, 2, 1, entries(3, 1)),
      append(1, 3, 1, entries(4, 1, 1)),
    ];
    for (const i of [2, 0, 1, 1, 0, 2, 2, 0]) node.receive('b', parts[i] as (typeof parts)[number]);
    expect(node.terms).toEqual([1, 1, 1, 1, 1]);
    expect(node.of('persist').flatMap((effect) => effect.entries.map(({ index }) => index))).toEqual([
      1, 2, 3, 4, 5,
    ]);
  });

  it('3.5: its commit index is the lower of the leader’s and the last new entry', () => {
    const node = new Bench({}, { entries: log(1, 1, 1, 1) });
    node.receive('b', append(2, 1, 1, entries(2, 1), 4));
    expect(node.core.commitIndex).toBe(2);
    node.receive('b', append(2, 4, 1, entries(5, 2), 3));
    expect(node.core.commitIndex).toBe(3);
    node.receive('b', append(2, 4, 1, [], 1));
    expect(node.core.commitIndex).toBe(3);
  });

  it('3.6.3: refuses to replace what is committed', () => {
    const node = new Bench({}, { entries: log(1, 1), appliedIndex: 2 });
    node.receive('b', append(3, 1, 1, entries(2, 3)));
    expect(node.terms).toEqual([1, 1]);
    expect(node.of('rejected')).toMatchObject([{ reason: 'conflictsWithCommitted' }]);
  });

  it('3.8: acknowledges entries only when they are on its disk, as far as they are', () => {
    const node = new Bench();
    node.receive('b', append(1, 0, 0));
    node.syncs = false;
    node.clear();
    node.receive('b', append(1, 0, 0, entries(1, 1, 1)));
    expect(node.of('send')).toEqual([]);
    const [first] = node.of('persist');
    node.receive('b', append(1, 2, 1, entries(3, 1)));
    node.input({ type: 'PERSISTED', sequence: first?.sequence ?? 0 });
    expect(node.sent('appendAccepted').map(({ match }) => match)).toEqual([2]);
    node.sync();
    expect(node.sent('appendAccepted').map(({ match }) => match)).toEqual([2, 3]);
  });

  it('3.8: answers nothing in a term that is not on its disk', () => {
    const node = new Bench({}, { entries: log(1) });
    node.syncs = false;
    node.receive('b', append(4, 1, 1));
    node.receive('b', append(4, 7, 3));
    expect(node.of('persist')).toMatchObject([{ hardState: { term: 4, vote: null } }]);
    expect(node.of('send')).toEqual([]);
    node.sync();
    expect(node.sent('appendAccepted')).toMatchObject([{ match: 1 }]);
    expect(node.sent('appendRejected')).toMatchObject([{ rejected: 7 }]);
  });

  it('3.8: the disk’s word for an entry that has been cut off is not taken for its successor', () => {
    const node = new Bench();
    node.receive('b', append(1, 0, 0));
    node.syncs = false;
    node.receive('b', append(2, 0, 0, entries(1, 2)));
    const first = node.of('persist').at(-1)?.sequence ?? 0;
    node.receive('c', append(3, 0, 0, entries(1, 3)));
    node.receive('b', append(4, 0, 0, entries(1, 2)));
    expect(node.terms).toEqual([2]);
    node.clear();
    node.input({ type: 'PERSISTED', sequence: first });
    expect(node.core.durableIndex).toBe(0);
    expect(node.sent('appendAccepted')).toEqual([]);
    node.sync();
    expect(node.sent('appendAccepted')).toMatchObject([{ term: 4, match: 1 }]);
  });

  it('3.8: applies only what is on its own disk, though a majority has committed it', () => {
    const node = new Bench();
    node.receive('b', append(1, 0, 0));
    node.syncs = false;
    node.receive('b', append(1, 0, 0, entries(1, 1), 1));
    expect([node.core.commitIndex, node.core.appliedIndex]).toEqual([1, 0]);
    node.sync();
    expect(node.core.appliedIndex).toBe(1);
  });
});

describe('committed entries', () => {
  it('3.6.3: are never lost or reordered at apply, over changes of leader', () => {
    const names = ['a', 'b', 'c'];
    const cluster = new BenchCluster(names);
    const terms = new Set<number>();
    for (let round = 0; round < 12; round++) {
      const alone = names[round % 3];
      for (let slice = 0; slice < 10; slice++) {
        cluster.pass(100, ({ from, to }) => from !== alone && to !== alone);
        for (const node of cluster.nodes.values()) {
          if (node.core.role !== 'leader') continue;
          terms.add(node.core.currentTerm);
          node.propose(`${round}.${slice}.${node.name}`);
        }
      }
    }
    cluster.pass(2000);
    const applied = names.map((name) =>
      cluster
        .node(name)
        .applied.flatMap((batch) => batch.entries.map(({ index, command }) => `${index} ${String(command)}`)),
    );
    expect(terms.size).toBeGreaterThan(3);
    expect(applied[0]?.length).toBeGreaterThan(60);
    expect(applied[1]).toEqual(applied[0]);
    expect(applied[2]).toEqual(applied[0]);
  });

  it('3.6.3: a majority of crashed disks brings them all back', () => {
    const cluster = new BenchCluster(['a', 'b', 'c']);
    const leader = cluster.elect('a');
    for (let i = 0; i < 20; i++) leader.propose(String(i));
    cluster.settle(({ to }) => to !== 'c');
    expect(leader.core.commitIndex).toBe(21);
    const kept = (name: string) => {
      const { core } = cluster.node(name);
      const all = Array.from({ length: core.lastIndex }, (_, i) => core.log.entryAt(i + 1) as Entry);
      return { hardState: { term: core.currentTerm, vote: core.votedFor }, entries: all };
    };
    const again = new BenchCluster(['a', 'b', 'c'], {}, { b: kept('b'), c: kept('c') });
    const withoutA = ({ from, to }: { from: string; to: string }): boolean => from !== 'a' && to !== 'a';
    again.elect('b', withoutA).pass(5);
    again.settle(withoutA);
    expect(again.node('c').core.commitIndex).toBe(22);
    expect(again.node('c').applied.flatMap((batch) => batch.entries)).toHaveLength(20);
  });
});

describe('bounds', () => {
  it('10.2: uncommitted entries are capped: beyond it a proposal is refused, and taken again later', () => {
    const node = new Bench({ uncommittedBytesMax: 5000 });
    node.becomeLeader();
    node.accept('b');
    node.clear();
    for (let i = 0; i < 8; i++) node.propose('x'.repeat(1000));
    expect(node.of('respond').map(({ answer }) => answer.status)).toEqual(['busy', 'busy', 'busy', 'busy']);
    node.accept('b');
    node.clear();
    node.propose('x');
    expect(node.of('respond')).toEqual([]);
  });

  it('10.2: pending proposals are capped', () => {
    const node = new Bench({ pendingProposalsMax: 3 });
    for (let i = 0; i < 5; i++) node.propose('x');
    expect(node.of('respond').map(({ ref, answer }) => [ref, answer.status])).toEqual([
      [4, 'tooManyPending'],
      [5, 'tooManyPending'],
    ]);
  });
});
