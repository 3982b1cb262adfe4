/** The demo as a user starts it: real processes, a real kill. Takes half a minute. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const tsx = join(root, 'node_modules/tsx/dist/loader.mjs');
const main = join(root, 'tools/cli/src/main.ts');

let temporary: string;
beforeEach(() => {
  temporary = mkdtempSync(join(tmpdir(), 'cluster-demo-test-'));
});
afterEach(() => rmSync(temporary, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts the demo with a temporary folder of its own, so that what it leaves behind shows. */
function startDemo(args: readonly string[]): {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
} {
  const child = spawn(
    process.execPath,
    ['--conditions=@cluster/source', '--import', tsx, main, 'demo', ...args],
    {
      cwd: root,
      env: { ...process.env, TMPDIR: temporary },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { child, ended };
}

const runFolders = (): string[] => readdirSync(temporary).filter((name) => name.startsWith('cluster-demo-'));

/** Processes whose command line names the temporary folder (Linux). */
function processesLeft(): number[] {
  if (!existsSync('/proc')) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(temporary);
      } catch {
        return false; // ended meanwhile
      }
    });
}

describe('the demo', () => {
  it('kills a leader, loses no acknowledged write, says so in JSON, and leaves nothing behind', async () => {
    const { ended } = startDemo(['--nodes', '3', '--seconds', '10', '--json']);
    const { code, stdout, stderr } = await ended;
    const summary = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>;
    expect({ ...summary, stderr }).toMatchObject({
      ok: true,
      nodes: 3,
      acknowledgedWritesLost: 0,
      queriesFailed: 0,
      failures: [],
    });
    for (const key of [
      'firstSuspicionMs',
      'allAgreeMs',
      'firstWriteMs',
      'rejoinMs',
      'writesAcknowledged',
      'queriesServed',
    ]) {
      expect({ [key]: Number(summary[key]) > 0 }).toEqual({ [key]: true });
    }
    expect(stderr).toContain('killing the leader');
    expect(code).toBe(0);
    expect(runFolders()).toEqual([]);
    expect(processesLeft()).toEqual([]);
  }, 120_000);

  it('ends at Ctrl-C without leaving a process or a folder', async () => {
    const { child, ended } = startDemo(['--nodes', '3', '--json']);
    const began = performance.now();
    while (processesLeft().length < 4 && performance.now() - began < 30_000) {
      await new Promise((resolve) => {
        setTimeout(resolve, 50);
      });
    }
    child.kill('SIGINT');
    const { code } = await ended;
    expect(code).toBe(130);
    expect(runFolders()).toEqual([]);
    expect(processesLeft()).toEqual([]);
  }, 60_000);
});
