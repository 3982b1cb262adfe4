/** Several engines together over fake ports, in virtual time. */
import {
  memoryDisk,
  type Outcome,
  replay,
  type TraceCheckpoint,
  Tracer,
  type TraceStep,
} from '@cluster/core';
import { describe, expect, it } from 'vitest';
import {
  encodeMessage,
  groupChannels,
  type LogStorage,
  RaftCore,
  RaftReplica,
  WriteAheadLog,
} from '../src/index.ts';
import { ManualClock } from './support/clock.ts';
import { errorOf, proposeAndWait, TestGroup, valueOf } from './support/group.ts';
import { Ledger, text, words } from './support/ledger.ts';
import { TestNetwork } from './support/network.ts';

const three = ['a', 'b', 'c'];

describe('a group of replicas', () => {
  it('elects one leader and applies a command everywhere', () => {
    const group = new TestGroup(three);
    const leader = group.electLeader();
    const call = group.propose(leader.name, 'hello');
    group.clock.advance(20);
    expect(words(valueOf(call).result)).toBe('1');
    for (const { ledger } of group.nodes.values()) expect(ledger.lines).toEqual(['hello']);
  });

  it('answers a proposal made at a follower', () => {
    const group = new TestGroup(three);
    group.electLeader();
    const [follower] = group.followers;
    const call = group.propose(follower?.name ?? '', 'hello');
    group.clock.advance(20);
    expect(words(valueOf(call).result)).toBe('1');
  });

  it('answers reads everywhere, behind all that was acknowledged, and puts nothing into the log for them', () => {
    const group = new TestGroup(three);
    const leader = group.electLeader();
    const { index } = valueOf(proposeAndWait(group, leader.name, 'hello'));
    for (const { replica, ledger } of group.nodes.values()) {
      const call: { outcome: Outcome<number> | undefined } = { outcome: undefined };
      replica.read((outcome) => (call.outcome = outcome));
      group.clock.advance(20);
      expect(valueOf(call)).toBe(index);
      expect(ledger.lines).toEqual(['hello']);
    }
    expect(leader.replica.status().lastIndex).toBe(index);
  });

  it('is led by whom its leader hands over to, or not when that is cut off', () => {
    const group = new TestGroup(three);
    const old = group.electLeader();
    const [next, other] = group.followers;
    if (next === undefined || other === undefined) throw new Error('there are three');
    const calls: { outcome: Outcome<void> | undefined }[] = [];
    const transfer = ({ replica }: typeof old, to: string): (() => void) => {
      const call: (typeof calls)[number] = { outcome: undefined };
      calls.push(call);
      return replica.transferLeadership(to, (outcome) => (call.outcome = outcome));
    };
    transfer(old, next.name);
    group.clock.advance(20);
    expect(calls[0]?.outcome).toEqual({ ok: true, value: undefined });
    expect(group.leader).toBe(next);
    group.network.cut(other.name);
    transfer(next, other.name);
    transfer(next, other.name);
    group.clock.advance(300);
    expect(calls.slice(1).map((call) => errorOf(call).code)).toEqual([
      'RAFT_TRANSFER_FAILED',
      'RAFT_TRANSFER_UNDER_WAY',
    ]);
    const abandon = transfer(next, other.name);
    abandon();
    abandon();
    transfer(next, other.name);
    group.crash(next.name);
    expect(calls.slice(3).map((call) => errorOf(call).code)).toEqual([
      'RAFT_ABORTED',
      'RAFT_TRANSFER_UNDER_WAY',
    ]);
  });

  it('answers no read at a leader that is cut off, until it is back and follows', () => {
    const group = new TestGroup(three);
    const old = group.electLeader();
    group.network.cut(old.name);
    const call: { outcome: Outcome<number> | undefined } = { outcome: undefined };
    old.replica.read((outcome) => (call.outcome = outcome), { timeoutMs: 60_000 });
    group.clock.advanceUntil(() => group.leader !== old);
    const { index } = valueOf(proposeAndWait(group, group.leader?.name ?? '', 'meanwhile'));
    expect(call.outcome).toBeUndefined();
    group.network.mend(old.name);
    group.clock.advanceUntil(() => call.outcome !== undefined);
    expect(valueOf(call)).toBeGreaterThanOrEqual(index);
    expect(old.ledger.lines).toEqual(['meanwhile']);
  });

  it('goes on when its leader dies, within a second and a half, and takes it back', () => {
    const group = new TestGroup(three);
    const old = group.electLeader();
    valueOf(proposeAndWait(group, old.name, 'before'));
    group.crash(old.name);
    const survivor = group.followers.find(({ name }) => name !== old.name)?.name ?? '';
    const startedMs = group.clock.nowMs();
    const call = group.propose(survivor, 'after', { session: undefined });
    group.clock.advanceUntil(() => call.outcome !== undefined);
    const retried = call.outcome?.ok ? call : proposeAndWait(group, survivor, 'after');
    valueOf(retried);
    expect(group.clock.nowMs() - startedMs).toBeLessThan(1500);
    group.restart(old.name);
    group.clock.advance(500);
    expect(group.node(old.name).ledger.lines).toEqual(['before', 'after']);
    expect(group.node(old.name).replica.status()).toMatchObject({
      role: 'follower',
      leaderId: group.leader?.name,
    });
  });

  it('loses messages, doubles and reorders them, and still applies one order everywhere', () => {
    const group = new TestGroup(three);
    let n = 0;
    const { network, clock } = group;
    network.filter = (from, to, bytes) => {
      n++;
      if (n % 7 === 0) return false;
      if (n % 5 === 0) clock.setTimer(1 + (n % 13), () => network.inject(from, to, bytes));
      return n % 11 !== 0;
    };
    group.electLeader();
    const calls = Array.from({ length: 200 }, (_, i) => {
      group.clock.advance(3);
      return group.propose(three[i % 3] as string, String(i));
    });
    network.filter = () => true;
    group.clock.advanceUntil(() => calls.every(({ outcome }) => outcome !== undefined));
    group.clock.advance(200);
    const { lines } = group.node('a').ledger;
    expect(group.node('b').ledger.lines).toEqual(lines);
    expect(group.node('c').ledger.lines).toEqual(lines);
    // Once each, though nothing had a session: what was answered, and perhaps what is not known.
    expect(new Set(lines).size).toBe(lines.length);
    const answered = calls.flatMap(({ outcome }, i) => (outcome?.ok ? [String(i)] : []));
    expect(answered.length).toBeGreaterThan(150);
    expect(lines).toEqual(expect.arrayContaining(answered));
  });

  it('runs over the write-ahead log, and comes back from it', () => {
    const disk = memoryDisk();
    const wal = (): LogStorage => new WriteAheadLog({ disk, segmentBytes: 4096, growthBytes: 4096 });
    const group = new TestGroup(['a'], { storage: wal });
    group.electLeader();
    for (let i = 0; i < 200; i++) valueOf(proposeAndWait(group, 'a', `line ${i}`));
    const { ledger } = group.node('a');
    const before = [...ledger.lines];
    group.crash('a');
    ledger.appliedIndex = 0;
    ledger.lines.length = 0;
    group.restart('a', wal());
    group.electLeader();
    group.clock.advance(10);
    expect(ledger.lines).toEqual(before);
  });

  it('shares one log and one channel between groups', () => {
    const clock = new ManualClock();
    const network = new TestNetwork(clock);
    const disks = new Map(three.map((name) => [name, memoryDisk()]));
    const strays: string[] = [];
    const replicas = three.flatMap((nodeId, n) => {
      const storage = new WriteAheadLog({ disk: disks.get(nodeId) ?? memoryDisk() });
      const channelOf = groupChannels(network.channel(nodeId), {
        clock,
        onUnknown: (from) => void strays.push(from),
      });
      return [1, 2].map((groupId) => {
        const stateMachine = new Ledger();
        const ports = { clock, channel: channelOf(groupId), storage, stateMachine, seed: n * 10 + groupId };
        const replica = new RaftReplica({ nodeId, groupId, voters: three }, ports);
        replica.start(() => undefined);
        return { replica, stateMachine, groupId };
      });
    });
    const leaderOf = (id: number) =>
      replicas.find(({ replica, groupId }) => groupId === id && replica.status().role === 'leader');
    clock.advanceUntil(() => leaderOf(1) !== undefined && leaderOf(2) !== undefined);
    for (const id of [1, 2]) leaderOf(id)?.replica.propose(text(`for ${id}`), {}, () => undefined);
    clock.advance(100);
    for (const { stateMachine, groupId } of replicas) expect(stateMachine.lines).toEqual([`for ${groupId}`]);
    network.inject('b', 'a', encodeMessage({ groupId: 9, message: { type: 'commit', term: 1, commit: 1 } }));
    network.inject('b', 'a', new Uint8Array([1, 2, 3]));
    expect(strays).toEqual(['b', 'b']);
    expect(new Set(replicas.map(({ replica }) => replica.core.rejections))).toEqual(new Set([0]));
  });
});

