/** Real servers, for a moment: whether `bench raft` runs and says what it should, never how fast. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { benchRaft, raftDefaults, raftQuick } from '@cluster/bench';
import { raftConfigSchema } from '@cluster/raft';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bench-raft-test-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

it('bench raft loads ours as shipped beside the limit and etcd, in every row', async () => {
  const options = { ...raftQuick, clients: [1], warmMs: 50, runMs: 100, folder };
  const { name, config, rows, notes = [], expectations } = await benchRaft(options);
  expect(name).toBe('raft');
  expect(expectations).toEqual([{ what: 'ours accepted every put and every read', held: true }]);
  expect(config).toMatchObject({ rounds: 1, clients: [1], runMs: 100, servers: 3 });
  expect(config['ours']).toEqual(raftConfigSchema.parse({ nodeId: 'n1', voters: ['n1', 'n2', 'n3'] }));
  const figures = ['', ', p50', ', p99', ', CPU of all servers'];
  const cases = (kind: string): string[] => figures.map((figure) => `${kind}, 1 client${figure}`);
  expect(rows.map((row) => row.case)).toEqual([...cases('puts'), ...cases('linearizable reads')]);
  const hasEtcd = notes.length === 0;
  // What an operation costs is counted over all of them; a starved machine may complete none in the time that is measured.
  const costs = rows.filter((row) => row.case.endsWith('CPU of all servers'));
  expect(costs.map(({ ours }) => ours > 0)).toEqual([true, true]);
  for (const { case: what, limit, peers } of rows) {
    expect([what, limit === null]).toEqual([what, what.startsWith('linearizable reads')]);
    expect([what, Object.keys(peers)]).toEqual([what, hasEtcd ? ['etcd'] : []]);
  }
  expect(readdirSync(folder)).toEqual([]);
}, 240_000);

it('bench raft starts one again from a long log, and brings one back that was away, by a snapshot', async () => {
  const { rows, config, expectations } = await benchRaft({
    ...raftDefaults,
    rounds: 1,
    clients: [8],
    restart: 2000,
    away: 2000,
    awayKeys: 500,
    awaySliceMs: 50,
    settings: { snapshotEntries: 500, logTailEntries: 100 },
    folder,
  });
  expect(config['ours']).toMatchObject({ snapshotEntries: 500, logTailEntries: 100, heartbeatMs: 50 });
  expect(expectations).toEqual([
    { what: 'who was away came back by a snapshot', held: true },
    { what: "the leader's log stayed within logBytesMax", held: true },
  ]);
  const of = (what: string): number | undefined => rows.find((row) => row.case === what)?.ours;
  expect(of('restart with 2000 entries, log read')).toBeGreaterThan(0);
  expect(of('snapshot it is sent')).toBeGreaterThan(0);
  expect(of('return, until it is level')).toBeGreaterThan(0);
  expect(readdirSync(folder)).toEqual([]);
}, 240_000);
