import { type Disk, type DiskFile, type Done, type Outcome, runTask, type Task, wait } from '@cluster/core';
import { describe, expect, test } from 'vitest';
import { type DiskOptions, World } from '../src/index.ts';

/** A world of one node, and a way to run disk work on whatever process it has. */
function lab(seed: number, disk: DiskOptions = {}) {
  const world = new World({ seed, disk });
  let current: Disk | undefined;
  world.spawn('a', (ports) => {
    current = ports.disk;
    return {};
  });
  const start = <T>(work: (disk: Disk) => Task<T>): { outcome?: Outcome<T> } => {
    const box: { outcome?: Outcome<T> } = {};
    runTask(work(current as Disk), (outcome) => {
      box.outcome = outcome;
    });
    return box;
  };
  const run = <T>(work: (disk: Disk) => Task<T>): T => {
    const box = start(work);
    world.runFor(10_000);
    if (box.outcome === undefined) throw new Error('The work did not finish.');
    if (!box.outcome.ok) throw box.outcome.error;
    return box.outcome.value;
  };
  const reboot = (): void => {
    world.crash('a');
    world.restart('a');
  };
  return { world, start, run, reboot };
}

function* create(disk: Disk, path: string): Task<DiskFile> {
  return yield* wait((done: Done<DiskFile>) => disk.open(path, { create: true }, done));
}

function* contents(disk: Disk, path: string): Task<number[]> {
  const file = yield* wait((done: Done<DiskFile>) => disk.open(path, { create: false }, done));
  const bytes = yield* wait((done: Done<Uint8Array>) => file.read(0, 1 << 20, done));
  return [...bytes];
}

const seeds = Array.from({ length: 60 }, (_, i) => i + 1);
const block = (value: number, length = 2048): Uint8Array => new Uint8Array(length).fill(value);

describe('what was synced', () => {
  test('is there after every crash, with its name when the folder was synced too', () => {
    for (const seed of seeds) {
      const { run, reboot } = lab(seed);
      run(function* (disk) {
        yield* wait((done: Done<void>) => disk.makeDirectory('x', done));
        yield* wait((done: Done<void>) => disk.syncDirectory('', done));
        const file = yield* create(disk, 'x/a');
        yield* wait((done: Done<void>) => file.write(0, block(7), done));
        yield* wait((done: Done<void>) => file.sync(done));
        yield* wait((done: Done<void>) => disk.syncDirectory('x', done));
      });
      reboot();
      expect(run((disk) => contents(disk, 'x/a'))).toEqual([...block(7)]);
    }
  });

  test('is not undone by unsynced writes over other bytes', () => {
    for (const seed of seeds) {
      const { run, reboot } = lab(seed);
      run(function* (disk) {
        const file = yield* create(disk, 'a');
        yield* wait((done: Done<void>) => file.write(0, block(1), done));
        yield* wait((done: Done<void>) => file.sync(done));
        yield* wait((done: Done<void>) => disk.syncDirectory('', done));
        yield* wait((done: Done<void>) => file.write(2048, block(2), done));
      });
      reboot();
      expect(run((disk) => contents(disk, 'a')).slice(0, 2048)).toEqual([...block(1)]);
    }
  });

  test('stays under its name, whatever sync of another folder comes and goes meanwhile', () => {
    for (const seed of seeds) {
      const { world, run, start, reboot } = lab(seed, { stallRate: 0 });
      run(function* (disk) {
        for (const folder of ['x', 'y']) yield* wait((done: Done<void>) => disk.makeDirectory(folder, done));
        yield* wait((done: Done<void>) => disk.syncDirectory('', done));
        const file = yield* create(disk, 'x/part');
        yield* wait((done: Done<void>) => file.write(0, block(7), done));
        yield* wait((done: Done<void>) => file.sync(done));
        yield* wait((done: Done<void>) => disk.rename('x/part', 'x/whole', done));
      });
      const synced = start((disk) => wait((done: Done<void>) => disk.syncDirectory('x', done)));
      start((disk) => wait((done: Done<void>) => disk.syncDirectory('y', done)));
      world.runWhileNot(() => synced.outcome !== undefined, 1000);
      reboot();
      expect(run((disk) => contents(disk, 'x/whole'))).toEqual([...block(7)]);
    }
  });

  test('is not undone by an earlier sync that ends later', () => {
    for (const seed of seeds) {
      const { world, run, start, reboot } = lab(seed, { stallRate: 0 });
      const file = run(function* (disk) {
        const opened = yield* create(disk, 'a');
        yield* wait((done: Done<void>) => disk.syncDirectory('', done));
        yield* wait((done: Done<void>) => opened.write(0, block(1), done));
        return opened;
      });
      const earlier = start(() => wait((done: Done<void>) => file.sync(done)));
      const later = start(function* () {
        yield* wait((done: Done<void>) => file.write(0, block(2), done));
        yield* wait((done: Done<void>) => file.sync(done));
      });
      world.runWhileNot(() => earlier.outcome !== undefined && later.outcome !== undefined, 1000);
      reboot();
      expect(run((disk) => contents(disk, 'a'))).toEqual([...block(2)]);
    }
  });

  test('survives when only the process dies, synced or not', () => {
    for (const seed of seeds) {
      const { world, run } = lab(seed);
      run(function* (disk) {
        const file = yield* create(disk, 'a');
        yield* wait((done: Done<void>) => file.write(0, block(1, 3), done));
      });
      world.crash('a', { keepsMemory: true });
      world.restart('a');
      expect(run((disk) => contents(disk, 'a'))).toEqual([1, 1, 1]);
    }
  });
});

