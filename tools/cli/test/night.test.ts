import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nightCommands, runNight } from '../src/night.ts';

let out: string;
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), 'night-test-'));
});
afterEach(() => rmSync(out, { recursive: true }));

const say = (): void => undefined;

describe('a night', () => {
  it('runs every seed once, then all scenarios, then the kills on three nodes and on five', () => {
    const lines = nightCommands({ seeds: 2500, seconds: 60, kills: 501 }, 'o').map(({ args }) =>
      args.join(' '),
    );
    expect(lines).toEqual([
      'sim raft --seeds 1..1000 --trace o/failures --json',
      'sim raft --seeds 1001..2000 --trace o/failures --json',
      'sim raft --seeds 2001..2500 --trace o/failures --json',
      'nemesis --seconds 60 --out o --json',
      'nemesis kill-random --kills 251 --out o --json',
    ]);
  });

  it('goes on after a command that failed, and says which', async () => {
    const commands = nightCommands({ seeds: 2000, seconds: 5, kills: 2 }, out);
    const results = await runNight(commands, {
      out,
      jobs: 1,
      say,
      run: (args) => Promise.resolve(args.includes('1..1000') ? 1 : 0),
    });
    expect(results.map(({ command, ok }) => [command, ok])).toEqual(
      commands.map(({ args }, i) => [args.join(' '), i > 0]),
    );
  });

  it('runs simulations beside one another, and nothing beside real processes', async () => {
    const running = new Set<string>();
    const beside: string[] = [];
    await runNight(nightCommands({ seeds: 4000, seconds: 5, kills: 2 }, out), {
      out,
      jobs: 2,
      say,
      run: async ([kind = '']) => {
        const name = `${kind}${running.size}`;
        running.add(name);
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
        beside.push(`${kind} ${running.size}`);
        running.delete(name);
        return 0;
      },
    });
    expect(beside).toContain('sim 2');
    expect(beside.filter((one) => one.startsWith('nemesis'))).toEqual(['nemesis 1', 'nemesis 1']);
  });
});
