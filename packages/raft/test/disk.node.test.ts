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
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MetricsRegistry } from '@cluster/core';
import type { Raft, RaftChannel } from '../src/index.ts';
import { startRaft } from '../src/node.ts';
import { Ledger, text, words } from './support/ledger.ts';

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
    expect(metrics.value('raft_wal_flushes') - before).toBeLessThan(20);
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
