/** The write-ahead log on disks that tear, lose and rot (thesis 3.8). */
import { diskError, memoryDisk, Prng } from '@cluster/core';
import { describe, expect, it } from 'vitest';
import { type FlushPurpose, type RecoveredLog, WriteAheadLog } from '../src/index.ts';
import { TornDisk } from './support/torn-disk.ts';
import { entry, openWal, put, recovered, recoveryError, small, write } from './support/wal.ts';

const first = 'wal/0000000000000001.wal';
const second = 'wal/0000000000000002.wal';

/** A disk whose log holds these frames of one entry each; returns where each frame begins, and the end. */
function diskWithFrames(commands: readonly string[]): { disk: TornDisk; offsets: number[] } {
  const disk = new TornDisk();
  const wal = openWal(disk.port());
  recovered(wal);
  const offsets = [40];
  for (const [i, command] of commands.entries()) {
    put(wal, { entries: [entry(i + 1, 1, command)] });
    offsets.push(endOf(disk.file(first).current));
  }
  return { disk, offsets };
}

const endOf = (bytes: Uint8Array): number => {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return end;
};

const commandsOf = ({ entries }: RecoveredLog): string[] =>
  entries.map(({ command }) => new TextDecoder().decode(command));

describe('a log that was closed well', () => {
  it('gives every group what it wrote', () => {
    const disk = new TornDisk();
    const wal = openWal(disk.port());
    for (const group of [0, 7]) recovered(wal, group);
    put(wal, { hardState: { term: 1, vote: 'a' }, entries: [entry(1), entry(2)] });
    put(wal, { hardState: { term: 4, vote: null } }, 7);
    put(wal, { entries: [entry(1, 4, 'seven')] }, 7);
    put(wal, { truncateAfter: 1, entries: [entry(2, 2, 'other')] });
    put(wal, { hardState: { term: 2, vote: 'b' } });
    const again = openWal(disk.port());
    expect(recovered(again)).toEqual({
      hardState: { term: 2, vote: 'b' },
      base: { index: 0, term: 0 },
      entries: [entry(1), entry(2, 2, 'other')],
    });
    expect(recovered(again, 7)).toEqual({
      hardState: { term: 4, vote: null },
      base: { index: 0, term: 0 },
      entries: [entry(1, 4, 'seven')],
    });
    expect(recovered(again, 99)).toEqual({
      hardState: { term: 0, vote: null },
      base: { index: 0, term: 0 },
      entries: [],
    });
  });

  it('goes on over many segments, and a frame larger than one gets its own', () => {
    const disk = memoryDisk();
    const wal = openWal(disk);
    recovered(wal);
    const commands = Array.from({ length: 40 }, (_, i) => 'x'.repeat(i === 20 ? 9000 : 300 + i));
    for (const [i, command] of commands.entries()) put(wal, { entries: [entry(i + 1, 1, command)] });
    expect(wal.segments.length).toBeGreaterThan(4);
    const again = openWal(disk);
    expect(commandsOf(recovered(again))).toEqual(commands);
    expect(again.segments).toEqual(wal.segments);
    put(again, { entries: [entry(41)] });
    expect(recovered(openWal(disk)).entries).toHaveLength(41);
  });

  it('begins every frame at a multiple of eight bytes', () => {
    const { offsets } = diskWithFrames(['', 'a', 'ab', 'abcdefg', 'abcdefgh']);
    expect(offsets.slice(0, -1).map((offset) => offset % 8)).toEqual([0, 0, 0, 0, 0]);
  });

  it('hands a group’s log out once', () => {
    const wal = openWal(memoryDisk());
    recovered(wal);
    expect(recoveryError(wal).code).toBe('RAFT_GROUP_IN_USE');
  });
});

