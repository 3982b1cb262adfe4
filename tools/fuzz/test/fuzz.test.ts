import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { Prng } from '@cluster/core';
import { demand, type FuzzTarget, fuzzTargets, hostile, pieces, runFuzz } from '@cluster/fuzz';
import { describe, expect, it } from 'vitest';

/** Decodes a length and a text: wrongly, when the first byte is 77. */
const planted = (crash: (bytes: Uint8Array) => void): FuzzTarget => ({
  name: 'planted',
  make: () => ({
    feed: (prng) => {
      const bytes = hostile(prng, [Uint8Array.of(76, 1, 2, 3), Uint8Array.of(5, 5)]);
      if (bytes[0] === 77) crash(bytes);
      return bytes.length === 4 ? 'taken' : 'rejected';
    },
  }),
});

// Engines that keep time and sessions are slower than decoders; the command runs millions.
const slices: Readonly<Record<string, number>> = {
  swim: 5000,
  transport: 5000,
  raft: 20_000,
  'raft-snapshots': 5000,
  manager: 20_000,
};

describe.each(fuzzTargets.map((target) => [target.name, target] as const))('%s', (name, target) => {
  it('takes thousands of hostile inputs: nothing throws, hangs, grows or changes', () => {
    const inputs = slices[name] ?? 0;
    const report = runFuzz([target], { inputs, seed: 2026 });
    expect(report.failures).toEqual([]);
    expect(report).toMatchObject({ inputs, crashes: 0, seed: 2026 });
    // Hostile, and yet not noise alone: much is refused, something gets through.
    expect(report.rejected).toBeGreaterThan(inputs / 4);
    expect(report.rejected).toBeLessThan(inputs);
  });
});

describe('a fuzz run', () => {
  it('finds a planted crash, says at which input, and finds it there again', () => {
    const crash = (): void => {
      throw new RangeError('Offset is outside the bounds of the DataView');
    };
    const run = (seed: number): unknown => runFuzz([planted(crash)], { inputs: 20_000, seed }).failures;
    const first = runFuzz([planted(crash)], { inputs: 20_000, seed: 1 });
    expect(first.crashes).toBeGreaterThan(0);
    expect(first.failures[0]?.problem).toContain('outside the bounds');
    expect(run(1)).toEqual(first.failures);
    expect(run(2)).not.toEqual(first.failures);
  });

  it('finds a planted change of state, and a memory beyond its bound', () => {
    const changed = planted(() => demand(false, 'without the key nothing changes'));
    expect(runFuzz([changed], { inputs: 20_000, seed: 1 }).failures[0]?.problem).toBe(
      'without the key nothing changes',
    );
    const small = runFuzz([planted(() => undefined)], { inputs: 5000, seed: 1, memoryMbMax: 1 });
    expect(small.failures[0]?.problem).toContain('1 are allowed');
  });

  it('fails when a long one has never reached what it has to', () => {
    const target: FuzzTarget = {
      name: 'shallow',
      mustReach: ['surface', 'depth'],
      make: () => ({ feed: () => 'taken', reached: () => ({ surface: 5 }) }),
    };
    const problems = (inputs: number): string[] =>
      runFuzz([target], { inputs, seed: 1 }).failures.map(({ problem }) => problem);
    expect(problems(100_000)).toEqual(['nothing reached depth']);
    expect(problems(1000)).toEqual([]);
  });

  it('gives a target up after a number of failures, and goes on with the next', () => {
    const always: FuzzTarget = {
      name: 'always',
      make: () => ({
        feed: () => {
          throw new Error('no');
        },
      }),
    };
    const report = runFuzz([always, planted(() => undefined)], { inputs: 1000, seed: 1, failuresMax: 3 });
    expect(report.crashes).toBe(3);
    expect(report.targets.map(({ inputs }) => inputs)).toEqual([3, 1000]);
  });

  it('ends the process when an input does not end, and says which one it was', () => {
    const flags = ['--conditions=@cluster/source', '--import', 'tsx'];
    const { signal, stderr } = spawnSync(process.execPath, [...flags, join(import.meta.dirname, 'hang.ts')], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    expect(stderr).toContain('FUZZ_HANG: target hanging, input 2, seed 7: it does not end within 200 ms.');
    expect(signal).toBe('SIGKILL');
  });
});

describe('hostile bytes', () => {
  it('are the same for the same seed, and cut and put together again in any pieces', () => {
    const samples = [new Uint8Array(100).fill(1), Uint8Array.of(9, 9)];
    const make = (seed: number): Uint8Array[] => {
      const prng = Prng.fromSeed(seed);
      return Array.from({ length: 200 }, () => hostile(prng, samples, 90));
    };
    expect(make(1)).toEqual(make(1));
    expect(make(1)).not.toEqual(make(2));
    expect(Math.max(...make(1).map(({ length }) => length))).toBeLessThanOrEqual(90);
    const prng = Prng.fromSeed(3);
    for (const bytes of make(1))
      expect(pieces(prng, bytes).flatMap((piece) => [...piece])).toEqual([...bytes]);
  });
});
