/** The command as a process: what a shell sees. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toyTrace } from './toy-trace.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const tsx = join(root, 'node_modules/.bin/tsx');
const main = 'tools/cli/src/main.ts';

let folder = '';
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'cluster-process-'))));
afterAll(() => rmSync(folder, { recursive: true }));

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(tsx, ['--conditions=@cluster/source', main, ...args], {
    cwd: root,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

describe('the cluster process', () => {
  it('exits with 2 after one line on standard error, without a stack trace, when the call is wrong', () => {
    const { status, stdout, stderr } = run('demo', '--frob');
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(/^CLI_USAGE: Unknown option '--frob'/);
  });

  it('prints plainly, without colours, where there is no terminal', () => {
    const trace = join(folder, 'toy.cltrace');
    writeFileSync(trace, toyTrace());
    const { status, stdout, stderr } = run('step', trace, '--at', '3');
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toContain('step 3 of');
    expect(stdout).not.toContain('\u001b');
  });

  it('ends quietly when its reader has seen enough', () => {
    const trace = join(folder, 'long.cltrace');
    const [header = '', ...lines] = toyTrace().trimEnd().split('\n');
    writeFileSync(trace, [header, ...Array.from({ length: 2000 }, () => lines).flat(), ''].join('\n'));
    const script = `"${tsx}" --conditions=@cluster/source ${main} step "${trace}" | head -1`;
    const { stdout, stderr } = spawnSync('bash', ['-c', script], { cwd: root, encoding: 'utf8' });
    expect(stdout).toContain('steps of n1, n2');
    expect(stderr).toBe('');
  });
});