describe('a torn tail', () => {
  it('is dropped wherever it was cut, and what comes after takes its place', () => {
    const { disk, offsets } = diskWithFrames(['one', 'two', 'three']);
    const whole = disk.file(first).current.slice();
    const [, , start = 0, end = 0] = offsets;
    for (let cut = start; cut < end; cut++) {
      for (const isShort of [false, true]) {
        const torn = new TornDisk();
        const port = torn.port();
        recovered(openWal(port));
        torn.file(first).current = isShort ? whole.slice(0, cut) : whole.slice().fill(0, cut);
        const wal = openWal(torn.port());
        expect([cut, commandsOf(recovered(wal))]).toEqual([cut, ['one', 'two']]);
        expect(endOf(torn.file(first).current)).toBe(start);
        put(wal, { entries: [entry(3, 2, 'x')] });
        expect(commandsOf(recovered(openWal(torn.port())))).toEqual(['one', 'two', 'x']);
      }
    }
  });

  it('is dropped when any sector of the last frame did not get to the medium', () => {
    const { disk, offsets } = diskWithFrames(['one', 'y'.repeat(2500)]);
    const whole = disk.file(first).current.slice();
    const [, start = 0, end = 0] = offsets;
    for (let sector = Math.floor(start / 512); sector * 512 < end; sector++) {
      const bytes = whole.slice();
      bytes.fill(0, Math.max(start, sector * 512), Math.min(end, sector * 512 + 512));
      disk.file(first).current = bytes;
      expect([sector, commandsOf(recovered(openWal(disk.port())))]).toEqual([sector, ['one']]);
      disk.file(first).pending = [];
    }
  });

  it('leaves nothing behind that could be read later', () => {
    const { disk, offsets } = diskWithFrames(['one', 'z'.repeat(1500)]);
    const file = disk.file(first);
    // The last frame without its first sector's share: what follows is old data.
    file.current.fill(0, offsets[1], 512);
    const wal = openWal(disk.port());
    expect(commandsOf(recovered(wal))).toEqual(['one']);
    put(wal, { entries: [entry(2, 2, 'two')] });
    expect(disk.file(first).current.includes('z'.charCodeAt(0))).toBe(false);
  });

  it('never lets a frame of another history continue this one', () => {
    const old = diskWithFrames(['one', 'two', 'three']);
    const now = diskWithFrames(['one', 'TWO']);
    expect(now.offsets[2]).toBe(old.offsets[2]);
    const [, , start = 0, end = 0] = old.offsets;
    now.disk.file(first).current.set(old.disk.file(first).current.subarray(start, end), start);
    expect(recoveryError(openWal(now.disk.port())).code).toBe('RAFT_LOG_DAMAGED');
  });

  it('of a segment that was never finished goes with the segment', () => {
    for (const bytes of [new Uint8Array(0), new Uint8Array(4096), new Uint8Array(20).fill(7)]) {
      const { disk } = diskWithFrames(['one', 'two']);
      const file = disk.port();
      file.open(second, { create: true }, () => undefined);
      disk.file(second).current = bytes;
      const wal = openWal(disk.port());
      expect(commandsOf(recovered(wal))).toEqual(['one', 'two']);
      expect(wal.segments).toEqual([first]);
      expect(disk.names.has(second)).toBe(false);
    }
  });
});

