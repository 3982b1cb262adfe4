import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from '@cluster/cli';
import { toPromise } from '@cluster/core';
import { fileDisk } from '@cluster/core/node';
import { type RecoveredLog, WriteAheadLog } from '@cluster/raft';
import { afterEach, beforeEach, expect, it } from 'vitest';

let dataDir = '';
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'cluster-wal-'));
});
afterEach(() => rmSync(dataDir, { recursive: true }));

const open = async (): Promise<{ log: WriteAheadLog; recovered: RecoveredLog }> => {
  const log = new WriteAheadLog({ disk: fileDisk(dataDir) });
  return { log, recovered: await toPromise<RecoveredLog>((done) => log.recover(0, done)) };
};

/** Five frames of one entry each. */
async function fill(): Promise<void> {
  const { log } = await open();
  for (let index = 1; index <= 5; index++) {
    const entry = { index, term: 1, kind: 'command', session: null, command: new Uint8Array(100) } as const;
    const write = { hardState: null, base: null, truncateAfter: null, entries: [entry] };
    await toPromise<void>((done) => log.write(0, write, done));
  }
  await toPromise<void>((done) => log.close(done));
}

/** In the second frame. */
function damage(): void {
  const file = openSync(join(dataDir, 'wal/0000000000000001.wal'), 'r+');
  writeSync(file, Uint8Array.of(0xee), 0, 1, 300);
  closeSync(file);
}

async function wal(...args: string[]): Promise<{ code: number; said: string; report: unknown }> {
  let [out, err] = ['', ''];
  const say = { out: (text: string) => void (out += text), err: (text: string) => void (err += text) };
  const code = await runCli(['wal', dataDir, '--json', ...args], { ...say, terminal: null, colour: false });
  return { code, said: err, report: JSON.parse(out) };
}

it('says of a sound log that it is, and cuts nothing off it', async () => {
  await fill();
  for (const args of [[], ['--cut']]) {
    const { code, said, report } = await wal(...args);
    expect(said).toContain('The log is sound.');
    expect([code, report]).toMatchObject([0, { ok: true, cut: false, segments: [{ frames: 5 }] }]);
  }
  const { log, recovered } = await open();
  expect(recovered.entries).toHaveLength(5);
  await toPromise<void>((done) => log.close(done));
});

it('says of a damaged log where, exits with 1, changes nothing, and with --cut makes it open again', async () => {
  await fill();
  damage();
  await expect(open()).rejects.toMatchObject({ code: 'RAFT_LOG_DAMAGED' });
  const found = await wal();
  expect(found.said).toMatch(/1 sound frames? in .*DAMAGED: .*0000000000000001\.wal at offset \d+/);
  expect([found.code, found.report]).toMatchObject([1, { ok: false, cut: false }]);
  await expect(open()).rejects.toMatchObject({ code: 'RAFT_LOG_DAMAGED' });
  const cut = await wal('--cut');
  expect([cut.code, cut.report]).toMatchObject([0, { ok: true, cut: true }]);
  const { log, recovered } = await open();
  expect(recovered.entries).toHaveLength(1);
  await toPromise<void>((done) => log.close(done));
});
