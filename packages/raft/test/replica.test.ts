/** One engine over fake ports, in virtual time. */
import { type Disk, diskError, memoryDisk, MetricsRegistry } from '@cluster/core';
import { describe, expect, it } from 'vitest';
import {
  encodeMessage,
  type LogStorage,
  MemoryLogStorage,
  RaftReplica,
  WriteAheadLog,
} from '../src/index.ts';
import { votersOnly } from '../src/core/configuration.ts';
import { ManualClock } from './support/clock.ts';
import { errorOf, proposeAndWait, TestGroup } from './support/group.ts';
import { Ledger, text, words } from './support/ledger.ts';
import { TestNetwork } from './support/network.ts';

const three = ['a', 'b', 'c'];

/** A storage whose writes wait. */
class HeldStorage implements LogStorage {
  readonly inner = new MemoryLogStorage();
  held: (() => void)[] = [];
  writes = 0;
  holds = false;
  fails = false;
  recover: LogStorage['recover'] = (groupId, done) => this.inner.recover(groupId, done);
  write: LogStorage['write'] = (groupId, write, done) => {
    this.writes++;
    if (this.fails) return done({ ok: false, error: diskError('DISK_FULL', 'The disk is full.') });
    const run = (): void => this.inner.write(groupId, write, done);
    if (this.holds) this.held.push(run);
    else run();
  };
  release(): void {
    for (const run of this.held.splice(0)) run();
  }
}

interface Filling {
  readonly disk: Disk;
  isFull: boolean;
}

/** A disk in memory that takes no more once a test says so. */
function filling(): Filling {
  const inner = memoryDisk();
  const filled: Filling = {
    isFull: false,
    disk: {
      ...inner,
      open: (path, options, done) =>
        inner.open(path, options, (outcome) => {
          if (!outcome.ok) return done(outcome);
          const file = outcome.value;
          const full = { ok: false, error: diskError('DISK_FULL', 'The disk is full.') } as const;
          done({
            ok: true,
            value: {
              path,
              size: (then) => file.size(then),
              read: (offset, length, then) => file.read(offset, length, then),
              write: (offset, bytes, then) => (filled.isFull ? then(full) : file.write(offset, bytes, then)),
              allocate: (length, then) => (filled.isFull ? then(full) : file.allocate(length, then)),
              truncate: (length, then) => file.truncate(length, then),
              sync: (then) => file.sync(then),
              close: (then) => file.close(then),
            },
          });
        }),
    },
  };
  return filled;
}

