import { Prng } from '@cluster/core';
import { describe, expect, test } from 'vitest';
import { nemesis, type ScriptedFault, World } from '../src/index.ts';

const nodes = ['a', 'b', 'c', 'd', 'e'];
const scripts = Array.from({ length: 100 }, (_, seed) =>
  nemesis(Prng.fromSeed(seed), { nodes, durationMs: 10_000 }),
);

describe('a fault script', () => {
  test('is the same for the same seed', () => {
    expect(nemesis(Prng.fromSeed(3), { nodes, durationMs: 10_000 })).toEqual(scripts[3]);
  });

  test('is in order of time and ends with calm', () => {
    for (const script of scripts) {
      expect(script).toEqual(script.toSorted((a, b) => a.atMs - b.atMs));
      expect(script.at(-1)).toEqual({ type: 'calm', atMs: 10_000 });
    }
  });

  test('uses every kind of fault over the seeds', () => {
    const kinds = new Set(scripts.flat().map(({ type }) => type));
    expect([...kinds].sort()).toEqual(
      [
        'calm',
        'crash',
        'crashAtDisk',
        'cut',
        'drift',
        'heal',
        'link',
        'mend',
        'network',
        'partition',
        'pause',
        'restart',
        'resume',
        'slow',
        'starve',
      ].sort(),
    );
  });

  test('leaves a kind out whose weight is 0, and disk errors unless asked for', () => {
    const kindsOf = (weights: NonNullable<Parameters<typeof nemesis>[1]['weights']>): Set<string> => {
      const seeds = Array.from({ length: 50 }, (_, seed) => seed);
      const all = seeds.flatMap((seed) =>
        nemesis(Prng.fromSeed(seed), { nodes, durationMs: 10_000, weights }),
      );
      return new Set(all.map(({ type }) => type));
    };
    expect(kindsOf({ pause: 0 })).not.toContain('pause');
    expect(kindsOf({ diskFailing: 2, diskFull: 2 })).toContain('diskFailing');
    const unusual = ['wipe', 'rot', 'badWrite', 'block'] as const;
    for (const kind of unusual) {
      expect(kindsOf({})).not.toContain(kind);
      expect(kindsOf({ [kind]: 2 })).toContain(kind);
    }
  });

  test('leaves a world that it was run in whole', () => {
    const run = (seed: number, script: readonly ScriptedFault[]): World => {
      const world = new World({ seed });
      for (const name of nodes) world.spawn(name, () => ({}));
      world.schedule(script);
      world.runFor(10_001);
      return world;
    };
    let crashes = 0;
    for (const [seed, script] of scripts.entries()) {
      const world = run(seed, script);
      crashes += world.counters.get('crashes');
      for (const a of nodes) {
        expect([world.isUp(a), world.isPaused(a)]).toEqual([true, false]);
        for (const b of nodes) expect(world.reaches(a, b)).toBe(true);
      }
    }
    expect(crashes).toBeGreaterThan(200);
  });

  test('keeps enough nodes up when told how many may be down', () => {
    for (let seed = 0; seed < 100; seed++) {
      const world = new World({ seed });
      for (const name of nodes) world.spawn(name, () => ({}));
      world.schedule(
        nemesis(Prng.fromSeed(seed), { nodes, durationMs: 10_000, downMax: 2, weights: { blackout: 0 } }),
      );
      world.onStep(() => {
        const up = nodes.filter((name) => world.isUp(name)).length;
        if (up < 3) world.fail('three are up', `${up} are`);
      });
      world.runFor(10_001);
      expect(world.nowMs).toBe(10_001);
    }
  });
});