describe('what was not synced', () => {
  /** Two blocks of four sectors written over a synced file of zeros, unsynced; what each sector holds after a crash. */
  const sectorsAfterCrash = (seed: number): number[] => {
    const { run, reboot } = lab(seed);
    run(function* (disk) {
      const file = yield* create(disk, 'a');
      yield* wait((done: Done<void>) => file.allocate(4096, done));
      yield* wait((done: Done<void>) => file.sync(done));
      yield* wait((done: Done<void>) => disk.syncDirectory('', done));
      yield* wait((done: Done<void>) => file.write(0, block(1), done));
      yield* wait((done: Done<void>) => file.write(2048, block(2), done));
    });
    reboot();
    const bytes = run((disk) => contents(disk, 'a'));
    const sectors = Array.from({ length: 8 }, (_, i) => bytes.slice(i * 512, (i + 1) * 512));
    // A sector is whole: old or new, never half.
    for (const sector of sectors) expect(new Set(sector).size).toBe(1);
    return sectors.map((sector) => sector[0] ?? -1);
  };
  const outcomes = seeds.map((seed) => sectorsAfterCrash(seed).join(''));

  test('is lost by some seeds and kept by others', () => {
    expect(outcomes).toContain('00000000');
    expect(outcomes).toContain('11112222');
  });

  test('is torn at sectors by some seeds', () => {
    expect(outcomes.some((text) => /^(?:.*01|.*10)/.test(text.slice(0, 4)))).toBe(true);
  });

  test('reaches the medium out of order by some seeds', () => {
    expect(outcomes.some((text) => text === '00002222')).toBe(true);
  });

  test('a name is lost by some seeds though its file was synced', () => {
    const found = seeds.map((seed) => {
      const { run, reboot } = lab(seed);
      run(function* (disk) {
        const file = yield* create(disk, 'a');
        yield* wait((done: Done<void>) => file.write(0, block(1), done));
        yield* wait((done: Done<void>) => file.sync(done));
      });
      reboot();
      return run((disk) => wait((done: Done<readonly string[]>) => disk.list('', done))).length;
    });
    expect(new Set(found)).toEqual(new Set([0, 1]));
  });

  test('a rename is undone by some seeds, and never leaves neither name', () => {
    const found = seeds.map((seed) => {
      const { run, reboot } = lab(seed);
      run(function* (disk) {
        yield* create(disk, 'old');
        yield* wait((done: Done<void>) => disk.syncDirectory('', done));
        yield* wait((done: Done<void>) => disk.rename('old', 'new', done));
      });
      reboot();
      return run((disk) => wait((done: Done<readonly string[]>) => disk.list('', done))).join();
    });
    expect(new Set(found)).toEqual(new Set(['old', 'new']));
  });

  test('a sync covers only the writes that were complete when it began', () => {
    const kept = seeds.map((seed) => {
      const { world, run, start, reboot } = lab(seed, { stallRate: 0 });
      const file = run(function* (disk) {
        const opened = yield* create(disk, 'a');
        yield* wait((done: Done<void>) => opened.allocate(512, done));
        yield* wait((done: Done<void>) => opened.sync(done));
        yield* wait((done: Done<void>) => disk.syncDirectory('', done));
        return opened;
      });
      let written = false;
      file.write(0, block(1, 512), () => {
        written = true;
      });
      const synced = start(() => wait((done: Done<void>) => file.sync(done)));
      world.runWhileNot(() => synced.outcome !== undefined && written, 1000);
      reboot();
      return run((disk) => contents(disk, 'a'))[0];
    });
    expect(new Set(kept)).toEqual(new Set([0, 1]));
  });

  test('a write is torn by some seeds when the crash comes in the middle of it', () => {
    const torn = seeds.map((seed) => {
      const { world, run, start } = lab(seed);
      const file = run(function* (disk) {
        const opened = yield* create(disk, 'a');
        yield* wait((done: Done<void>) => opened.allocate(2048, done));
        yield* wait((done: Done<void>) => opened.sync(done));
        yield* wait((done: Done<void>) => disk.syncDirectory('', done));
        return opened;
      });
      world.perform({ type: 'crashAtDisk', node: 'a', operations: 0 });
      const write = start(() => wait((done: Done<void>) => file.write(0, block(1), done)));
      world.runFor(100);
      expect([world.isUp('a'), write.outcome]).toEqual([false, undefined]);
      world.restart('a');
      return new Set(run((disk) => contents(disk, 'a'))).size;
    });
    expect(new Set(torn)).toEqual(new Set([1, 2]));
  });

  test('comes no more once it is calm, though two traps have been set off', () => {
    const { world, run, start } = lab(1);
    const file = run((disk) => create(disk, 'a'));
    const writes = [0, 1].map((at) => {
      world.perform({ type: 'crashAtDisk', node: 'a', operations: 0 });
      return start(() => wait((done: Done<void>) => file.write(at * 512, block(1), done)));
    });
    world.perform({ type: 'calm' });
    world.runFor(100);
    expect([world.isUp('a'), writes.map(({ outcome }) => outcome?.ok)]).toEqual([true, [true, true]]);
  });
});

