/** What takes hours, in commands that each say by their exit code whether all held. */
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

export const nightParts = ['sim', 'nemesis', 'kills'] as const;
export type NightPart = (typeof nightParts)[number];

export interface NightOptions {
  /** Of raft's world: so many, from 1 on. */
  readonly seeds: number;
  /** Of each scenario of the nemesis. */
  readonly seconds: number;
  /** Moments at which SIGKILL strikes, half of them on three nodes and half on five. */
  readonly kills: number;
}

export interface NightCommand {
  readonly name: string;
  readonly part: NightPart;
  readonly args: readonly string[];
  /** Real processes have real timeouts: whatever runs beside them takes their time away. */
  readonly alone: boolean;
}

export interface NightResult {
  readonly command: string;
  readonly ok: boolean;
  readonly seconds: number;
  /** What it said, its last line of JSON included. */
  readonly log: string;
}

/** Few enough that a night that is ended early has something to show, enough that everything happens that has to. */
const seedsAtOnce = 1000;

export function nightCommands({ seeds, seconds, kills }: NightOptions, out: string): NightCommand[] {
  const ranges = Array.from({ length: Math.ceil(seeds / seedsAtOnce) }, (_, i) => {
    const first = i * seedsAtOnce + 1;
    return `${first}..${Math.min(first + seedsAtOnce - 1, seeds)}`;
  });
  const nemesis = (...args: readonly string[]): string[] => ['nemesis', ...args, '--out', out, '--json'];
  return [
    ...ranges.map((range) => ({
      name: `sim-raft-${range}`,
      part: 'sim' as const,
      args: ['sim', 'raft', '--seeds', range, '--trace', join(out, 'failures'), '--json'],
      alone: false,
    })),
    { name: 'nemesis', part: 'nemesis', args: nemesis('--seconds', String(seconds)), alone: true },
    {
      name: 'nemesis-kills',
      part: 'kills',
      args: nemesis('kill-random', '--kills', String(Math.ceil(kills / 2))),
      alone: true,
    },
  ];
}

/** Runs one command of this program; @returns its exit code. */
export type RunCommand = (args: readonly string[], log: string) => Promise<number>;

/** As this process was started, with other arguments. */
export const runAsThis: RunCommand = (args, log) =>
  new Promise((resolve, reject) => {
    const [, program = ''] = process.argv;
    const child = spawn(process.execPath, [...process.execArgv, program, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const file = createWriteStream(log);
    child.stdout.pipe(file, { end: false });
    child.stderr.pipe(file, { end: false });
    child.once('error', reject);
    // A signal is no success either.
    child.once('close', (code) => file.end(() => resolve(code ?? 1)));
  });

/** All of them, also after one has failed: those that have to be alone one after the other, the others `jobs` at a time. */
export async function runNight(
  commands: readonly NightCommand[],
  { out, jobs, run, say }: { out: string; jobs: number; run: RunCommand; say: (line: string) => void },
): Promise<readonly NightResult[]> {
  await mkdir(out, { recursive: true });
  const results = new Map<NightCommand, NightResult>();
  const workThrough = async (left: NightCommand[]): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const log = join(out, `${next.name}.log`);
      const command = next.args.join(' ');
      const beganMs = performance.now();
      const ok = (await run(next.args, log)) === 0;
      const seconds = Math.round((performance.now() - beganMs) / 1000);
      results.set(next, { command, ok, seconds, log });
      say(`${ok ? 'held' : 'DID NOT HOLD'}: ${command} (${seconds} s; ${log})`);
    }
  };
  const together = commands.filter(({ alone }) => !alone);
  await Promise.all(Array.from({ length: jobs }, () => workThrough(together)));
  await workThrough(commands.filter(({ alone }) => alone));
  return commands.flatMap((command) => results.get(command) ?? []);
}
