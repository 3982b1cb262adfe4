/** Both pools on real sockets, for a moment: whether nobody is wronged and all find one another, never how fast. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { benchSwim, swimQuick } from '@cluster/bench';
import { whyNoNamespaces } from '@cluster/nemesis';

const folder = mkdtempSync(join(tmpdir(), 'bench-test-'));
const noNetwork = whyNoNamespaces();

// What is left behind there is this test's own.
beforeEach(() => vi.stubEnv('TMPDIR', folder));
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

it.skipIf(noNetwork !== null && !process.env['CI'])(
  'bench swim watches pools of ours and of Serf through a kill and a partition',
  async () => {
    const lines: string[] = [];
    const slice = { ...swimQuick, nodes: 6, idleSeconds: 3, cutSeconds: 12 };
    const { rows, expectations = [] } = await benchSwim(slice, (line) => lines.push(line));
    // What is sent in three seconds depends on which of them they are.
    const safe = expectations.filter(({ what }) => !what.startsWith('idle payload'));
    expect(safe.filter(({ held }) => !held)).toEqual([]);
    expect(safe.length).toBeGreaterThanOrEqual(6);
    expect(rows.find((row) => row.case === 'idle, datagrams sent by a member')?.ours).toBeGreaterThan(0);
    expect(lines).toContain('ours: 6 members start');
    expect(readdirSync(folder).filter((name) => name.startsWith('cluster-bench-'))).toEqual([]);
  },
  240_000,
);