describe('damage', () => {
  it('in the middle refuses to serve, and names the file and the offset, whatever bit it is', () => {
    const { disk, offsets } = diskWithFrames(['one', 'two', 'three']);
    const whole = disk.file(first).current.slice();
    const [, start = 0, end = 0] = offsets;
    for (let at = start; at < end; at++) {
      const bytes = whole.slice();
      bytes[at] = (bytes[at] ?? 0) ^ 0x10;
      disk.file(first).current = bytes;
      const error = recoveryError(openWal(disk.port()));
      expect([at, error.code]).toEqual([at, 'RAFT_LOG_DAMAGED']);
      expect(error.message).toContain(`${first} at offset ${start}`);
      expect(error.advice).toContain('Restore');
    }
  });

  it('of the last frame’s contents refuses to serve as well: it was written whole', () => {
    const { disk, offsets } = diskWithFrames(['one', 'two']);
    const [, start = 0, end = 0] = offsets;
    const whole = disk.file(first).current.slice();
    // Its magic, length and end are what tells it from a torn one: damage there goes unnoticed.
    for (let at = start + 8; at < end - 4; at++) {
      const bytes = whole.slice();
      bytes[at] = (bytes[at] ?? 0) ^ 0x10;
      disk.file(first).current = bytes;
      expect([at, recoveryError(openWal(disk.port())).code]).toEqual([at, 'RAFT_LOG_DAMAGED']);
    }
  });

  it('of a segment’s header refuses to serve while frames follow', () => {
    const { disk } = diskWithFrames(['one', 'two']);
    for (let at = 0; at < 36; at++) {
      const bytes = disk.file(first).current.slice();
      disk.file(first).current[at] = (bytes[at] ?? 0) ^ 1;
      expect(recoveryError(openWal(disk.port())).message).toContain(`${first} at offset 0`);
      disk.file(first).current = bytes;
    }
  });

  it('is what a missing segment is, and a segment without its end', () => {
    const make = (): TornDisk => {
      const disk = new TornDisk();
      const wal = openWal(disk.port());
      recovered(wal);
      for (let i = 1; i <= 30; i++) put(wal, { entries: [entry(i, 1, 'x'.repeat(400))] });
      return disk;
    };
    const missing = make();
    missing.names.delete(second);
    expect(recoveryError(openWal(missing.port())).message).toContain('the segment before it is missing');
    const cut = make();
    const { current } = cut.file(first);
    const end = endOf(current);
    current.fill(0, end - 300);
    expect(recoveryError(openWal(cut.port())).code).toBe('RAFT_LOG_DAMAGED');
    const short = make();
    const frames = short.file(first).current;
    // Without its last frame altogether: only the next segment knows that something is missing.
    const lastFrame = frames.lastIndexOf(0x52, end - 9) - 3;
    const start = [...Array(end).keys()]
      .reverse()
      .find((at) => at % 8 === 0 && String(frames.subarray(at, at + 4)) === '82,70,82,77');
    expect(start).toBeGreaterThan(lastFrame - end);
    frames.fill(0, start);
    expect(recoveryError(openWal(short.port())).message).toContain('does not continue the segment before it');
  });
});

describe('a flush', () => {
  it('is shared by all writes that queued during the one before', () => {
    const disk = memoryDisk();
    const held: (() => void)[] = [];
    let syncs = 0;
    const slow = {
      ...disk,
      open: (path: string, options: { create: boolean }, done: Parameters<typeof disk.open>[2]) =>
        disk.open(path, options, (outcome) => {
          if (!outcome.ok) return done(outcome);
          const { value: file } = outcome;
          const sync = (synced: Parameters<typeof file.sync>[0]): void => {
            syncs++;
            held.push(() => file.sync(synced));
          };
          const bound = {
            path: file.path,
            size: file.size.bind(file),
            read: file.read.bind(file),
            write: file.write.bind(file),
            allocate: file.allocate.bind(file),
            truncate: file.truncate.bind(file),
            close: file.close.bind(file),
            sync,
          };
          done({ ok: true, value: bound });
        }),
    };
    const wal = new WriteAheadLog({ disk: slow });
    recovered(wal);
    const done: number[] = [];
    for (let i = 1; i <= 100; i++) wal.write(0, write({ entries: [entry(i)] }), () => done.push(i));
    expect([syncs, done.length]).toEqual([1, 0]);
    held.shift()?.();
    expect([syncs, done.length]).toEqual([2, 1]);
    held.shift()?.();
    expect([syncs, done.length]).toEqual([2, 100]);
    expect(done).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(recovered(new WriteAheadLog({ disk })).entries).toHaveLength(100);
  });

  it('of a new segment comes before that of its name, and both before the write is done', () => {
    const disk = new TornDisk();
    const purposes: string[] = [];
    const wal = openWal(disk.port(), (purpose, path) => void purposes.push(`${purpose} ${path}`));
    recovered(wal);
    purposes.length = 0;
    disk.operations.length = 0;
    put(wal, { entries: [entry(1)] });
    expect(purposes).toEqual([`commit ${first}`, 'segmentName wal']);
    expect(disk.operations.slice(-3)).toEqual([`write ${first}`, `sync ${first}`, 'syncDirectory wal']);
    purposes.length = 0;
    put(wal, { entries: [entry(2)] });
    expect(purposes).toEqual([`commit ${first}`]);
  });

  it('that fails ends the log: nothing more is written, and every write is told', () => {
    const disk = new TornDisk();
    const wal = openWal(disk.port());
    recovered(wal);
    put(wal, { entries: [entry(1)] });
    disk.failNextSync = true;
    expect(put(wal, { entries: [entry(2)] })).toMatchObject({
      ok: false,
      error: { code: 'RAFT_STORAGE_FAILED' },
    });
    const before = disk.operations.length;
    expect(put(wal, { entries: [entry(3)] })).toMatchObject({
      ok: false,
      error: { code: 'RAFT_STORAGE_FAILED' },
    });
    expect(disk.operations.length).toBe(before);
  });
});

