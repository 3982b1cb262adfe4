import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

const examples = ['README.md', 'docs/guides/stepping.md'].flatMap((file) => {
  const text = readFileSync(join(import.meta.dirname, '../../..', file), 'utf8');
  return [...text.matchAll(/```ts\n(.*?)```/gs)].map((match) => match[1] ?? '');
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(import.meta.dirname, '.readme-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs an example as a user would paste it; gives what it printed. */
async function run(example: string): Promise<unknown[][]> {
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  try {
    const file = join(folder, 'example.ts');
    writeFileSync(file, example);
    await import(pathToFileURL(file).href);
    return log.mock.calls;
  } finally {
    log.mockRestore();
  }
}

const example = (needle: string): string => examples.find((text) => text.includes(needle)) ?? '';

describe('the examples of README and guides', () => {
  it('a manager of its own elects itself, and lists itself as alive', async () => {
    const [members, role] = await run(example('@cluster/manager'));
    expect(members?.[0]).toHaveLength(1);
    expect(['follower', 'preCandidate', 'candidate', 'leader']).toContain(role?.[0]);
  });

  it('two members see each other', async () => {
    const [printed = []] = await run(example('@cluster/swim/node'));
    expect((printed[0] as string[]).toSorted()).toEqual(['n1', 'n2']);
  });

  it('a machine opens from its package', async () => {
    const [states] = await run(example('/machines'));
    expect(states?.[0]).toContain('leader');
  });
});
