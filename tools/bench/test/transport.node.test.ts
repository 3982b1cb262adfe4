/** Real processes: whether every contender does the work and the shape is right, never how fast. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { benchTransport, transportQuick } from '@cluster/bench';

const folder = mkdtempSync(join(tmpdir(), 'bench-test-'));
const peers = ['http2', 'grpc-js', 'yamux'];

// What is left behind there is this test's own.
beforeEach(() => vi.stubEnv('TMPDIR', folder));
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

it('bench transport measures ours, the limit and the peers in processes of their own, and leaves nothing behind', async () => {
  const lines: string[] = [];
  const result = await benchTransport(
    {
      ...transportQuick,
      rounds: 1,
      warmMs: 10,
      runMs: 20,
      idleConnections: 5,
      // More than the windows of both sides hold together, and the sender's queue.
      stoppedReader: { trials: 1, offeredBytes: 64 * 1024 * 1024, stoppedMs: 200 },
      peers,
    },
    (line) => lines.push(line),
  );
  expect(Object.keys(result)).toEqual(['name', 'config', 'rows', 'expectations']);
  expect(result.expectations?.map(({ held }) => held)).toEqual([true, true]);
  expect(result.rows).toHaveLength(22);
  const stopped: boolean[] = [];
  for (const { case: name, ours, limit, ratioToLimit, peers: measured, spread } of result.rows) {
    // A few idle connections may fit into memory that the process has already, and need nothing for a moment.
    if (name.includes('idle connection')) continue;
    if (name.startsWith('a reader that stops')) {
      stopped.push(ours > 0 && limit === null);
      continue;
    }
    expect([name, ours > 0, Number(limit) > 0, Number(ratioToLimit) > 0]).toEqual([name, true, true, true]);
    expect(Object.keys(measured)).toEqual(peers);
    expect([name, Object.values(measured).every((value) => value > 0)]).toEqual([name, true]);
    expect(spread).toBe(0);
  }
  expect(stopped).toEqual([true, true, true]);
  // As `bench transport --json` prints it: nothing is lost on the way, such as a figure that is no number.
  const printed = JSON.parse(JSON.stringify(result)) as typeof result;
  expect(printed).toEqual(result);
  const keys = ['case', 'unit', 'higherIsBetter', 'ours', 'limit', 'peers', 'ratioToLimit', 'spread'];
  for (const row of printed.rows)
    expect(
      Object.keys(row)
        .filter((key) => key !== 'ratioInterval')
        .toSorted(),
    ).toEqual(keys.toSorted());
  expect(printed.config).toMatchObject({
    rounds: 1,
    ours: { compression: 'off', messageBytesMax: 16_777_216 },
  });
  expect(lines).toContain('peer yamux');
  expect(readdirSync(folder).filter((name) => name.startsWith('cluster-bench-'))).toEqual([]);
}, 240_000);
