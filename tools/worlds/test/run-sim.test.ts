import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeTrace } from '@cluster/core';
import { World } from '@cluster/sim';
import { afterAll, describe, expect, test } from 'vitest';
import {
  parseSeeds,
  raftWorld,
  runSim,
  type RunSimOptions,
  swimWorld,
  type WorldKind,
} from '../src/index.ts';

/** A world in which seed 7 breaks a rule, and `rare` never happens unless told. */
const toy = (rare: number): WorldKind => ({
  name: 'toy',
  mustHappen: ['common', 'rare'],
  run: (seed, { trace, started }) => {
    const world = new World({ seed, trace });
    started(world);
    world.spawn('a', ({ clock }) => {
      clock.setTimer(5, () => {
        if (seed === 7) world.fail('not seven', 'it is');
      });
      return {};
    });
    world.runFor(10);
    return { steps: world.steps, coverage: { common: 1, rare } };
  },
});

const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

function sim(kind: WorldKind, names: readonly string[], options: Partial<RunSimOptions>) {
  const folder = mkdtempSync(join(tmpdir(), 'cluster-sim-'));
  folders.push(folder);
  const lines: string[] = [];
  const errors: string[] = [];
  const code = runSim([kind], names, {
    seeds: '1..3',
    trace: folder,
    out: (text) => lines.push(text),
    err: (text) => errors.push(text),
    ...options,
  });
  const text = lines.join('');
  return { code, text, errors: errors.join(''), files: readdirSync(folder), folder };
}

describe('the sim command', () => {
  test('passes when every check held and everything happened', () => {
    const { code, text, files } = sim(toy(1), [], { seeds: '10..120' });
    expect(code).toBe(0);
    expect(text).toContain('toy: 111 seeds, 111 steps, 0 violations');
    expect(files).toEqual([]);
  });

  test('fails on a zero in the coverage, however few the seeds; a single one is only looked at', () => {
    const few = sim(toy(0), ['toy'], { seeds: '10..11' });
    expect(few.code).toBe(1);
    expect(few.text).toContain('never happened');
    expect(sim(toy(0), ['toy'], { seeds: '10' }).code).toBe(0);
  });

  test('names the failing seed, and writes its trace', () => {
    const { code, text, errors, files, folder } = sim(toy(1), ['toy'], { seeds: '6..8', json: true });
    expect(code).toBe(1);
    expect(errors).toContain('Seed 7 failed at step 1');
    expect(files).toEqual(['toy-7.cltrace']);
    const trace = decodeTrace(readFileSync(join(folder, 'toy-7.cltrace'), 'utf8'));
    expect(trace.header).toMatchObject({ seed: 7 });
    expect(trace.records.length).toBeGreaterThan(0);
    expect(JSON.parse(text)).toMatchObject({
      seeds: 3,
      steps: 3,
      coverage: { common: 2, rare: 2 },
      violations: [{ seed: 7, invariant: 'not seven', step: 1, trace: join(folder, 'toy-7.cltrace') }],
      missing: [],
    });
  });

  test('says in JSON what never happened, and in which world', () => {
    const { code, text } = sim(toy(0), ['toy'], { seeds: '10..11', json: true });
    expect(code).toBe(1);
    expect(JSON.parse(text)).toMatchObject({ violations: [], missing: ['toy: rare'] });
  });

  test('writes the trace of a passing seed when it is the only one', () => {
    expect(sim(toy(1), ['toy'], { seeds: '5' }).files).toEqual(['toy-5.cltrace']);
  });

  test.each([
    [['toy'], '5..1', 'SIM_SEEDS_INVALID'],
    [['toy'], 'many', 'SIM_SEEDS_INVALID'],
    [['chess'], '1', 'SIM_WORLD_UNKNOWN'],
    [['manager'], '1', 'SIM_WORLD_LATER'],
  ])('refuses %j with seeds %s in one line', (names, seeds, code) => {
    const result = sim(toy(1), names, { seeds });
    expect(result.code).toBe(2);
    expect(result.text).toBe('');
    expect(result.errors).toMatch(new RegExp(`^${code}: [^\n]+\n$`));
  });

  test('reads a range or a single seed', () => {
    expect(parseSeeds('3..9')).toEqual({ first: 3, last: 9 });
    expect(parseSeeds('4')).toEqual({ first: 4, last: 4 });
    expect([parseSeeds('9..3'), parseSeeds('-1'), parseSeeds('1..')]).toEqual([null, null, null]);
  });
});

describe.each([raftWorld, swimWorld])('the world of $name', (kind) => {
  const run = (seed: number, trace: boolean): { digest: number; steps: number } => {
    let world: World | undefined;
    kind.run(seed, { trace, started: (made) => (world = made) });
    return { digest: world?.digest ?? 0, steps: world?.steps ?? 0 };
  };

  test('is the same for the same seed, traced or not, and different for another', () => {
    const first = run(5, false);
    run(6, false);
    expect(run(5, false)).toEqual(first);
    expect(run(5, true)).toEqual(first);
    expect(run(6, false).digest).not.toBe(first.digest);
    expect(first.steps).toBeGreaterThan(500);
  });
});
