/** Replicas over real files, on the system clock, in one process. */
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Disk, type DiskFile, type Done, MetricsRegistry } from '@cluster/core';
import { fileDisk, systemClock } from '@cluster/core/node';
import { Raft, type RaftChannel, WriteAheadLog } from '../src/index.ts';
import { cutLog, inspectLog, openGroupStore, startRaft } from '../src/node.ts';
import { Ledger, text, words } from './support/ledger.ts';
import { observeFiles } from './support/observed-files.ts';

let folder = '';
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'cluster-raft-'))));
afterEach(() => rmSync(folder, { recursive: true }));

class Wire {
  readonly #receivers = new Map<string, (from: string, bytes: Uint8Array) => void>();
  channel(self: string): RaftChannel {
    return {
      send: (to, bytes) => void setImmediate(() => this.#receivers.get(to)?.(self, bytes)),
      onMessage: (receive) => void this.#receivers.set(self, receive),
    };
  }
}

const three = ['a', 'b', 'c'];

describe('three replicas on real disks', () => {
  it('agree, lose their leader, go on, and take it back with all it had acknowledged', async () => {
    const wire = new Wire();
    const ledgers = new Map(three.map((name) => [name, new Ledger()]));
    const start = (nodeId: string): Promise<Raft> =>
      startRaft(
        {
          nodeId,
          voters: three,
          dataDir: join(folder, nodeId),
          wal: { segmentBytes: 65_536, growthBytes: 16_384 },
        },
        { channel: wire.channel(nodeId), stateMachine: ledgers.get(nodeId) ?? new Ledger() },
      );
    const nodes = new Map(await Promise.all(three.map(async (name) => [name, await start(name)] as const)));
    const node = (name: string): Raft => nodes.get(name) as Raft;
    const clientId = await node('a').openSession();
    let sequence = 0;
    const put = (name: string): Promise<unknown> =>
      node(name).propose(text(`line ${++sequence} ${'x'.repeat(200)}`), { session: { clientId, sequence } });
    await Promise.all(Array.from({ length: 200 }, (_, i) => put(three[i % 3] as string)));

    const old = node('a').status().leaderId ?? '';
    await node(old).stop();
    const killed = performance.now();
    const survivors = three.filter((name) => name !== old);
    await put(survivors[0] as string);
    expect(performance.now() - killed).toBeLessThan(1500);
    await Promise.all(Array.from({ length: 100 }, () => put(survivors[1] as string)));

    // Its state machine lost everything: the log brings it back.
    const reborn = ledgers.get(old) as Ledger;
    reborn.lines.length = 0;
    reborn.sessions.clear();
    reborn.appliedIndex = 0;
    nodes.set(old, await start(old));
    await node(old).barrier();
    expect(reborn.lines).toHaveLength(301);
    expect(new Set(reborn.lines).size).toBe(301);
    await Promise.all(survivors.map((name) => node(name).barrier()));
    for (const name of survivors) expect(ledgers.get(name)?.lines).toEqual(reborn.lines);
    expect(readdirSync(join(folder, old, 'wal')).length).toBeGreaterThan(1);
    await Promise.all(three.map((name) => node(name).stop()));
  });
});

describe('one replica on a real disk', () => {
  const start = (metrics?: MetricsRegistry): Promise<Raft> =>
    startRaft(
      {
        nodeId: 'a',
        voters: ['a'],
        dataDir: join(folder, 'a'),
        heartbeatMs: 5,
        electionTimeoutMinMs: 10,
        electionTimeoutMaxMs: 20,
        wal: { segmentBytes: 65_536, growthBytes: 16_384 },
      },
      { channel: new Wire().channel('a'), stateMachine: new Ledger(), metrics },
    );

  it('shares flushes between the proposals of many clients', async () => {
    const metrics = new MetricsRegistry();
    const raft = await start(metrics);
    await raft.barrier();
    const before = metrics.value('raft_wal_flushes');
    const results = await Promise.all(Array.from({ length: 500 }, (_, i) => raft.propose(text(String(i)))));
    expect(words(results[499]?.result ?? text(''))).toBe('500');
    expect(metrics.value('raft_wal_flushes') - before).toBe(1);
    await raft.stop();
  });

  it('refuses a log with damage in its middle, naming the file and the offset', async () => {
    const raft = await start();
    for (let i = 0; i < 5; i++) await raft.propose(text(String(i)));
    await raft.stop();
    const path = join(folder, 'a/wal/0000000000000001.wal');
    const file = openSync(path, 'r+');
    const byte = new Uint8Array(1);
    readSync(file, byte, 0, 1, 70);
    writeSync(file, Uint8Array.of((byte[0] ?? 0) ^ 1), 0, 1, 70);
    closeSync(file);
    await expect(start()).rejects.toMatchObject({
      code: 'RAFT_LOG_DAMAGED',
      message: expect.stringMatching(/wal\/0000000000000001\.wal at offset 40/),
    });
  });

  it('keeps a second replica off its log until it has stopped', async () => {
    const raft = await start();
    await expect(start()).rejects.toMatchObject({
      code: 'RAFT_DATA_LOCKED',
      message: expect.stringContaining(`in use by replica a, process ${process.pid}`),
    });
    await raft.propose(text('mine'));
    await raft.stop();
    await (await start()).stop();
  });

  it('says clearly that its folder is none', async () => {
    writeFileSync(join(folder, 'a'), 'a file');
    await expect(start()).rejects.toMatchObject({ code: 'RAFT_STORAGE_FAILED', fault: 'environment' });
  });
});

describe('the order of write, sync and reply on a real file', () => {
  it.each([
    ['one call that does both', true, ['writeDurably', 'durable'], ['pwrite O_DSYNC', 'pwrite O_DSYNC done']],
    [
      'two calls',
      false,
      ['write', 'written', 'sync', 'synced'],
      ['pwrite', 'pwrite done', 'fdatasync', 'fdatasync done'],
    ],
  ])(
    '3.8: 22 and 23, with %s: term and vote in one, and no reply before its end',
    async (_, inOne, expected, ofSystem) => {
      const steps: string[] = [];
      const raft = await Raft.start(
        { nodeId: 'a', voters: ['a'], heartbeatMs: 5, electionTimeoutMinMs: 10, electionTimeoutMaxMs: 20 },
        {
          clock: systemClock,
          channel: new Wire().channel('a'),
          storage: new WriteAheadLog({ disk: noting(fileDisk(folder), inOne, steps) }),
          stateMachine: new Ledger(),
          seed: 1,
        },
      );
      await raft.barrier();
      // The term and the vote for itself, the no-op, the barrier: each one write, and none begun before the last was durable.
      const writes = steps.length / expected.length;
      expect(writes).toBeGreaterThanOrEqual(2);
      expect(steps).toEqual(Array.from({ length: writes }, () => expected).flat());
      for (let i = 0; i < 20; i++) {
        steps.length = 0;
        await raft.propose(text(`line ${i}`)).then(() => steps.push('answered'));
        expect(steps).toEqual([...expected, 'answered']);
      }
      using files = observeFiles(folder);
      for (let i = 0; i < 20; i++) {
        files.steps.length = 0;
        await raft.propose(text(`line ${i}`)).then(() => files.steps.push('answered'));
        expect(files.steps).toEqual([...ofSystem, 'answered']);
      }
      await raft.stop();
    },
  );
});

describe('groups that share a log on a real disk', () => {
  it.each([
    ['two flushes when the first write of the turn does not wait', undefined, 2],
    ['one flush when writes wait for the end of their turn', queueMicrotask, 1],
  ])('need, for what eight of them write in one turn, %s', async (_, afterTurn, flushes) => {
    const steps: string[] = [];
    const storage = new WriteAheadLog({ disk: noting(fileDisk(folder), false, steps), afterTurn });
    const timing = { heartbeatMs: 5, electionTimeoutMinMs: 10, electionTimeoutMaxMs: 20 };
    const start = (groupId: number): Promise<Raft> =>
      Raft.start(
        { nodeId: 'a', groupId, voters: ['a'], ...timing },
        {
          clock: systemClock,
          channel: new Wire().channel('a'),
          storage,
          stateMachine: new Ledger(),
          seed: groupId,
        },
      );
    const groups = await Promise.all(Array.from({ length: 8 }, (_, groupId) => start(groupId)));
    await Promise.all(groups.map((raft) => raft.barrier()));
    for (let turn = 0; turn < 20; turn++) {
      steps.length = 0;
      await Promise.all(groups.map((raft) => raft.propose(text('a line'))));
      expect(steps.filter((step) => step === 'sync')).toHaveLength(flushes);
    }
    await Promise.all(groups.map((raft) => raft.stop()));
  });

  it('find it again, and keep others off it until the last of them has stopped', async () => {
    const metrics = new MetricsRegistry();
    const ledgers = [0, 1, 2].map(() => new Ledger());
    const open = () => openGroupStore({ dataDir: folder, nodeId: 'a', metrics });
    const startAll = (store: Awaited<ReturnType<typeof open>>): Promise<Raft[]> =>
      Promise.all(
        ledgers.map((stateMachine, groupId) =>
          store.start(
            { nodeId: 'a', groupId, voters: ['a'], electionTimeoutMinMs: 100, electionTimeoutMaxMs: 200 },
            { channel: new Wire().channel('a'), stateMachine },
          ),
        ),
      );
    const store = await open();
    const groups = await startAll(store);
    await Promise.all(groups.map((raft) => raft.barrier()));
    const before = metrics.value('raft_wal_flushes');
    await Promise.all(groups.map((raft, group) => raft.propose(text(`for ${group}`))));
    expect(metrics.value('raft_wal_flushes') - before).toBe(1);
    await groups[0]?.stop();
    await groups[1]?.propose(text('more for 1'));
    await expect(open()).rejects.toMatchObject({ code: 'RAFT_DATA_LOCKED' });
    await store.close();
    await expect(groups[1]?.propose(text('too late'))).rejects.toMatchObject({ code: 'RAFT_STOPPED' });
    for (const ledger of ledgers) ledger.forget();
    await using again = await open();
    await Promise.all((await startAll(again)).map((raft) => raft.barrier()));
    expect(ledgers.map(({ lines }) => lines)).toEqual([['for 0'], ['for 1', 'more for 1'], ['for 2']]);
  });
});

/** Notes each write and sync of a file, and when it was done. */
const noting = (disk: Disk, inOne: boolean, steps: string[]): Disk => ({
  makeDirectory: (path, done) => disk.makeDirectory(path, done),
  list: (path, done) => disk.list(path, done),
  open: (path, options, done) =>
    disk.open(path, options, (outcome) =>
      done(outcome.ok ? { ok: true, value: noted(outcome.value, inOne, steps) } : outcome),
    ),
  rename: (from, to, done) => disk.rename(from, to, done),
  remove: (path, done) => disk.remove(path, done),
  syncDirectory: (path, done) => disk.syncDirectory(path, done),
});

function noted(file: DiskFile, inOne: boolean, steps: string[]): DiskFile {
  const note = (begun: string, ended: string, done: Done<void>): Done<void> => {
    steps.push(begun);
    return (outcome) => {
      steps.push(ended);
      done(outcome);
    };
  };
  const durably: DiskFile['writeDurably'] = (offset, bytes, done) =>
    file.writeDurably?.(offset, bytes, note('writeDurably', 'durable', done));
  return {
    path: file.path,
    size: (done) => file.size(done),
    read: (offset, length, done) => file.read(offset, length, done),
    write: (offset, bytes, done) => file.write(offset, bytes, note('write', 'written', done)),
    sync: (done) => file.sync(note('sync', 'synced', done)),
    allocate: (length, done) => file.allocate(length, done),
    truncate: (length, done) => file.truncate(length, done),
    close: (done) => file.close(done),
    ...(inOne ? { writeDurably: durably } : {}),
  };
}

describe('a group on real disks whose log is short', () => {
  it('5.1: 42, brings a replica back by snapshot, state machine and log included, and drops what it covers', async () => {
    const wire = new Wire();
    const ledgers = new Map(three.map((name) => [name, new Ledger()]));
    const start = (nodeId: string): Promise<Raft> =>
      startRaft(
        {
          nodeId,
          voters: three,
          dataDir: join(folder, nodeId),
          snapshotEntries: 50,
          logTailEntries: 5,
          snapshotPieceBytes: 4096,
          wal: { segmentBytes: 16_384, growthBytes: 16_384 },
        },
        { channel: wire.channel(nodeId), stateMachine: ledgers.get(nodeId) ?? new Ledger() },
      );
    const nodes = new Map(await Promise.all(three.map(async (name) => [name, await start(name)] as const)));
    const node = (name: string): Raft => nodes.get(name) as Raft;
    await node('a').barrier();
    const leader = node('a').status().leaderId ?? '';
    const late = three.find((name) => name !== leader) ?? '';
    await node(late).stop();
    for (let i = 0; i < 20; i++) {
      await Promise.all(
        Array.from({ length: 20 }, (_, k) => node(leader).propose(text(`line ${i} ${k} ${'x'.repeat(200)}`))),
      );
    }
    await vi.waitFor(() => expect(node(leader).status().firstIndex).toBeGreaterThan(1), { timeout: 10_000 });
    ledgers.get(late)?.forget();
    nodes.set(late, await start(late));
    await node(late).barrier();
    expect(ledgers.get(late)?.lines).toEqual(ledgers.get(leader)?.lines);
    expect(ledgers.get(late)?.imageIndexes.length).toBeGreaterThan(0);
    // Its own log and snapshot are all that it needs the next time.
    await node(late).stop();
    ledgers.get(late)?.forget();
    nodes.set(late, await start(late));
    await node(late).barrier();
    expect(ledgers.get(late)?.lines).toEqual(ledgers.get(leader)?.lines);
    await vi.waitFor(
      async () => {
        await node(leader).propose(text('more'));
        await node(leader).snapshot();
        expect(readdirSync(join(folder, leader, 'wal'))).not.toContain('0000000000000001.wal');
        expect(readdirSync(join(folder, leader, 'snapshots')).length).toBeLessThanOrEqual(2);
      },
      { timeout: 20_000, interval: 50 },
    );
    await Promise.all(three.map((name) => node(name).stop()));
  });

  it('shows the damage in a log that is not in use, and cuts it off when told to', async () => {
    const only = { nodeId: 'a', voters: ['a'], electionTimeoutMinMs: 100, electionTimeoutMaxMs: 200 };
    const dataDir = join(folder, 'a');
    const open = (): Promise<Raft> =>
      startRaft({ ...only, dataDir }, { channel: new Wire().channel('a'), stateMachine: new Ledger() });
    const raft = await open();
    await expect(inspectLog(dataDir)).rejects.toMatchObject({ code: 'RAFT_DATA_LOCKED' });
    for (let i = 0; i < 5; i++) await raft.propose(text(String(i)));
    await raft.stop();
    const file = openSync(join(dataDir, 'wal/0000000000000001.wal'), 'r+');
    writeSync(file, Uint8Array.of(0xee), 0, 1, 250);
    closeSync(file);
    const damage = expect.stringMatching(/0000000000000001\.wal at offset \d+/);
    expect((await inspectLog(dataDir)).segments).toMatchObject([{ damage }]);
    expect((await cutLog(dataDir)).segments).toMatchObject([{ damage }]);
    expect((await inspectLog(dataDir)).segments).toMatchObject([{ damage: null }]);
    await (await open()).stop();
  });
});