const keyOf = ({ hardState, base, entries }: RecoveredLog): string =>
  `${hardState.term} ${hardState.vote} ${base.index}:${base.term} ${entries.map(({ index, term, command }) => `${index}:${term}:${command.length}`).join(' ')}`;

/** A snapshot covers the log up to somewhere in it, or to behind its end. */
function covered({ hardState, base, entries }: RecoveredLog, prng: Prng): RecoveredLog {
  const upTo = prng.between(1, entries.length + 1);
  const index = base.index + upTo;
  const last = entries[upTo - 1];
  return last === undefined
    ? { hardState, base: { index, term: hardState.term + 1 }, entries: [] }
    : { hardState, base: { index, term: last.term }, entries: entries.slice(upTo) };
}

/**
 * A log through crashes at every kind of moment. The model: states after each write; what is recovered must be the state after a
 * write that was made, not before the last one that was reported done, and never go back behind what was recovered once.
 */
function life(seed: number, skip: FlushPurpose | null): string | null {
  const prng = Prng.fromSeed(seed, 'wal');
  const disk = new TornDisk();
  let latest: RecoveredLog = { hardState: { term: 0, vote: null }, base: { index: 0, term: 0 }, entries: [] };
  let states = [keyOf(latest)];
  for (let incarnation = 0; incarnation < 8; incarnation++) {
    if (prng.chance(0.6)) disk.left = prng.between(1, 60);
    if (prng.chance(0.2)) disk.failNextSync = true;
    const wal = openWal(disk.port(), (purpose) => {
      if (purpose === skip) disk.skipNextSync = true;
    });
    let log: RecoveredLog | undefined;
    let problem: string | null = null;
    wal.recover(0, (outcome) => {
      if (outcome.ok) log = outcome.value;
      else if (outcome.error.code !== 'RAFT_STORAGE_FAILED') problem = outcome.error.message;
    });
    if (problem !== null) return problem;
    if (log !== undefined) {
      latest = log;
      if (!states.includes(keyOf(latest))) {
        return `recovered ${latest.entries.length} entries at term ${latest.hardState.term}, which is no state it was in`;
      }
      states = [keyOf(latest)];
      for (let i = prng.between(0, 25); i > 0; i--) {
        const { hardState: before, base: old, entries: had } = latest;
        const term = before.term + (prng.chance(0.3) ? 1 : 0);
        const keep = prng.chance(0.2) ? prng.between(0, had.length) : had.length;
        const kept = had.slice(0, keep);
        const first = old.index + keep + 1;
        const fresh = Array.from({ length: prng.between(0, 3) }, (_, k) =>
          entry(first + k, term, 'x'.repeat(prng.between(0, 900))),
        );
        const hardState = { term, vote: prng.chance(0.5) ? 'a' : null };
        latest = { hardState, base: old, entries: [...kept, ...fresh] };
        states.push(keyOf(latest));
        let outcome = put(wal, {
          hardState,
          truncateAfter: keep < had.length ? first - 1 : null,
          entries: fresh,
        });
        if (outcome?.ok && prng.chance(0.15)) {
          latest = covered(latest, prng);
          states.push(keyOf(latest));
          outcome = put(wal, { base: latest.base });
        }
        if (outcome === undefined || !outcome.ok) break;
        states = states.slice(-1);
      }
    }
    if (prng.chance(0.5)) disk.kill();
    else disk.power(prng);
    disk.failNextSync = false;
    disk.skipNextSync = false;
  }
  return null;
}

