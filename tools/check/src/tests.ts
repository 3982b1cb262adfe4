import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type CheckOptions, printLine, runCheck } from './check.ts';
import { addCounts, countLine, type Counts, countsFileVariable } from './counts.ts';
import { toolPath } from './subprocess.ts';
import { workspaceRoot } from './workspace.ts';

export interface TestOptions extends Omit<CheckOptions, 'only'> {
  /** Run only test files whose path contains one of these. Default: all. */
  readonly files?: readonly string[];
  /** Run only tests whose name matches this regular expression. */
  readonly name?: string;
  /** Rewrite recorded scripts and snapshots instead of comparing with them. */
  readonly update?: boolean;
  /** Default: true. */
  readonly check?: boolean;
}

/**
 * Runs the checks and then the tests, and ends with the count line: each step of the check and each test counts once.
 * A failing step does not keep the tests from running.
 */
export async function runTests(options: TestOptions = {}): Promise<Counts> {
  const { root = workspaceRoot(), print = printLine } = options;
  let counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  if (options.check !== false) {
    for (const { ok } of await runCheck({ root, print }))
      counts = addCounts(counts, { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 });
  }
  counts = addCounts(counts, await runVitest(root, options));
  print('');
  print(countLine(counts));
  return counts;
}

async function runVitest(root: string, options: TestOptions): Promise<Counts> {
  const { files = [], name, update = false, print } = options;
  const folder = mkdtempSync(join(tmpdir(), 'cluster-test-'));
  const countsFile = join(folder, 'counts.json');
  const args = ['run', ...files, ...(name === undefined ? [] : ['-t', name]), ...(update ? ['-u'] : [])];
  try {
    const child = spawn(toolPath(root, 'vitest'), args, {
      cwd: root,
      stdio: print === undefined ? 'inherit' : 'pipe',
      env: { ...process.env, [countsFileVariable]: countsFile },
    });
    for (const stream of [child.stdout, child.stderr])
      if (stream !== null) createInterface(stream).on('line', (line) => print?.(line));
    const code = await new Promise<number | null>((resolve) => {
      child.on('error', () => resolve(null));
      child.on('close', resolve);
    });
    return settle(countsFile, code);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A run that ended badly has at least one failure, counted or not; so has one in which no test ran. */
function settle(countsFile: string, code: number | null): Counts {
  let counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  try {
    counts = JSON.parse(readFileSync(countsFile, 'utf8')) as Counts;
  } catch {
    return { ...counts, failed: 1 };
  }
  const failedUnseen = counts.failed === 0 && (code !== 0 || counts.passed === 0);
  return failedUnseen ? { ...counts, failed: 1 } : counts;
}
