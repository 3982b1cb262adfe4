// Real time, real sockets, a real folder: the same cases as the simulated ports.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileDisk, systemClock, tcpStreams, udpDatagrams } from '@cluster/core/node';
import { afterAll, describe, expect, test } from 'vitest';
import { clockConformance, datagramConformance, diskConformance, duplexConformance } from '../src/index.ts';

const settle = async (): Promise<void> => {
  await sleep(5);
};
const host = '127.0.0.1';

describe("the system's clock", () => {
  test.each([...clockConformance(() => ({ clock: systemClock, settle }))])('$name', ({ run }) =>
    expect(run()).resolves.toBeUndefined(),
  );
});

describe('a folder as disk', () => {
  const root = mkdtempSync(join(tmpdir(), 'cluster-disk-'));
  let count = 0;
  afterAll(() => rmSync(root, { recursive: true }));
  const make = async (): Promise<{ disk: ReturnType<typeof fileDisk>; settle: typeof settle }> => {
    const parent = fileDisk(root);
    const name = `case-${count++}`;
    await new Promise((resolve) => parent.makeDirectory(name, resolve));
    return { disk: fileDisk(join(root, name)), settle };
  };
  test.each([...diskConformance(make)])('$name', ({ run }) => expect(run()).resolves.toBeUndefined());
});

describe('UDP', () => {
  const port = udpDatagrams();
  test.each([...datagramConformance(() => ({ a: { port, host }, b: { port, host }, settle }))])(
    '$name',
    ({ run }) => expect(run()).resolves.toBeUndefined(),
  );
});

describe('TCP', () => {
  const port = tcpStreams();
  test.each([...duplexConformance(() => ({ a: port, b: { port, host }, settle }))])('$name', ({ run }) =>
    expect(run()).resolves.toBeUndefined(),
  );
});