describe('recovery', () => {
  it('finds everything that was reported done, and nothing that never was, over 150 lives of crashes', () => {
    for (let seed = 1; seed <= 150; seed++) expect([seed, life(seed, null)]).toEqual([seed, null]);
  });

  const purposes: readonly FlushPurpose[] = [
    'commit',
    'segmentName',
    'recoveredFrame',
    'recoveredNames',
    'folderName',
    'removedName',
    'spareZeros',
  ];
  for (const purpose of purposes) {
    it(`loses something when the flush for ${purpose} is left out`, () => {
      let seed = 1;
      while (seed < 400 && life(seed, purpose) === null) seed++;
      expect(seed).toBeLessThan(400);
    });
  }
});

describe('a folder that cannot be used', () => {
  it('is told at the start, with the disk’s reason', () => {
    const disk = memoryDisk();
    disk.open('wal', { create: true }, () => undefined);
    const error = recoveryError(new WriteAheadLog({ disk, ...small }));
    expect(error.code).toBe('RAFT_STORAGE_FAILED');
    expect(error.message).toContain('wal');
  });

  it('is told at the start when nothing may be written to it', () => {
    const disk = memoryDisk();
    const locked: typeof disk = {
      ...disk,
      open: (path, { create }, done) => {
        if (create) done({ ok: false, error: diskError('DISK_PERMISSION', `Cannot open ${path}.`) });
        else disk.open(path, { create }, done);
      },
    };
    const error = recoveryError(new WriteAheadLog({ disk: locked, ...small }));
    expect([error.code, error.cause]).toMatchObject(['RAFT_STORAGE_FAILED', { code: 'DISK_PERMISSION' }]);
  });

  it('refuses impossible settings', () => {
    expect(() => new WriteAheadLog({ disk: memoryDisk(), segmentBytes: 1 })).toThrow(/segmentBytes/);
  });
});

describe('a log that waits for the end of a turn', () => {
  it('makes one flush for what all groups have written in it, and closes behind that', () => {
    const turn: (() => void)[] = [];
    const purposes: FlushPurpose[] = [];
    const wal = new WriteAheadLog({
      disk: new TornDisk().port(),
      ...small,
      onFlush: (purpose) => void purposes.push(purpose),
      afterTurn: (run) => void turn.push(run),
    });
    const groups = [1, 2, 3];
    for (const group of groups) recovered(wal, group);
    const told: string[] = [];
    for (const group of groups)
      wal.write(group, write({ entries: [entry(1)] }), ({ ok }) => told.push(`${group} ${ok}`));
    wal.close(() => told.push('closed'));
    expect([told, turn.length]).toEqual([[], 1]);
    turn[0]?.();
    expect(told).toEqual(['1 true', '2 true', '3 true', 'closed']);
    expect(purposes.filter((purpose) => purpose === 'commit')).toHaveLength(1);
  });
});
