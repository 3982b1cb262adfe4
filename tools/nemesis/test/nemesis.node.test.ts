/** The nemesis as a user starts it: real processes, real kills, networks of our own. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { whyNoNamespaces } from '../src/namespaces.ts';
import { makeNetwork } from '../src/network.ts';
import { Processes } from '../src/processes.ts';
import { bundlePrograms } from '../src/programs.ts';
import type { PlantedBug } from '../src/programs/protocol.ts';
import { runScenario, type ScenarioOptions, type ScenarioResult } from '../src/run-scenario.ts';
import { chooseScenarios } from '../src/scenario.ts';

// Real processes take what time a busy machine gives them.
vi.setConfig({ testTimeout: 180_000 });

const root = fileURLToPath(new URL('../../..', import.meta.url));
const tsx = join(root, 'node_modules/tsx/dist/loader.mjs');
const main = join(root, 'tools/cli/src/main.ts');

const noNetwork = whyNoNamespaces();

let temporary: string;
beforeEach(() => {
  temporary = mkdtempSync(join(tmpdir(), 'nemesis-test-'));
});
afterEach(() => rmSync(temporary, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** With a temporary folder of its own, so that what it leaves behind shows. */
function startNemesis(...args: readonly string[]): {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
} {
  const child = spawn(
    process.execPath,
    ['--conditions=@cluster/source', '--import', tsx, main, 'nemesis', ...args],
    { cwd: root, env: { ...process.env, TMPDIR: temporary }, stdio: ['ignore', 'pipe', 'pipe'] },
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

const foldersLeft = (): string[] =>
  readdirSync(temporary).filter((name) => name.startsWith('cluster-nemesis-'));

const networksLeft = (pid: number): string[] =>
  existsSync('/var/run/netns')
    ? readdirSync('/var/run/netns').filter((name) => name.startsWith(`cluster-nemesis-${pid}-`))
    : [];

/** Processes whose command line names the temporary folder (Linux). */
function processesRunning(): number[] {
  if (!existsSync('/proc')) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(join(temporary, 'cluster-nemesis-'));
      } catch {
        return false; // ended meanwhile
      }
    });
}

/** One scenario, from the first process to the verdict. */
function judge(
  name: string,
  options: Pick<ScenarioOptions, 'programs' | 'until' | 'bug'>,
): Promise<ScenarioResult> {
  const [scenario] = chooseScenarios([name]);
  if (scenario === undefined) throw new Error('There is such a scenario.');
  const folder = join(temporary, `${name}-${options.bug ?? 'sound'}`);
  return runScenario(scenario, {
    ...options,
    seed: 1,
    processes: new Processes(),
    folder,
    out: `${folder}-out`,
    say: () => undefined,
    signal: new AbortController().signal,
    onNetwork: () => undefined,
  });
}