describe('a failing disk', () => {
  test('says that it is full, and writes nothing', () => {
    const { world, run } = lab(1);
    const file = run((disk) => create(disk, 'a'));
    world.diskOf('a').full = true;
    expect(() => run(() => wait((done: Done<void>) => file.write(0, block(1), done)))).toThrow(
      'no space left',
    );
    world.diskOf('a').full = false;
    expect(run((disk) => contents(disk, 'a'))).toEqual([]);
  });

  test('loses by some seeds what a failed sync covered, though the next sync succeeds', () => {
    const kept = seeds.map((seed) => {
      const { world, run, reboot } = lab(seed);
      const file = run(function* (disk) {
        const opened = yield* create(disk, 'a');
        yield* wait((done: Done<void>) => opened.allocate(512, done));
        yield* wait((done: Done<void>) => opened.sync(done));
        yield* wait((done: Done<void>) => disk.syncDirectory('', done));
        yield* wait((done: Done<void>) => opened.write(0, block(1, 512), done));
        return opened;
      });
      world.diskOf('a').failRate = 1;
      expect(() => run(() => wait((done: Done<void>) => file.sync(done)))).toThrow(
        'the simulated disk failed',
      );
      world.diskOf('a').failRate = 0;
      run(() => wait((done: Done<void>) => file.sync(done)));
      reboot();
      return run((disk) => contents(disk, 'a'))[0];
    });
    expect(new Set(kept)).toEqual(new Set([0, 1]));
  });
});