describe('a replica', () => {
  it('tells its status, and every change of role and leader', () => {
    const group = new TestGroup(['a']);
    const { replica, events } = group.node('a');
    expect(replica.status()).toEqual({
      nodeId: 'a',
      groupId: 0,
      role: 'follower',
      term: 0,
      leaderId: null,
      commitIndex: 0,
      appliedIndex: 0,
      firstIndex: 1,
      lastIndex: 0,
      logBytes: 0,
      snapshot: null,
      voters: ['a'],
      configuration: votersOnly(['a']),
      configurationIndex: 0,
      leftOut: false,
    });
    group.electLeader();
    expect(events).toEqual([
      { groupId: 0, type: 'MembersChanged', configuration: votersOnly(['a']), index: 0 },
      { groupId: 0, type: 'RoleChanged', role: 'candidate', term: 1 },
      { groupId: 0, type: 'RoleChanged', role: 'leader', term: 1 },
      { groupId: 0, type: 'LeaderChanged', leaderId: 'a', term: 1 },
    ]);
    expect(replica.status()).toMatchObject({
      role: 'leader',
      leaderId: 'a',
      commitIndex: 1,
      appliedIndex: 1,
      lastIndex: 1,
    });
  });

  it('gathers what is proposed while the leader’s disk is busy into one write', () => {
    const storage = new HeldStorage();
    const group = new TestGroup(['a'], { storage: () => storage });
    group.electLeader();
    storage.holds = true;
    const before = storage.writes;
    const calls = Array.from({ length: 50 }, (_, i) => group.propose('a', String(i)));
    expect(storage.writes - before).toBe(1);
    storage.release();
    expect(storage.writes - before).toBe(2);
    storage.release();
    expect(calls.every(({ outcome }) => outcome?.ok)).toBe(true);
    expect(group.node('a').ledger.lines).toHaveLength(50);
  });

  it('puts what is proposed in one turn into one write when the turn has ended', () => {
    const turn: (() => void)[] = [];
    const storage = new HeldStorage();
    const group = new TestGroup(['a'], {
      storage: () => storage,
      afterTurn: (run) => void turn.push(run),
    });
    const leader = group.electLeader();
    const before = storage.writes;
    const calls = Array.from({ length: 8 }, (_, i) => group.propose('a', String(i)));
    calls[3]?.abandon();
    expect([storage.writes - before, leader.replica.status().lastIndex, turn.length]).toEqual([0, 1, 1]);
    for (const run of turn.splice(0)) run();
    expect([storage.writes - before, leader.replica.status().lastIndex]).toEqual([1, 8]);
    expect(calls.map(({ outcome }) => outcome?.ok)).toEqual(calls.map((_, i) => i !== 3));
    expect(group.node('a').ledger.lines).toEqual(['0', '1', '2', '4', '5', '6', '7']);
    group.propose('a', 'more');
    expect(turn).toHaveLength(1);
    group.crash('a');
    for (const run of turn.splice(0)) run();
    expect(storage.writes - before).toBe(1);
  });

  it('puts what arrives next to several that are proposed in one turn, and lets a lone one go on at once', () => {
    const polls: (() => void)[] = [];
    const turn: (() => void)[] = [];
    const storage = new HeldStorage();
    const group = new TestGroup(['a'], {
      storage: () => storage,
      afterTurn: (run) => void turn.push(run),
      afterPoll: (run) => void polls.push(run),
    });
    group.electLeader();
    const end = (waiting: (() => void)[]): void => {
      for (const run of waiting.splice(0)) run();
    };
    const before = storage.writes;
    group.propose('a', 'alone');
    end(turn);
    expect([storage.writes - before, polls.length]).toEqual([1, 0]);
    const calls = [group.propose('a', '1'), group.propose('a', '2')];
    end(turn);
    calls.push(group.propose('a', '3'));
    end(turn);
    expect([storage.writes - before, polls.length]).toEqual([1, 1]);
    end(polls);
    expect(storage.writes - before).toBe(2);
    expect(calls.map(({ outcome }) => outcome?.ok)).toEqual([true, true, true]);
    storage.holds = true;
    for (const text of ['4', '5', '6', '7']) calls.push(group.propose('a', text));
    end(turn);
    end(polls);
    calls.push(group.propose('a', '8'), group.propose('a', '9'));
    end(turn);
    // Those of a busy disk wait for that.
    expect([storage.writes - before, polls.length]).toEqual([3, 0]);
    storage.release();
    expect(storage.writes - before).toBe(4);
    storage.release();
    expect(calls.every(({ outcome }) => outcome?.ok)).toBe(true);
  });

  it('asks with one round for what is read in one turn, when the turn has ended', () => {
    const turn: (() => void)[] = [];
    const group = new TestGroup(three, { afterTurn: (run) => void turn.push(run) });
    const { replica, name } = group.electLeader();
    group.clock.advance(10);
    const codes: string[] = [];
    const read = (): (() => void) =>
      replica.read((outcome) => void codes.push(outcome.ok ? 'read' : outcome.error.code));
    const giveUp = [read(), read(), read()];
    giveUp[1]?.();
    expect([codes, replica.core.readRounds, turn.length]).toEqual([['RAFT_ABORTED'], 0, 1]);
    for (const run of turn.splice(0)) run();
    group.clock.advance(10);
    expect([codes, replica.core.readRounds]).toEqual([['RAFT_ABORTED', 'read', 'read'], 1]);
    read();
    group.crash(name);
    for (const run of turn.splice(0)) run();
    expect([codes.at(-1), replica.core.readRounds]).toEqual(['RAFT_STOPPED', 1]);
  });

  it('does not hold proposals back for ever when the disk hangs: they time out', () => {
    const storage = new HeldStorage();
    const group = new TestGroup(['a'], { storage: () => storage });
    group.electLeader();
    storage.holds = true;
    const first = group.propose('a', 'x', { timeoutMs: 300 });
    const second = group.propose('a', 'y', { timeoutMs: 300 });
    group.clock.advance(450);
    expect([errorOf(first).code, errorOf(first).retry]).toEqual(['RAFT_TIMEOUT', 'unsafe']);
    expect([errorOf(second).code, errorOf(second).retry]).toEqual(['RAFT_TIMEOUT', 'unsafe']);
  });

  it('stops and acknowledges nothing when its disk fails', () => {
    const storage = new HeldStorage();
    const group = new TestGroup(['a'], { storage: () => storage });
    group.electLeader();
    storage.fails = true;
    const call = group.propose('a', 'x');
    expect([errorOf(call).code, errorOf(call).retry]).toEqual(['RAFT_STOPPED', 'unsafe']);
    const failed = group.node('a').events.at(-1);
    expect(failed).toMatchObject({
      type: 'Failed',
      error: { code: 'RAFT_STORAGE_FAILED', fault: 'environment' },
    });
    expect(failed?.type === 'Failed' ? failed.error.message : '').toContain('The disk is full');
    expect(group.node('a').replica.status().role).toBe('follower');
    expect(group.node('a').ledger.lines).toEqual([]);
    expect(errorOf(group.propose('a', 'y')).message).toContain('The disk is full');
    expect(group.clock.pending).toBe(0);
  });

  it('that leads steps down when its disk is full, says so, and another takes its place without what it was given', () => {
    const disks = new Map(three.map((name) => [name, filling()]));
    const group = new TestGroup(three, {
      storage: (name) => new WriteAheadLog({ disk: disks.get(name)?.disk ?? memoryDisk() }),
    });
    const { name, replica, events } = group.electLeader();
    (disks.get(name) as Filling).isFull = true;
    group.network.cut(name);
    const call = group.propose(name, 'x');
    expect([errorOf(call).code, replica.status().role]).toEqual(['RAFT_STOPPED', 'follower']);
    const failed = events.at(-1);
    expect(failed?.type === 'Failed' ? failed.error.line : '').toMatch(
      /^RAFT_STORAGE_FAILED: .*The disk is full/,
    );
    group.network.mend(name);
    const leads = () => [...group.nodes.values()].find((node) => node.replica.status().role === 'leader');
    group.clock.advanceUntil(() => leads() !== undefined);
    expect(proposeAndWait(group, leads()?.name ?? '', 'y').outcome?.ok).toBe(true);
    group.clock.advance(100);
    for (const node of group.nodes.values())
      expect(node.ledger.lines).toEqual(node.name === name ? [] : ['y']);
  });

  it('stops when its state machine fails, or answers for more than it was given', () => {
    const group = new TestGroup(['a']);
    group.electLeader();
    const { ledger, events } = group.node('a');
    ledger.failWith = diskError('DISK_IO', 'The database is gone.');
    expect(errorOf(group.propose('a', 'x')).retry).toBe('unsafe');
    expect(events.at(-1)).toMatchObject({ type: 'Failed', error: { code: 'RAFT_STATE_MACHINE_FAILED' } });
    const other = new TestGroup(['a']);
    other.electLeader();
    other.node('a').ledger.apply = (_batch, done) => done({ ok: true, value: [text('1'), text('2')] });
    other.propose('a', 'x');
    const failed = other.node('a').events.at(-1);
    expect(failed?.type === 'Failed' ? failed.error.message : '').toContain('2 results for 1 entries');
  });

  it('names its group in what it tells, logs and refuses', () => {
    const lines: (Readonly<Record<string, unknown>> | undefined)[] = [];
    const group = new TestGroup(three, {
      config: { groupId: 7 },
      logger: { log: (_level, _message, fields) => void lines.push(fields) },
    });
    const early = group.propose('a', 'x', { timeoutMs: 50 });
    group.clock.advance(150);
    expect(errorOf(early)).toMatchObject({
      code: 'RAFT_NO_LEADER',
      message: expect.stringContaining('group 7'),
    });
    const { name, ledger, events, replica } = group.electLeader();
    group.network.inject('a', name, new Uint8Array([1, 2, 3]));
    ledger.failWith = diskError('DISK_IO', 'The database is gone.');
    const meanwhile = group.propose(name, 'x');
    group.clock.advance(20);
    for (const call of [meanwhile, group.propose(name, 'x')]) {
      expect(errorOf(call)).toMatchObject({
        code: 'RAFT_STOPPED',
        message: expect.stringContaining('group 7'),
      });
    }
    expect(events.map(({ groupId }) => groupId)).toEqual(events.map(() => 7));
    expect(events.at(-1)).toMatchObject({
      type: 'Failed',
      error: { code: 'RAFT_STATE_MACHINE_FAILED', message: expect.stringContaining('group 7') },
    });
    expect(lines.length).toBeGreaterThan(1);
    for (const fields of lines) expect(fields).toMatchObject({ node: name, group: 7 });
    expect(replica.status().groupId).toBe(7);
  });

  it('waits for its state machine, one batch at a time', () => {
    const group = new TestGroup(['a']);
    group.electLeader();
    const { ledger } = group.node('a');
    ledger.isSlow = true;
    const calls = ['x', 'y', 'z'].map((command) => group.propose('a', command));
    expect(ledger.held).toBe(1);
    ledger.release();
    expect(calls.map(({ outcome }) => outcome?.ok)).toEqual([true, undefined, undefined]);
    expect(ledger.held).toBe(1);
    ledger.release();
    expect(ledger.batches.map(({ entries }) => entries.length)).toEqual([1, 2]);
  });

  it('goes on from what its state machine holds', () => {
    const group = new TestGroup(['a']);
    group.electLeader();
    for (let i = 0; i < 5; i++) proposeAndWait(group, 'a', String(i));
    group.crash('a');
    group.restart('a');
    group.electLeader();
    group.clock.advance(10);
    expect(group.node('a').ledger.lines).toEqual(['0', '1', '2', '3', '4']);
  });

  it('does not start on a log that is behind its state machine', () => {
    const stateMachine = new Ledger();
    stateMachine.appliedIndex = 7;
    const clock = new ManualClock();
    const ports = {
      clock,
      channel: new TestNetwork(clock).channel('a'),
      storage: new MemoryLogStorage(),
      stateMachine,
      seed: 1,
    };
    const replica = new RaftReplica({ nodeId: 'a', voters: ['a'] }, ports);
    let code = '';
    replica.start((outcome) => (code = outcome.ok ? 'started' : outcome.error.code));
    expect(code).toBe('RAFT_LOG_BEHIND_STATE_MACHINE');
  });

  it('refuses a command that is too large, and a session that is none', () => {
    const group = new TestGroup(['a'], { config: { commandBytesMax: 1024 } });
    group.electLeader();
    expect(errorOf(group.propose('a', 'x'.repeat(1025))).code).toBe('RAFT_COMMAND_TOO_LARGE');
    for (const session of [
      { clientId: 0, sequence: 1 },
      { clientId: 1, sequence: 0 },
      { clientId: 1.5, sequence: 1 },
      { clientId: 1, sequence: NaN },
    ]) {
      expect(errorOf(group.propose('a', 'x', { session })).code).toBe('RAFT_SESSION_INVALID');
    }
    expect(errorOf(group.propose('a', 'x', { session: { clientId: 99, sequence: 1 } })).code).toBe(
      'RAFT_SESSION_EXPIRED',
    );
  });

  it('refuses more pending proposals than its cap', () => {
    const group = new TestGroup(three, { config: { pendingProposalsMax: 2 } });
    const calls = [1, 2, 3].map((i) => group.propose('a', String(i)));
    expect(calls.map(({ outcome }) => outcome === undefined)).toEqual([true, true, false]);
    expect(errorOf(calls[2] as (typeof calls)[0])).toMatchObject({
      code: 'RAFT_BUSY',
      retry: 'safe',
      message: expect.stringContaining('pendingProposalsMax'),
    });
  });

  it.each(['the leader', 'a follower'])(
    'refuses more uncommitted bytes than its cap, made at %s',
    (where) => {
      const group = new TestGroup(three, { config: { uncommittedBytesMax: 2000 } });
      const leader = group.electLeader();
      const at = where === 'the leader' ? leader : group.followers[0];
      const calls = Array.from({ length: 4 }, () => group.propose(at?.name ?? '', 'x'.repeat(900)));
      group.clock.advance(100);
      expect(calls.map(({ outcome }) => outcome?.ok)).toEqual([true, true, false, false]);
      expect(errorOf(calls[2] as (typeof calls)[0])).toMatchObject({
        code: 'RAFT_BUSY',
        retry: 'safe',
        message: expect.stringContaining('uncommittedBytesMax'),
      });
    },
  );

  it('says of an end without a result whether the command may have been applied', () => {
    const group = new TestGroup(three);
    const lonely = group.propose('a', 'x', { timeoutMs: 100 });
    group.clock.advance(200);
    expect([errorOf(lonely).code, errorOf(lonely).retry]).toEqual(['RAFT_NO_LEADER', 'safe']);
    const leader = group.electLeader();
    for (const { name } of group.followers) group.network.cut(name);
    const cases = [
      { call: group.propose(leader.name, 'x'), retry: 'unsafe' },
      { call: group.propose(leader.name, 'x', { session: { clientId: 5, sequence: 1 } }), retry: 'safe' },
    ];
    for (const { call, retry } of cases) {
      call.abandon();
      call.abandon();
      expect([errorOf(call).code, errorOf(call).retry]).toEqual(['RAFT_ABORTED', retry]);
    }
    const timed = group.propose(leader.name, 'x', { timeoutMs: 200 });
    const safe = group.propose(leader.name, 'x', { timeoutMs: 200, session: { clientId: 5, sequence: 1 } });
    group.clock.advance(300);
    expect([errorOf(timed).code, errorOf(timed).retry, errorOf(timed).stateChanged]).toEqual([
      'RAFT_TIMEOUT',
      'unsafe',
      true,
    ]);
    expect([errorOf(safe).code, errorOf(safe).retry]).toEqual(['RAFT_TIMEOUT', 'safe']);
    const stopped = group.propose(leader.name, 'x');
    group.crash(leader.name);
    expect([errorOf(stopped).code, errorOf(stopped).retry]).toEqual(['RAFT_STOPPED', 'unsafe']);
    expect([errorOf(group.propose(leader.name, 'x')).code]).toEqual(['RAFT_STOPPED']);
  });

  it('counts and refuses bad bytes, strangers and other groups, and changes nothing', () => {
    const metrics = new MetricsRegistry();
    const clock = new ManualClock();
    const network = new TestNetwork(clock);
    const ports = {
      clock,
      channel: network.channel('a'),
      storage: new MemoryLogStorage(),
      stateMachine: new Ledger(),
      seed: 1,
      metrics,
    };
    const replica = new RaftReplica({ nodeId: 'a', voters: three }, ports);
    replica.start(() => undefined);
    const before = replica.core.checkpoint();
    const vote = { type: 'voteRequest', term: 9, pre: false, lastIndex: 9, lastTerm: 9 } as const;
    network.inject('b', 'a', new Uint8Array([1, 0, 0, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0, 0]));
    network.inject('b', 'a', new Uint8Array(0));
    network.inject('b', 'a', encodeMessage({ groupId: 4, message: vote }));
    const accepted = { type: 'appendAccepted', term: 9, match: 9 } as const;
    network.inject('mallory', 'a', encodeMessage({ groupId: 0, message: accepted }));
    network.inject('a', 'a', encodeMessage({ groupId: 0, message: vote }));
    const labels = (reason: string) => ({ group: '0', reason });
    expect(metrics.value('raft_messages_rejected', labels('type'))).toBe(1);
    expect(metrics.value('raft_messages_rejected', labels('version'))).toBe(1);
    expect(metrics.value('raft_messages_rejected', labels('otherGroup'))).toBe(1);
    expect(metrics.value('raft_messages_rejected', labels('notAMember'))).toBe(2);
    expect(replica.core.rejections).toBe(5);
    expect(words(replica.core.checkpoint()).replace('"rejections":5', '"rejections":0')).toBe(words(before));
  });

  it('reports its numbers', () => {
    const metrics = new MetricsRegistry();
    const clock = new ManualClock();
    const storage = new WriteAheadLog({ disk: memoryDisk(), metrics });
    const ports = {
      clock,
      channel: new TestNetwork(clock).channel('a'),
      storage,
      stateMachine: new Ledger(),
      seed: 1,
      metrics,
    };
    const replica = new RaftReplica({ nodeId: 'a', voters: ['a'] }, ports);
    replica.start(() => undefined);
    clock.advance(600);
    replica.propose(text('hello'), {}, () => undefined);
    replica.openSession(() => undefined);
    const value = (name: string): number => metrics.value(name, { group: '0' });
    expect(
      Object.fromEntries(
        [
          'raft_elections',
          'raft_term',
          'raft_is_leader',
          'raft_commit_index',
          'raft_applied_index',
          'raft_last_index',
          'raft_proposals',
          'raft_entries_appended',
          'raft_bytes_appended',
          'raft_open_sessions',
        ].map((name) => [name, value(name)]),
      ),
    ).toEqual({
      raft_elections: 1,
      raft_term: 1,
      raft_is_leader: 1,
      raft_commit_index: 3,
      raft_applied_index: 3,
      raft_last_index: 3,
      raft_proposals: 2,
      raft_entries_appended: 3,
      raft_bytes_appended: 5,
      raft_open_sessions: 1,
    });
    expect(metrics.value('raft_wal_bytes_written')).toBeGreaterThan(100);
    expect(metrics.snapshot()['raft_append_duration_ms_count{group="0"}']).toBeGreaterThan(0);
    expect(metrics.snapshot()['raft_flush_duration_ms_count{group="0"}']).toBe(4);
  });

  it('refuses a configuration that cannot work, naming the key', () => {
    const group = new TestGroup(['a']);
    const bad: readonly [Record<string, unknown>, RegExp][] = [
      [{ voters: ['b'] }, /voters: must contain this node, a/],
      [{ voters: ['a', 'a'] }, /voters: must not name a node twice/],
      [{ nodeId: 'no spaces' }, /nodeId/],
      [{ heartbeatMs: 200 }, /electionTimeoutMinMs: must be at least two heartbeats/],
      [{ electionTimeoutMaxMs: 250 }, /electionTimeoutMaxMs/],
      [{ messageBytesMax: 2000 }, /messageBytesMax/],
      [{ leaseReads: true, checkQuorum: false }, /leaseReads: needs checkQuorum/],
      [{ priorities: { a: 101 } }, /priorities\.a: /],
      [{ priorities: { 'a b': 1 } }, /priorities\.a b: /],
      [{ leaseReads: true, heartbeatMs: 100, leaseShare: 0.4 }, /leaseShare: must leave/],
    ];
    const { clock, network } = group;
    const ports = {
      clock,
      channel: network.channel('a'),
      storage: new MemoryLogStorage(),
      stateMachine: new Ledger(),
      seed: 1,
    };
    for (const [more, message] of bad)
      expect(() => new RaftReplica({ nodeId: 'a', voters: ['a'], ...more }, ports)).toThrow(message);
  });
});