describe('the nemesis', () => {
  it('kills leaders for 5 s; the history is linearizable, an edited one is not, and nothing is left', async () => {
    const out = join(temporary, 'out');
    const args = ['kill-leader-3', '--seconds', '5', '--out', out, '--json'];
    const { code, stdout, stderr } = await startNemesis(...args).ended;
    const result = JSON.parse(stdout) as { scenarios: Record<string, unknown>[]; skipped: unknown[] };
    expect({ ...result.scenarios[0], stderr }).toMatchObject({
      name: 'kill-leader-3',
      ok: true,
      acknowledgedWritesLost: 0,
      linearizable: true,
      countersExact: true,
      replicasAgree: true,
      failures: [],
    });
    expect(result.scenarios[0]?.['faults']).toBeGreaterThan(0);
    expect(result.scenarios[0]?.['kills']).toBe(result.scenarios[0]?.['faults']);
    expect(result.scenarios[0]?.['acknowledgedWrites']).toBeGreaterThan(100);
    expect(result.scenarios[0]?.['interruptionMs']).toBeGreaterThan(0);
    expect([result.skipped, code]).toEqual([[], 0]);

    const history = join(out, 'kill-leader-3.history.jsonl');
    expect(result.scenarios[0]?.['history']).toBe(history);
    const lines = readFileSync(history, 'utf8').trimEnd().split('\n');
    const read = lines.findIndex(
      (line) =>
        line.includes('"op":"get"') && line.includes('"status":"ok"') && !line.includes('"value":null'),
    );
    const edited = join(out, 'edited.jsonl');
    const forged = (lines[read] ?? '').replace(/"value":"[^"]*"/, '"value":"forged"');
    writeFileSync(edited, lines.with(read, forged).join('\n'));
    const verdicts = await Promise.all([
      startNemesis('--check', history).ended,
      startNemesis('--check', edited).ended,
    ]);
    expect(verdicts.map((verdict) => verdict.code)).toEqual([0, 1]);
    expect(verdicts[1]?.stdout).toContain('"value":"forged"');
    expect([foldersLeft(), processesRunning()]).toEqual([[], []]);
  });

  it('leaves no process, network or folder behind after Ctrl-C in the middle of a fault', async () => {
    const [scenario = ''] = whyNoNamespaces() === null ? ['partition-3'] : ['pause-some-3'];
    const { child, ended } = startNemesis(scenario, '--seconds', '60', '--out', join(temporary, 'out'));
    let said = '';
    await new Promise<void>((resolve) => {
      child.stdout?.on('data', (text: string) => {
        said += text;
        if (/partition: |SIGSTOP/.test(said)) resolve();
      });
      child.once('close', () => resolve());
    });
    expect(processesRunning().length).toBeGreaterThanOrEqual(4);
    child.kill('SIGINT');
    const { code, stdout } = await ended;
    expect([code, stdout.trimEnd().split('\n').at(-1)]).toEqual([
      130,
      'Interrupted; the processes, networks and temporary folders are gone.',
    ]);
    expect([foldersLeft(), processesRunning(), networksLeft(child.pid ?? 0)]).toEqual([[], [], []]);
  });

  it('stops processes and cuts networks for 5 s each; what clients saw is linearizable, by the read index and by leases', async () => {
    const programs = await bundlePrograms(join(temporary, 'programs'));
    const until = { seconds: 5 };
    // In CI the absence of namespaces is a failure, elsewhere this is said as the skip of the network below.
    const cut = noNetwork === null || process.env['CI'] ? [judge('partition-3', { programs, until })] : [];
    const results = await Promise.all([judge('pause-some-3', { programs, until }), ...cut]);
    for (const result of results) {
      expect(result).toMatchObject({
        ok: true,
        failures: [],
        linearizable: true,
        acknowledgedWritesLost: 0,
        countersExact: true,
        replicasAgree: true,
        kills: 0,
      });
      expect(result.acknowledgedWrites).toBeGreaterThan(20);
      expect(result.faults).toBeGreaterThan(0);
    }
  });

  it('finds bugs that were planted: stale reads, sessions that count for nothing, logs forgotten', async () => {
    const programs = await bundlePrograms(join(temporary, 'programs'));
    const run = (
      bug: PlantedBug,
      name: string,
      until: ScenarioOptions['until'] = { seconds: 1 },
    ): Promise<ScenarioResult> => judge(name, { programs, bug, until });
    const [stale, repeated, forgotten] = await Promise.all([
      run('stale-reads', 'kill-leader-3'),
      run('no-session', 'kill-leader-3'),
      run('no-log', 'kill-all-3', { kills: 1 }),
    ]);
    expect(stale).toMatchObject({ ok: false, linearizable: false });
    expect(stale.failures.join()).toContain('not linearizable');
    expect(repeated).toMatchObject({ ok: false, countersExact: false });
    expect(repeated.failures.join()).toMatch(/counter \d came to/);
    expect(forgotten).toMatchObject({ ok: false, linearizable: false, kills: 1, nodesKilled: 3 });
    expect(forgotten.failures.join()).toContain('not linearizable');
  });
});

// In CI the absence of namespaces is a failure, elsewhere a counted skip.
describe.skipIf(noNetwork !== null && !process.env['CI'])('a network of our own', () => {
  const canReach = (prefix: readonly string[], host: string): boolean => {
    const [file = '', ...args] = prefix;
    const dial = `const s=require('net').connect(7,'${host}');s.on('connect',()=>process.exit(0));s.on('error',e=>process.exit(e.code==='ECONNREFUSED'?0:1));setTimeout(()=>process.exit(1),700)`;
    try {
      execFileSync(file, [...args, process.execPath, '-e', dial], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  };

  it('cuts one direction or a whole node, heals, and leads nowhere else', async () => {
    const network = await makeNetwork(['n1', 'n2', 'n3']);
    try {
      const reach = (from: string, to: string): boolean => canReach(network.prefix(from), network.host(to));
      expect([reach('n1', 'n2'), reach('client', 'n3')]).toEqual([true, true]);
      // A refusal has to come back: one lost direction is as good as both for a question with an answer.
      await network.cut('n1', 'n2');
      expect([reach('n1', 'n2'), reach('n2', 'n1'), reach('n1', 'n3')]).toEqual([false, false, true]);
      await network.heal();
      expect(reach('n2', 'n1')).toBe(true);
      await network.unplug('n3');
      expect([reach('client', 'n3'), reach('n3', 'n1'), reach('n1', 'n2')]).toEqual([false, false, true]);
      await network.heal();
      expect(reach('client', 'n3')).toBe(true);

      const [file = '', ...args] = network.prefix('n1');
      const routes = execFileSync(file, [...args, 'ip', 'route'], { encoding: 'utf8' });
      expect(routes.trim().split('\n')).toEqual([expect.stringMatching(/^10\.0\.0\.0\/24 dev eth0 /)]);
    } finally {
      network.remove();
    }
    expect(networksLeft(process.pid)).toEqual([]);
  });
});