describe('a recorded run', () => {
  it('is replayed by a fresh core to the same effects, from every checkpoint', () => {
    const records: (TraceStep | TraceCheckpoint)[] = [];
    const tracer = new Tracer({
      sink: { record: (record) => void records.push(record) },
      checkpointEvery: 50,
    });
    const group = new TestGroup(three, { tracer });
    const leader = group.electLeader();
    const seeds = new Map(three.map((name, i) => [name, i + 1]));
    let session = 0;
    leader.replica.openSession((outcome) => (session = outcome.ok ? outcome.value : 0));
    group.clock.advance(20);
    for (let i = 0; i < 30; i++) {
      group.propose(
        three[i % 3] as string,
        String(i),
        i % 2 === 0 ? {} : { session: { clientId: session, sequence: 1 + (i % 5) } },
      );
      group.clock.advance(7);
    }
    group.network.cut(leader.name);
    group.clock.advance(1500);
    group.network.mend(leader.name);
    group.clock.advance(500);
    for (const name of three) {
      const mine = records.filter((record) => record.node === name);
      const starts = mine.flatMap((record, at) => (record.kind === 'checkpoint' ? [at] : []));
      expect(starts.length).toBeGreaterThan(2);
      for (const start of starts) {
        const result = replay(
          mine.slice(start),
          name,
          'raft:0',
          () => new RaftCore(group.node(name).replica.core.config, seeds.get(name) ?? 0),
        );
        expect(result.divergence).toBe(null);
      }
    }
  });
});
